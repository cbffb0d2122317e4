"""Checkpoints of other programs that lie in the models folder, and what they were converted to.

A checkpoint stays where it was put. Its model is the folder `.converted/NAME`, made by the worker, with a note of the
file it was made from. The model is there for as long as that file is, and made again when the file changes.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from latentlayers.checkpoints.header import digest, read_header
from latentlayers.checkpoints.refusals import open_bounded
from latentlayers.errors import PreconditionFailed
from latentlayers.library.file_facts import FileFacts, Stamp
from latentlayers.library.install import discard, install, sweep
from latentlayers.library.model_entry import GENERATOR, ModelEntry, read_entry
from latentlayers.library.model_files import free_name, model_name

CONVERTED, NOTE = ".converted", "checkpoint.json"
STILL_S = 2.0  # a file that was written to within this time is still being copied


@dataclass(frozen=True)
class _Conversion:
    """The model in `folder` was made from `checkpoint` as it was at `stamp`."""

    folder: Path
    checkpoint: Path
    stamp: Stamp

    def is_current(self) -> bool:
        """False if its checkpoint has changed or is gone. A link that leads nowhere now may do so again later."""
        try:
            return Stamp.of(self.checkpoint) == self.stamp
        except OSError:
            return self.checkpoint.is_symlink()


class Conversions:
    """The models made from the checkpoints in a models folder.

    Args:
        failures: why some could not be made; passing_failures: those that were not the file's fault.
        digests: see `read_entry`.
    """

    def __init__(self, models: Path, failures: FileFacts, passing_failures: FileFacts, digests: FileFacts) -> None:
        self._models, self._folder = models, models / CONVERTED
        self._failures, self._passing_failures, self._digests = failures, passing_failures, digests

    def entries(self, checkpoints: Iterable[Path], taken: Iterable[str]) -> Iterator[ModelEntry]:
        """One for each checkpoint, with a name that is not taken: converted, waiting for it, or with what is wrong."""
        names, made = set(taken), self._made()
        # Those that have a name keep it.
        for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint not in made):
            conversion = made.get(checkpoint)
            wanted = conversion.folder.name if conversion else model_name(checkpoint, self._models)
            name = free_name(wanted, names)
            names.add(name)
            if conversion and conversion.is_current():
                entry = read_entry(name, conversion.folder / GENERATOR, self._digests)
                yield replace(entry, checkpoint=checkpoint)
            else:
                yield self._unconverted(name, checkpoint)

    def add(self, name: str, checkpoint: Path, write: Callable[[Path], object]) -> None:
        """Keeps the model of a checkpoint under `name`, in place of the one that was made of it before.

        A file that was converted already, under another name, is not converted again: both names are one model.

        Args:
            write: fills the folder it is given, with `GENERATOR` at least.

        Raises:
            What `write` raises. NotFound, InvalidInput: the checkpoint cannot be read.
            PreconditionFailed: FILE_CHANGED. Exhausted: DISK_FULL. LatentLayersError: LIBRARY_WRITE_FAILED.
        """
        with open_bounded(checkpoint):
            stamp = Stamp.of(checkpoint)
        sweep(self._folder)
        sha256 = digest(checkpoint)
        generators = [made.folder / GENERATOR for made in self._made().values()]
        twin = next((file for file in generators if file.is_file() and read_header(file).source_sha256 == sha256), None)

        def fill(folder: Path) -> None:
            if twin is None:
                write(folder)
            else:
                _link(twin, folder / GENERATOR)
            read_header(folder / GENERATOR)
            if Stamp.of(checkpoint) != stamp:
                raise PreconditionFailed(
                    "FILE_CHANGED", f"{checkpoint.name} changed while it was read.", "Wait until it is complete."
                )
            named = checkpoint.relative_to(self._models).as_posix()
            note = {"checkpoint": named, "size": stamp.size, "mtime_ns": stamp.mtime_ns}
            (folder / NOTE).write_text(json.dumps(note), encoding="utf-8")

        install(self._folder / name, fill)

    def fail(self, checkpoint: Path, stamp: Stamp, problem: str, *, lasting: bool) -> None:
        """Remembers why a checkpoint could not be converted: until it changes, or at most until `retry`."""
        (self._failures if lasting else self._passing_failures).put(checkpoint, stamp, problem)

    def retry(self) -> None:
        """Gives checkpoints whose failure was not lasting another chance."""
        self._passing_failures.clear()

    def remove(self, checkpoint: Path) -> None:
        """Deletes a checkpoint and its model. Raises OSError."""
        checkpoint.unlink()
        if conversion := self._made().get(checkpoint):
            discard(conversion.folder)

    def orphans(self) -> list[Path]:
        """The folders of models whose checkpoint is gone or has become another."""
        current = {conversion.folder for conversion in self._made().values() if conversion.is_current()}
        try:
            return [folder for folder in self._folder.iterdir() if folder not in current]
        except OSError:  # nothing was ever converted
            return []

    def _made(self) -> dict[Path, _Conversion]:
        """By checkpoint."""
        found = {}
        for note in sorted(self._folder.glob(f"[!.]*/{NOTE}")):
            with suppress(OSError, ValueError, TypeError, KeyError):  # not one of our folders
                fields = json.loads(note.read_bytes())
                checkpoint = self._models / fields["checkpoint"]
                found[checkpoint] = _Conversion(note.parent, checkpoint, Stamp(fields["size"], fields["mtime_ns"]))
        return found

    def _unconverted(self, name: str, checkpoint: Path) -> ModelEntry:
        entry = ModelEntry(name, checkpoint, checkpoint=checkpoint)
        try:
            entry = replace(entry, stamp=(stamp := Stamp.of(checkpoint)))
        except OSError as error:
            return replace(entry, problem=f"It cannot be read: {error.strerror}.")
        if problem := self._failures.get(checkpoint, stamp) or self._passing_failures.get(checkpoint, stamp):
            return replace(entry, problem=problem)
        if not os.access(checkpoint, os.R_OK):
            return replace(entry, problem="It cannot be read: you may not open the file.")
        problem = "It is still being copied." if is_growing(stamp) else "It is being converted."
        return replace(entry, converting=True, problem=problem)


def is_growing(stamp: Stamp | None) -> bool:
    """Whether the file was written to just now. Dates in the future, as some archives have them, do not count."""
    return stamp is not None and 0 <= time.time() - stamp.mtime_ns / 1e9 < STILL_S


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # the file system has no links
        shutil.copyfile(source, target)
