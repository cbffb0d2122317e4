"""The outermost layer of a checkpoint file: which of the three containers it is, and the inert value inside."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO

from latentlayers.checkpoints.inert import read_legacy, storage_of
from latentlayers.checkpoints.limits import Stream
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.checkpoints.unpickler import Allowed, Unpickler

ZIP_START = b"PK\x03\x04"
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
PICKLE_STARTS = b"\x80(c}]"  # protocol 2 and later; tuple, global, dict or list of the protocols before
MAX_ZIP_MEMBERS = 100_000


def read_value(file: BinaryIO, size: int, allowed: Allowed, *, allowed_prefix: str | None = None) -> Any:
    """The value in a pickle, a torch zip or a torch legacy file; its arrays stay lazy while `file` is open.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: none of these, or it names a global that is not allowed.
    """
    start = file.read(len(LEGACY_START))
    file.seek(0)
    if start.startswith(ZIP_START):
        return read_zip(file, size, allowed, allowed_prefix)
    if start == LEGACY_START:
        return read_legacy(Stream(file, size), allowed)
    if start[:1] in PICKLE_STARTS:
        return Unpickler(Stream(file, size), allowed).load()
    raise unsupported(f"its first bytes, {start[:8].hex(' ')}, are not those of a StyleGAN checkpoint")


def read_zip(file: BinaryIO, size: int, allowed: Allowed, allowed_prefix: str | None) -> Any:
    """The value of `data.pkl` in torch's zip container; storages are read from their members on demand."""
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    pickles = [m.filename for m in members if m.filename.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1 or len(members) > MAX_ZIP_MEMBERS:
        raise unsupported("it is a zip archive, but not one that torch.save wrote")
    folder = pickles[0].removesuffix("data.pkl")

    def entry(name: str) -> zipfile.ZipInfo:
        info = archive.getinfo(folder + name)
        if info.compress_type != zipfile.ZIP_STORED or not 0 <= info.file_size <= size:
            raise corrupt(f"its part {name:.100} is not stored as torch does")
        return info

    def storage(key: str, expected: int) -> Callable[[], bytes]:
        info = entry(f"data/{key}")
        if info.file_size != expected:
            raise corrupt(f"its storage {key:.100} has {info.file_size} bytes, not {expected}")
        return lambda: archive.read(info)

    if f"{folder}byteorder" in archive.namelist() and archive.read(entry("byteorder")) != b"little":
        raise unsupported("its numbers are big-endian")
    pickle = archive.read(entry("data.pkl"))
    unpickler = Unpickler(
        Stream(io.BytesIO(pickle), len(pickle)),
        allowed,
        allowed_prefix=allowed_prefix,
        persistent=lambda pid: storage_of(pid, storage),
    )
    return unpickler.load()
