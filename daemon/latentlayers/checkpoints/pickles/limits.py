"""Limits on what a file may make us read, allocate and compute. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from latentlayers.checkpoints.refusals import corrupt

MAX_LINE = 1 << 16
MAX_INSTRUCTIONS = 300_000  # a 1024 px pickle with three networks needs about 60 000, its storages included
SPARE_BYTES = 64 << 20  # what small objects may take beyond the bytes that the file has


class Budget:
    """An amount that may be spent once, so that one piece of a file cannot be used a million times."""

    def __init__(self, amount: int, excess: str = "it refers to the same data over and over") -> None:
        self._left, self._excess = amount, excess

    def spend(self, amount: int) -> None:
        """Raises CorruptCheckpoint when more is spent than there was."""
        self._left -= amount
        if self._left < 0:
            raise corrupt(self._excess)


@dataclass(frozen=True)
class Costs:
    """What decoding a file may cost in all, pickles inside pickles included."""

    instructions: Budget
    copies: Budget  # bytes


class Stream:
    """A file, or a part of it, read from its start and never past its end, whatever length is asked for."""

    def __init__(self, file: BinaryIO, size: int, begin: int = 0, costs: Costs | None = None) -> None:
        self._file, self._at, self._end = file, begin, begin + size
        self.costs = costs or Costs(
            Budget(MAX_INSTRUCTIONS, f"it has more than {MAX_INSTRUCTIONS} pickle instructions"),
            Budget(size + SPARE_BYTES),
        )

    def read(self, n: int) -> bytes:
        """Exactly n bytes. Raises EOFError if there are fewer."""
        self._file.seek(self._pass_over(n))
        return self._file.read(n)

    def take(self, n: int) -> Blob:
        """As `read`, but the bytes stay in the file."""
        return Blob(self._file, self._pass_over(n), n, self.costs)

    def readline(self) -> bytes:
        self._file.seek(self._at)
        line = self._file.readline(min(MAX_LINE, self._end - self._at))
        self._at += len(line)
        return line

    def _pass_over(self, n: int) -> int:
        begin = self._at
        if not 0 <= n <= self._end - begin:
            raise EOFError(f"it ends {n - (self._end - begin)} bytes early")
        self._at = begin + n
        return begin


@dataclass(frozen=True, eq=False)
class Blob:
    """A run of bytes that stays in its file until it is wanted."""

    file: BinaryIO
    begin: int
    size: int
    costs: Costs

    @classmethod
    def of(cls, data: bytes, costs: Costs) -> Blob:
        return cls(BytesIO(data), 0, len(data), costs)

    def __len__(self) -> int:
        return self.size

    def read(self) -> bytearray:
        data = bytearray(self.size)
        self.file.seek(self.begin)
        if self.file.readinto(data) != self.size:  # type: ignore[attr-defined]
            raise EOFError("it became shorter while it was read")
        return data

    def stream(self) -> Stream:
        return Stream(self.file, self.size, self.begin, self.costs)
