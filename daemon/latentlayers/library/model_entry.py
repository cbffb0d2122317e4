"""One model on the disk, described from its files without loading it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from latentlayers.checkpoints.header import ModelHeader, digest, num_ws, read_header, read_layout
from latentlayers.checkpoints.refusals import corrupt, open_bounded
from latentlayers.errors import LatentLayersError
from latentlayers.library.file_facts import FileFacts, Stamp

log = logging.getLogger(__name__)

GENERATOR, FEATURES, DIRECTIONS = "generator.safetensors", "features.safetensors", "directions.safetensors"
CALIBRATION = "calibration.safetensors"
_MAX_SIZE = 1 << 16


@dataclass(frozen=True)
class ModelEntry:
    """One model on the disk.

    Attributes:
        path: the generator file; of a checkpoint that is not converted, the checkpoint.
        family: "stylegan1", "stylegan2" or "stylegan3".
        resolution: side of its pictures in pixels; num_ws, w_dim: its latents are [num_ws, w_dim] float32.
        licence, provenance, domain, source_format, source_sha256: see `checkpoints.header.ModelHeader`.
        digest: sha256 (hex) of the generator file; what a latent belongs to.
        features, directions: the files beside the generator, where there are any.
        direction_names: of the labelled directions, sorted.
        shipped: it came with the package and cannot be removed.
        problem: why it cannot be used, as a sentence; then the sizes are 0. Empty if it can.
        checkpoint: the file in the models folder it is, or is to be, converted from; None for the others.
        stamp: of `checkpoint`, while it is not converted.
        converting: it will be usable without anybody doing anything; `problem` says so.
    """

    name: str
    path: Path
    family: str = ""
    resolution: int = 0
    num_ws: int = 0
    w_dim: int = 0
    z_dim: int = 0
    c_dim: int = 0
    licence: str = ""
    provenance: str = ""
    domain: str = ""
    source_format: str = ""
    source_sha256: str = ""
    digest: str = ""
    features: Path | None = None
    directions: Path | None = None
    direction_names: tuple[str, ...] = ()
    shipped: bool = False
    problem: str = ""
    checkpoint: Path | None = None
    stamp: Stamp | None = None
    converting: bool = False


def read_entry(name: str, generator: Path, digests: FileFacts) -> ModelEntry:
    """The model whose generator is in a file of ours; never raises, see `ModelEntry.problem`.

    Args:
        digests: the sha256 of files that were hashed before.
    """
    try:
        header = read_header(generator)
        entry = ModelEntry(
            name,
            generator,
            family=header.family,
            resolution=_whole(header, "resolution", 1),
            num_ws=num_ws(header.family, header.config),
            w_dim=_whole(header, "w_dim", 1),
            z_dim=_whole(header, "z_dim", 1),
            c_dim=_whole(header, "c_dim", 0),
            licence=header.licence,
            provenance=header.provenance,
            domain=header.domain,
            source_format=header.source_format,
            source_sha256=header.source_sha256,
            digest=_digest(generator, digests),
        )
    except LatentLayersError as error:
        return ModelEntry(name, generator, problem=error.message)
    except OSError as error:
        return ModelEntry(name, generator, problem=f"It cannot be read: {error.strerror}.")
    if generator.name != GENERATOR:
        return entry
    features, directions = generator.with_name(FEATURES), generator.with_name(DIRECTIONS)
    names = _tensor_names(directions)
    return replace(
        entry,
        features=features if features.is_file() else None,
        directions=directions if names else None,
        direction_names=names,
    )


def _digest(path: Path, digests: FileFacts) -> str:
    stamp = Stamp.of(path)
    found = digests.get(path, stamp)
    if found is None:
        found = digest(path)
        digests.put(path, stamp, found)
    return found


def _whole(header: ModelHeader, name: str, least: int) -> int:
    value = header.config.get(name)
    if type(value) is not int or not least <= value <= _MAX_SIZE:
        raise corrupt(f"its {name} is {value!r:.80}")
    return value


def _tensor_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    try:
        with open_bounded(path) as (file, size):
            return tuple(sorted(read_layout(file, size).tensors))
    except LatentLayersError as error:
        log.warning("%s is left out: %s", path, error)
        return ()
