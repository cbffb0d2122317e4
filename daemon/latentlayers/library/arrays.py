"""Arrays of floating-point numbers as files hold them, brought to packed float32 without numpy.

The front process reads latents too and has to stay small; a latent is a few thousand numbers, for which the
standard library is quick enough.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

from latentlayers.errors import InvalidInput

Float = Literal["f2", "f4", "f8"]
ITEM_SIZE: dict[Float, int] = {"f2": 2, "f4": 4, "f8": 8}


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a packed array whose last index moves fastest (C order)."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def column_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a packed array whose first index moves fastest (Fortran order)."""
    return tuple(math.prod(shape[:axis]) for axis in range(len(shape)))


def damaged(found: str) -> InvalidInput:
    """FILE_CORRUPT for a file from outside; `found` is a clause saying what is wrong with it."""
    return InvalidInput("FILE_CORRUPT", f"The file is damaged: {found}.", "Save or copy it again.")


@dataclass(frozen=True)
class FloatArray:
    """A strided view of floating-point numbers in a buffer.

    Attributes:
        data: the whole buffer.
        dtype: "f2", "f4" or "f8".
        shape: lengths of the axes; () is a single number.
        strides: elements (not bytes) between neighbours along each axis.
        offset: elements before the first one.

    Raises:
        InvalidInput: FILE_CORRUPT, the view reaches outside the buffer.
    """

    data: bytes
    dtype: Float
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    big_endian: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.strides) or min((self.offset, *self.shape, *self.strides)) < 0:
            raise damaged(f"shape {list(self.shape)} does not go with strides {list(self.strides)}")
        needed, available = self.offset + self._reach, len(self.data) // ITEM_SIZE[self.dtype]
        if self.size and needed > available:
            raise damaged(f"an array of shape {list(self.shape)} needs {needed} numbers, the file has {available}")

    @cached_property
    def size(self) -> int:
        return math.prod(self.shape)

    def float32(self) -> bytes:
        """All numbers in row-major order as little-endian float32; what float32 cannot hold becomes infinite.

        Allocates 4 * `size` bytes: check `shape` first.
        """
        numbers = self._span()
        if self.strides == row_major(self.shape):
            return _swapped(numbers).tobytes()
        packed = array("f")
        *outer, length = self.shape
        *steps, step = self.strides
        for index in product(*map(range, outer)):
            start = sum(i * stride for i, stride in zip(index, steps, strict=True))
            stop = start + (length - 1) * step + 1
            packed.extend(numbers[start:stop:step] if step else numbers[start : start + 1] * length)
        return _swapped(packed).tobytes()

    @property
    def _reach(self) -> int:
        """Numbers from the first one to the last one, both included."""
        return 1 + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)) if self.size else 0

    def _span(self) -> array[float]:
        """The part of the buffer that the view touches, in the machine's byte order."""
        size = ITEM_SIZE[self.dtype]
        part = memoryview(self.data)[self.offset * size : (self.offset + self._reach) * size]
        if self.dtype == "f4" and not self.big_endian:
            return _swapped(array("f", part.tobytes()))
        code = (">" if self.big_endian else "<") + {"f2": "e", "f4": "f", "f8": "d"}[self.dtype]
        return array("f", (number for (number,) in struct.iter_unpack(code, part)))


def all_finite(float32: bytes) -> bool:
    """Whether little-endian float32 values contain neither NaN nor infinity."""
    return all(map(math.isfinite, _swapped(array("f", float32))))


def _swapped(numbers: array[float]) -> array[float]:
    """Between the machine's byte order and little-endian, in place."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
