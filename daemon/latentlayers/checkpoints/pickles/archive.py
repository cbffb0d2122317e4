"""The zip container that torch writes, without trusting it: parts stored as they are, side by side, each named once.

The directory at the file's end is read by `zipfile`, within bounds; the parts are read here, so that nothing is
ever decompressed. Standard library only.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from bisect import bisect_right
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from latentlayers.checkpoints.pickles.limits import Blob, Stream
from latentlayers.checkpoints.refusals import corrupt

MAX_DIRECTORY_BYTES = 4 << 20  # a training snapshot with thousands of parts needs about 0.3 MiB
LOCAL_HEADER = struct.Struct("<4s2xH10x2L2H")
SIZE_FOLLOWS = 8  # flag: the sizes stand behind the data, and in the directory
SIZE_IS_ZIP64 = 0xFFFFFFFF


def directory(file: BinaryIO) -> tuple[list[zipfile.ZipInfo], int]:
    """The entries of a zip archive's directory, and the byte at which it begins.

    Raises:
        CorruptCheckpoint: it is longer than `MAX_DIRECTORY_BYTES`. zipfile.BadZipFile, ValueError: damaged.
    """
    archive = zipfile.ZipFile(cast(IO[bytes], _Bounded(file)))
    return archive.infolist(), archive.start_dir


class Archive:
    """A zip archive's parts by name.

    Raises:
        CorruptCheckpoint: two parts share a name or a place, one has an improper name, or the directory is too long.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        members, end = directory(file)
        self._members = {member.filename: member for member in members}
        self._borders = sorted({*(member.header_offset for member in members), end})
        if len(self._members) != len(members) or len(self._borders) != len(members) + 1:
            raise corrupt("two parts of its archive have the same name or place")
        for name in self._members:
            if name.startswith("/") or ".." in PurePosixPath(name.replace("\\", "/")).parts:
                raise corrupt(f"its part {name:.100} has a name that leads out of the archive")

    @property
    def names(self) -> list[str]:
        return list(self._members)

    def size(self, name: str) -> int:
        """In bytes. Raises CorruptCheckpoint if there is no such part."""
        return self._member(name).file_size

    def read(self, name: str) -> bytearray:
        """A part's content.

        Raises:
            CorruptCheckpoint: there is no such part, it is compressed, its sizes contradict each other, it reaches
                into its neighbour, or its content is not what was written.
        """
        member = self._member(name)
        data = self._locate(member).read()
        if zlib.crc32(data) != member.CRC:
            raise corrupt(f"its part {name:.100} has another checksum than announced")
        return data

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise corrupt(f"its part {name:.100} is missing")
        return self._members[name]

    def _locate(self, member: zipfile.ZipInfo) -> Blob:
        name = member.filename
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise corrupt(f"its part {name:.100} is not stored as torch does")
        begin = member.header_offset
        end = self._borders[bisect_right(self._borders, begin)]
        stream = Stream(self._file, min(end, self._size) - begin, begin)
        signature, flags, packed, unpacked, name_size, extra_size = LOCAL_HEADER.unpack(stream.read(LOCAL_HEADER.size))
        sizes = {member.file_size, SIZE_IS_ZIP64} | ({0} if flags & SIZE_FOLLOWS else set())
        if signature != b"PK\3\4" or not {member.compress_size, packed, unpacked} <= sizes:
            raise corrupt(f"its part {name:.100} contradicts the archive's directory")
        stream.take(name_size + extra_size)
        return stream.take(member.file_size)


class _Bounded:
    """A file that gives zipfile no more at once than a directory needs."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, n: int = -1) -> bytes:
        if n > MAX_DIRECTORY_BYTES:
            raise corrupt(f"its archive's directory has {n} bytes")
        return self._file.read(n)
