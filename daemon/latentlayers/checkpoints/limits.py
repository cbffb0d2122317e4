"""Limits on what a file may make us read and allocate. Standard library only."""

from __future__ import annotations

from typing import BinaryIO

from latentlayers.checkpoints.refusals import corrupt

MAX_LINE = 1 << 16


class Budget:
    """An amount that may be spent once, so that one piece of a file cannot be used a million times."""

    def __init__(self, amount: int) -> None:
        self._left = amount

    def spend(self, amount: int) -> None:
        """Raises CorruptCheckpoint when more is spent than there was."""
        self._left -= amount
        if self._left < 0:
            raise corrupt("it refers to the same data over and over")


class Stream:
    """A file that never reads past its known end, whatever length it is asked for."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size

    def read(self, n: int) -> bytes:
        """Exactly n bytes. Raises EOFError if there are fewer."""
        remaining = self.size - self._file.tell()
        if not 0 <= n <= remaining:
            raise EOFError(f"it ends {n - remaining} bytes early")
        return self._file.read(n)

    def skip(self, n: int) -> int:
        """Pass over n bytes and return where they begin, for `read_at`. Raises EOFError if there are fewer."""
        begin = self._file.tell()
        if not 0 <= n <= self.size - begin:
            raise EOFError(f"it ends {n - (self.size - begin)} bytes early")
        self._file.seek(begin + n)
        return begin

    def read_at(self, begin: int, n: int) -> bytes:
        self._file.seek(begin)
        return self.read(n)

    def readline(self) -> bytes:
        return self._file.readline(MAX_LINE)

    def tell(self) -> int:
        return self._file.tell()
