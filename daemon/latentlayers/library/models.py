"""The models on the disk, as far as can be told without loading one.

A model is a folder `NAME/` with `generator.safetensors` and, optionally, `features.safetensors` (perceptual
network), `directions.safetensors` (one tensor per named direction), `calibration.safetensors` (what embedding would
measure first), `manifest.json` and `MODEL_CARD.md`; or a lone `NAME.safetensors`. Some come with the package; the
user's own are in the models folder. Files of other programs may lie there too, see `library.conversions`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from latentlayers import __version__
from latentlayers.atomic import write_error
from latentlayers.checkpoints.header import read_header
from latentlayers.errors import InvalidInput, NotFound, PreconditionFailed
from latentlayers.library.conversions import Conversions
from latentlayers.library.file_facts import FileFacts
from latentlayers.library.install import discard, install, sweep
from latentlayers.library.model_entry import GENERATOR, ModelEntry, read_entry
from latentlayers.library.model_files import NAME, is_checkpoint, model_files, model_name
from latentlayers.library.watch import FolderWatch
from latentlayers.paths import Paths

__all__ = ["DEFAULT_MODEL", "GENERATOR", "ModelEntry", "ModelStore"]

DEFAULT_MODEL = "portraits-128"
_LEFTOVER_AGE_S = 24 * 3600.0


class ModelStore:
    """The models that came with the package and those in the user's folder. Thread-safe.

    Args:
        shipped: where those of the package are; None for the package's own folder.
    """

    def __init__(self, paths: Paths, shipped: Path | None = None) -> None:
        self._folder, self._features, self._calibrations = paths.models, paths.features, paths.calibrations
        self._shipped = shipped or Path(str(files("latentlayers"))) / "models"
        self._digests = FileFacts(paths.state / "model-digests.json")
        # A later version may be able to read what this one cannot.
        failures = FileFacts(paths.state / "conversion-failures.json", __version__)
        passing = FileFacts(paths.state / "passing-conversion-failures.json")
        self._conversions = Conversions(self._folder, failures, passing, self._digests)
        self._watches: list[FolderWatch] = []

    @property
    def folder(self) -> Path:
        """Where the user's own models are."""
        return self._folder

    @property
    def features_folder(self) -> Path:
        """Where perceptual networks are that serve every model."""
        return self._features

    @property
    def calibrations_folder(self) -> Path:
        """Where the worker keeps what it measured on them."""
        return self._calibrations

    def list(self) -> tuple[ModelEntry, ...]:
        """All models by name, those that cannot be used included; of two with one name the shipped one counts."""
        found = list(model_files(self._folder))
        checkpoints = [file for file in found if is_checkpoint(file)]
        own = (
            read_entry(model_name(file, self._folder), file, self._digests) for file in found if file not in checkpoints
        )
        shipped = (
            replace(read_entry(model_name(file, self._shipped), file, self._digests), shipped=True)
            for file in model_files(self._shipped)
        )
        entries = {entry.name: entry for entries in (own, shipped) for entry in entries}
        entries |= {entry.name: entry for entry in self._conversions.entries(checkpoints, entries)}
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
        if not NAME.fullmatch(name):
            raise InvalidInput(
                "MODEL_NAME_INVALID",
                f"{name!r:.80} cannot be a model's name.",
                "Use up to 64 letters, digits, dots, dashes and underscores, and begin with a letter or digit.",
            )
        if any(entry.name == name for entry in self.list()):
            raise PreconditionFailed(
                "MODEL_EXISTS",
                f"There is a model {name!r} already.",
                "Choose another name (--name), or remove that one first.",
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

        def fill(folder: Path) -> None:
            write(folder)
            read_header(folder / GENERATOR)

        sweep(self._folder, _LEFTOVER_AGE_S)
        install(self._folder / name, fill)
        return self.get(name)

    def convert(self, name: str, checkpoint: Path, write: Callable[[Path], object]) -> None:
        """Keeps what `write` makes of a checkpoint in the models folder; see `Conversions.add`."""
        self._conversions.add(name, checkpoint, write)

    def conversion_failed(self, entry: ModelEntry, problem: str, *, lasting: bool) -> None:
        """`entry` has this problem from now on; see `Conversions.fail`."""
        if entry.checkpoint is not None and entry.stamp is not None:
            self._conversions.fail(entry.checkpoint, entry.stamp, problem, lasting=lasting)

    def retry_conversions(self) -> None:
        """See `Conversions.retry`."""
        self._conversions.retry()

    def purge(self) -> None:
        """Deletes the models of checkpoints that are gone; never raises.

        Not while a checkpoint waits: if it is one that was renamed, its model is still needed.
        """
        orphans = self._conversions.orphans()  # before looking for one that waits, or a rename would fall in between
        if not any(entry.converting for entry in self.list()):
            for folder in orphans:
                with suppress(OSError):
                    discard(folder)

    def remove(self, name: str) -> None:
        """Deletes a model of the user's, and the checkpoint in the models folder that it was converted from.

        Raises:
            NotFound: MODEL_UNKNOWN. PreconditionFailed: MODEL_SHIPPED. LatentLayersError: LIBRARY_WRITE_FAILED.
        """
        entry = self.get(name)
        if entry.shipped:
            raise PreconditionFailed(
                "MODEL_SHIPPED", f"{name} came with Latent Layers.", "It is removed by uninstalling the program."
            )
        is_folder = entry.path.name == GENERATOR and entry.path.parent != self._folder
        target = entry.checkpoint or (entry.path.parent if is_folder else entry.path)
        try:
            if entry.checkpoint is not None:
                self._conversions.remove(entry.checkpoint)
            elif is_folder and not target.is_symlink():
                discard(target)
            else:
                target.unlink()
        except OSError as error:
            raise write_error(target, error) from error

    def watch(self, callback: Callable[[tuple[ModelEntry, ...]], None]) -> None:
        """Calls back, from a thread of its own, with the new list whenever the models changed.

        Files that are still growing are waited for. Ends with `close`.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        last: tuple[ModelEntry, ...] = ()

        def look() -> None:
            nonlocal last
            entries = self.list()
            if entries != last:
                last = entries
                callback(entries)

        watch = FolderWatch(self._folder, look)
        self._watches.append(watch)
        last = self.list()  # after the watch was set up, so that nothing falls in between
        watch.start()

    def close(self) -> None:
        """Ends all watches; no callback runs after this returns."""
        while self._watches:
            self._watches.pop().close()
