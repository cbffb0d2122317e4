"""The outermost layer of a checkpoint file: which of the three containers it is, and the inert value inside."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO

from latentlayers.checkpoints.pickles.archive import Archive
from latentlayers.checkpoints.pickles.inert import Storages, read_legacy
from latentlayers.checkpoints.pickles.limits import Stream
from latentlayers.checkpoints.pickles.unpickler import Allowed, Unpickler
from latentlayers.checkpoints.refusals import corrupt, unsupported

ZIP_START = b"PK\x03\x04"
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
GIT_LFS_START = b"version https://git-lfs"
WEB_PAGE_STARTS = (b"<!doctype html", b"<html")
PICKLE_STARTS = b"\x80(c}]"  # protocol 2 and later; tuple, global, dict or list of the protocols before


def read_value(file: BinaryIO, size: int, allowed: Allowed, *, allowed_prefix: str | None = None) -> Any:
    """The value in a pickle, a torch zip or a torch legacy file; its arrays stay lazy while `file` is open.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: none of these, or it names a global that is not allowed.
    """
    start = file.read(64)
    if start.startswith(ZIP_START):
        return read_zip(Archive(file, size), allowed, allowed_prefix)
    if start.startswith(LEGACY_START):
        return read_legacy(Stream(file, size), allowed)
    if start[:1] and start[:1] in PICKLE_STARTS:
        return Unpickler(Stream(file, size), allowed).load()
    if start.startswith(GIT_LFS_START):
        raise unsupported(
            "it is Git LFS's note of where the checkpoint is", "Fetch the file itself with `git lfs pull`."
        )
    if start.lstrip().lower().startswith(WEB_PAGE_STARTS):
        raise unsupported("it is a web page", "Download the checkpoint itself; the address led to a page about it.")
    raise unsupported(f"its first bytes, {start[:8].hex(' ')}, are not those of a StyleGAN checkpoint")


def read_zip(archive: Archive, allowed: Allowed, allowed_prefix: str | None) -> Any:
    """The value of `data.pkl` in torch's zip container; storages are read from their parts on demand."""
    pickles = [name for name in archive.names if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise unsupported("it is a zip archive, but not one that torch.save wrote")
    folder = pickles[0].removesuffix("data.pkl")

    def storage(key: str, expected: int) -> Callable[[], bytearray]:
        name = f"{folder}data/{key}"
        if archive.size(name) != expected:
            raise corrupt(f"its storage {key:.100} has {archive.size(name)} bytes, not {expected}")
        return lambda: archive.read(name)

    if f"{folder}byteorder" in archive.names and archive.read(f"{folder}byteorder") != b"little":
        raise unsupported("its numbers are big-endian")
    pickle = archive.read(pickles[0])
    stream = Stream(io.BytesIO(pickle), len(pickle))
    return Unpickler(stream, allowed, allowed_prefix=allowed_prefix, persistent=Storages(storage)).load()
