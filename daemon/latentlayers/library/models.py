"""The models on the disk, as far as can be told without loading one.

A model is a folder `NAME/` with `generator.safetensors` and, optionally, `features.safetensors` (perceptual
network), `directions.safetensors` (one tensor per named direction) and `MODEL_CARD.md`; or a lone
`NAME.safetensors`. Some come with the package; the user's own are in the models folder.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from latentlayers.checkpoints.header import ModelHeader, digest, read_header, read_layout
from latentlayers.checkpoints.refusals import corrupt, open_bounded, unsupported
from latentlayers.errors import InvalidInput, LatentLayersError, NotFound, PreconditionFailed
from latentlayers.library.atomic import TEMPORARY_PREFIX, sync_folder, write_atomic, write_error
from latentlayers.library.watch import FolderWatch
from latentlayers.paths import Paths

log = logging.getLogger(__name__)

DEFAULT_MODEL = "portraits-64"
GENERATOR, FEATURES, DIRECTIONS = "generator.safetensors", "features.safetensors", "directions.safetensors"
SUFFIX = ".safetensors"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FOREIGN = {".pkl", ".pt", ".pth"}
_MAX_SIZE = 1 << 16
_LEFTOVER_AGE_S = 24 * 3600.0


@dataclass(frozen=True)
class ModelEntry:
    """One model on the disk.

    Attributes:
        family: "stylegan1", "stylegan2" or "stylegan3".
        resolution: side of its pictures in pixels; num_ws, w_dim: its latents are [num_ws, w_dim] float32.
        licence, provenance, domain: see `checkpoints.header.ModelHeader`.
        digest: sha256 (hex) of the generator file; what a latent belongs to.
        path: the generator file; features, directions: the files beside it, where there are any.
        direction_names: of the labelled directions, sorted.
        shipped: it came with the package and cannot be removed.
        problem: why it cannot be used, as a sentence; then the sizes are 0. Empty if it can.
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
    digest: str = ""
    features: Path | None = None
    directions: Path | None = None
    direction_names: tuple[str, ...] = ()
    shipped: bool = False
    problem: str = ""


class ModelStore:
    """The models that came with the package and those in the user's folder. Thread-safe.

    Args:
        shipped: where those of the package are; None for the package's own folder.
    """

    def __init__(self, paths: Paths, shipped: Path | None = None) -> None:
        self._folder, self._features = paths.models, paths.features
        self._shipped = shipped or Path(str(files("latentlayers"))) / "models"
        self._digests = _DigestCache(paths.state / "model-digests.json")
        self._watches: list[FolderWatch] = []

    @property
    def folder(self) -> Path:
        """Where the user's own models are."""
        return self._folder

    @property
    def features_folder(self) -> Path:
        """Where perceptual networks are that serve every model."""
        return self._features

    def list(self) -> tuple[ModelEntry, ...]:
        """All models by name, unreadable ones included; of two with one name the shipped one counts."""
        entries = {entry.name: entry for entry in self._scan(self._folder, shipped=False)}
        entries |= {entry.name: entry for entry in self._scan(self._shipped, shipped=True)}
        return tuple(entry for _, entry in sorted(entries.items()))

    def get(self, name: str) -> ModelEntry:
        """The model of that name, even if it has a `problem`.

        Raises:
            NotFound: MODEL_UNKNOWN, with the names there are.
        """
        entries = {entry.name: entry for entry in self.list()}
        if name not in entries:
            known = f"Use one of: {', '.join(entries)}." if entries else "Add one with `latentlayers models add`."
            raise NotFound("MODEL_UNKNOWN", f"There is no model {name!r:.80}.", known)
        return entries[name]

    def default(self) -> ModelEntry:
        """`DEFAULT_MODEL` if it is there, else the first usable one.

        Raises:
            NotFound: MODEL_UNKNOWN, there is none.
        """
        usable = {entry.name: entry for entry in self.list() if not entry.problem}
        if not usable:
            raise NotFound("MODEL_UNKNOWN", "There is no usable model.", "Add one with `latentlayers models add`.")
        return usable.get(DEFAULT_MODEL) or next(iter(usable.values()))

    def check_new(self, name: str) -> None:
        """Raises InvalidInput, MODEL_NAME_INVALID, or PreconditionFailed, MODEL_EXISTS, if it cannot be added."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                "MODEL_NAME_INVALID",
                f"{name!r:.80} cannot be a model's name.",
                "Use up to 64 letters, digits, dots, dashes and underscores, and begin with a letter or digit.",
            )
        if any(entry.name == name for entry in self.list()):
            raise PreconditionFailed(
                "MODEL_EXISTS",
                f"There is a model {name!r} already.",
                "Choose another name, or remove that one first.",
            )

    def add_converted(self, name: str, write: Callable[[Path], object]) -> ModelEntry:
        """Installs a model folder: it appears complete, or not at all.

        Args:
            write: fills the folder it is given, with `GENERATOR` at least.

        Raises:
            As `check_new`. InvalidInput: FILE_CORRUPT or FORMAT_UNSUPPORTED for what `write` made.
            Exhausted: DISK_FULL. LatentLayersError: LIBRARY_WRITE_FAILED.
        """
        self.check_new(name)
        target = self._folder / name
        staging: Path | None = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            staging = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self._folder))
            write(staging)
            read_header(staging / GENERATOR)
            for file in staging.iterdir():
                with file.open("r+b") as content:
                    os.fsync(content.fileno())
            sync_folder(staging)
            staging.rename(target)
            sync_folder(self._folder)
        except OSError as error:
            raise write_error(target, error) from error
        finally:
            if staging is not None:
                shutil.rmtree(staging, ignore_errors=True)
        return self.get(name)

    def remove(self, name: str) -> None:
        """Deletes a model of the user's.

        Raises:
            NotFound: MODEL_UNKNOWN. PreconditionFailed: MODEL_SHIPPED. LatentLayersError: LIBRARY_WRITE_FAILED.
        """
        entry = self.get(name)
        if entry.shipped:
            raise PreconditionFailed(
                "MODEL_SHIPPED", f"{name} came with Latent Layers.", "It is removed by uninstalling the program."
            )
        target = entry.path.parent if entry.path.parent != self._folder else entry.path
        try:
            if target.is_dir() and not target.is_symlink():
                doomed = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self._folder))
                target.replace(doomed / target.name)  # gone from the list at once
                shutil.rmtree(doomed)
            else:
                target.unlink()
        except OSError as error:
            raise write_error(target, error) from error

    def watch(self, callback: Callable[[tuple[ModelEntry, ...]], None]) -> None:
        """Calls back, from a thread of its own, with the new list whenever the models changed.

        Files that are still growing are waited for. Ends with `close`.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        last = self.list()

        def look() -> None:
            nonlocal last
            entries = self.list()
            if entries != last:
                last = entries
                callback(entries)

        self._watches.append(FolderWatch(self._folder, look))

    def close(self) -> None:
        """Ends all watches; no callback runs after this returns."""
        while self._watches:
            self._watches.pop().close()

    def _scan(self, folder: Path, *, shipped: bool) -> Iterator[ModelEntry]:
        try:
            items = sorted(folder.iterdir())
        except OSError:  # the folder is made on first use
            return
        # Converted models last: they count where a foreign checkpoint of the same name lies beside them.
        for item in sorted(items, key=lambda item: item.suffix not in _FOREIGN):
            if item.name.startswith("."):
                continue
            if (item / GENERATOR).is_file():
                yield self._read(item.name, item / GENERATOR, shipped)
            elif item.suffix == SUFFIX and item.is_file():
                yield self._read(item.stem, item, shipped)
            elif item.suffix in _FOREIGN and item.is_file():
                problem = f"Not converted yet: run `latentlayers models add {item}`."
                yield ModelEntry(item.stem, item, shipped=shipped, problem=problem)

    def _read(self, name: str, generator: Path, shipped: bool) -> ModelEntry:
        try:
            header = read_header(generator)
            resolution, num_ws = _sizes(header)
            entry = ModelEntry(
                name,
                generator,
                family=header.family,
                resolution=resolution,
                num_ws=num_ws,
                w_dim=_whole(header, "w_dim", 1),
                z_dim=_whole(header, "z_dim", 1),
                c_dim=_whole(header, "c_dim", 0),
                licence=header.licence,
                provenance=header.provenance,
                domain=header.domain,
                digest=self._digests.of(generator),
                shipped=shipped,
            )
        except (LatentLayersError, OSError) as error:
            problem = error.message if isinstance(error, LatentLayersError) else f"It cannot be read: {error.strerror}."
            return ModelEntry(name, generator, shipped=shipped, problem=problem)
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

    def _sweep(self) -> None:
        """Removes what a killed process was installing or removing."""
        for folder in self._folder.glob(f"{TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if folder.stat().st_mtime < time.time() - _LEFTOVER_AGE_S:
                    shutil.rmtree(folder, ignore_errors=True)


class _DigestCache:
    """sha256 of files, kept on the disk and trusted while path, size and date stay the same."""

    def __init__(self, file: Path) -> None:
        self._file, self._mutex = file, threading.Lock()
        self._known = self._load()

    def of(self, path: Path) -> str:
        """Raises as `checkpoints.header.digest`."""
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        with self._mutex:
            match self._known.get(str(path)):
                case [size, date, str(known)] if [size, date] == stamp:
                    return known
        found = digest(path)
        with self._mutex:
            self._known[str(path)] = [*stamp, found]
            self._known = {name: entry for name, entry in self._known.items() if Path(name).exists()}
            with suppress(LatentLayersError):  # it is only slower without
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomic(self._file, json.dumps(self._known).encode())
        return found

    def _load(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            known = json.loads(self._file.read_bytes())
            if isinstance(known, dict):
                return known
        return {}


def _sizes(header: ModelHeader) -> tuple[int, int]:
    """(resolution, num_ws). StyleGAN 1 and 2 read two rows of `w+` per side from 4 px on."""
    resolution = _whole(header, "resolution", 4)
    if header.family not in ("stylegan1", "stylegan2") or resolution & (resolution - 1):
        raise unsupported(f"it is a {header.family!r:.80} of {resolution} px", "Update Latent Layers.")
    return resolution, 2 * (resolution.bit_length() - 1) - 2


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
