"""Progressive growing (Karras et al., ICLR 2018): networks taken while the picture's side was being doubled.

Their level of detail, `lod`, counts the doublings still to come. With lod = 1.25 the last block is idle, the one before
it draws the picture, a quarter of which still comes from the block before that, and the whole is enlarged to the full
side by repeating pixels. Finished networks have lod 0.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def active_sides(resolution: int, lod: float) -> list[int]:
    """Sides, in pixels, of the blocks that take part, ascending from 4.

    Raises:
        ValueError: `resolution` is not a power of two of at least 4, or `lod` is not between 0 and the last doubling.
    """
    if resolution < 4 or resolution & (resolution - 1):
        raise ValueError(f"resolution must be a power of two of at least 4, not {resolution}")
    doublings = resolution.bit_length() - 3
    if not 0 <= lod <= doublings:
        raise ValueError(f"lod must be from 0 to {doublings}, not {lod}")
    return [4 << i for i in range(doublings - math.floor(lod) + 1)]


def drawing_sides(resolution: int, lod: float) -> list[int]:
    """The one or two of `active_sides` whose pictures make the result."""
    return active_sides(resolution, lod)[-2 if lod % 1 else -1 :]


def fade_in(picture: Tensor, previous: Tensor, lod: float) -> Tensor:
    """[N, C, R, R] and, from the block before, [N, C, R/2, R/2] -> [N, C, R, R]."""
    return picture.lerp(F.interpolate(previous, scale_factor=2.0, mode="nearest"), lod % 1)


def enlarge(picture: Tensor, resolution: int) -> Tensor:
    """[N, C, r, r] -> [N, C, R, R] by repeating pixels."""
    return picture if picture.shape[2] == resolution else F.interpolate(picture, size=(resolution, resolution))
