"""What a published model consists of: `manifest.json`, the size and sha256 of every file beside it.

A half-finished update or a bad disk would otherwise show as strange pictures. The manifest is optional: models that
people convert themselves have none, and are what they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlayers.atomic import write_atomic
from latentlayers.checkpoints.header import digest
from latentlayers.checkpoints.refusals import open_bounded
from latentlayers.errors import CorruptCheckpoint

MANIFEST = "manifest.json"
MAX_BYTES = 1 << 20
REMEDY = "Install Latent Layers again, or add the model again."


def write_manifest(folder: Path, about: Mapping[str, Any]) -> Path:
    """Describe the safetensors files in `folder`, anew if need be; `about`, JSON-ready, says how they were made.

    What an earlier manifest said about other things than `about` does is kept.

    Raises:
        Exhausted, LatentLayersError: see `atomic.write_error`.
        CorruptCheckpoint: CHECKPOINT_CORRUPT if the earlier manifest cannot be read.
    """
    path = folder / MANIFEST
    known = _read(path).get("about", {}) if path.is_file() else {}
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": digest(path)}
        for path in sorted(folder.glob("*.safetensors"))
    }
    text = json.dumps({"files": files, "about": {**known, **about}}, indent=2) + "\n"
    write_atomic(path, text.encode(), private=False)
    return path


def verify_manifest(folder: Path) -> None:
    """Compare the files with the manifest, if there is one; reads each of them once.

    Raises:
        CorruptCheckpoint: CHECKPOINT_CORRUPT if a file is missing or differs, or the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return
    try:
        expected = {
            str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in _read(path)["files"].items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _corrupt(f"{path} is not a manifest: {error!s:.200}.") from error
    for name, (size, sha256) in expected.items():
        part = folder / name
        if Path(name).name != name or not part.is_file():
            raise _corrupt(f"{folder.name} lacks its file {name!r:.80}.")
        if part.stat().st_size != size or digest(part) != sha256:
            raise _corrupt(f"{part} is not the file that {folder.name} was published with.")


def _read(path: Path) -> dict[str, Any]:
    try:
        with open_bounded(path) as (file, _):
            table = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise _corrupt(f"{path} cannot be read: {error!s:.200}.") from error
    if not isinstance(table, dict):
        raise _corrupt(f"{path} is not a manifest.")
    return table


def _corrupt(problem: str) -> CorruptCheckpoint:
    return CorruptCheckpoint("CHECKPOINT_CORRUPT", problem, REMEDY)
