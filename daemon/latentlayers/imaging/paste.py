"""The model's picture put back where it came from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentlayers.errors import InvalidInput
from latentlayers.imaging.crop import crop, resized
from latentlayers.imaging.frame import Frame, Points, apply_affine
from latentlayers.imaging.picture import FloatArray, Picture, check_mask, require_finite, to_depth

PasteMode = Literal["replace", "residual"]
Sides = tuple[bool, bool, bool, bool]  # left, right, top, bottom

FEATHER = 0.1
HARD = 1e-6  # a feather no pixel can see, and nothing can overflow by
BAND = 256  # rows of the picture worked on at a time
MAX_ENLARGED = 4096  # side of an enlarged plane

MATCH_GRID = 32  # side of the grid on which colours are matched
MATCH_BAND = 0.125  # how far from the border colours are compared, as a share of the frame's side
MATCH_REACH = 0.3  # where the correction has faded out


def paste_back(
    picture: Picture,
    frame: Frame,
    edited: FloatArray,
    reconstruction: FloatArray | None = None,
    mode: PasteMode = "replace",
    feather: float = FEATHER,
    selection: NDArray[Any] | None = None,
    layer: bool = False,
) -> Picture:
    """`edited` [3, R, R] in [-1, 1] put into `frame` of `picture` -> a new Picture of the same size and depth.

    "replace" shows the edited picture's own pixels; its colours are matched to the picture along the border and
    keep their own towards the middle. "residual" adds only `edited - reconstruction` (both rendered by the
    model) to the picture's pixels, so its own texture survives; no change there means no change here, exactly.

    The effect fades out over `feather` towards those sides of the frame that have picture beyond them. Alpha
    never changes, and neither does a pixel that is outside the frame or the selection, or fully transparent.

    Args:
        reconstruction: [3, R, R], needed for "residual".
        feather: width of the soft border as a share of the frame's side, 0 to 0.5.
        selection: [H, W] of the picture's size, 0 (keep) to 1 (apply); None applies everywhere.
        layer: return the edit alone instead, to lie over the picture: its alpha is the picture's times the weight of
            the paste, so that over an opaque picture it shows what would otherwise be returned.

    Raises:
        InvalidInput: FRAME_INVALID, MASK_INVALID, FEATHER_INVALID, IMAGE_NOT_FINITE, IMAGE_EMPTY if the
            picture shows nothing inside the frame.
    """
    frame.require_overlap(picture.width, picture.height)
    check_mask(selection, picture)
    if not 0 <= feather <= 0.5:
        raise InvalidInput(
            "FEATHER_INVALID",
            f"The feather {feather:g} is not a share of the frame's side.",
            "Give a number from 0 (hard edge) to 0.5 (soft to the middle), such as 0.1.",
        )
    soft = _sides_within(frame, picture)
    change = _unit(edited)
    if mode == "replace":
        change = change + _border_correction(picture, frame, change, soft)
    elif reconstruction is not None:
        change = change - _unit(reconstruction)
    else:
        raise ValueError("residual needs the reconstruction that the edit started from")
    planes = [_enlarge(plane, frame.side) for plane in change]

    pixels = np.zeros_like(picture.pixels) if layer else picture.pixels.copy()
    for block in _blocks(frame, picture):
        rows, columns = slice(block.top, block.bottom), slice(block.left, block.right)
        region, result = picture.pixels[rows, columns], pixels[rows, columns]
        weight = _feathered(frame, soft, feather, block) * (region[..., 3] > 0)
        if selection is not None:
            weight = weight * selection[rows, columns]
        weight = weight[..., None]
        original = to_depth(region[..., :3], np.float32)
        pasted = np.stack([_sample(plane, frame, block) for plane in planes], axis=2)
        shown = (pasted if mode == "replace" else original + pasted).clip(0, 1).astype(np.float32)
        if layer:
            alpha = (to_depth(region[..., 3:], np.float32) * weight).astype(np.float32)
            result[..., :3] = np.where(weight > 0, to_depth(shown, region.dtype.type), 0)
            result[..., 3:] = to_depth(alpha, region.dtype.type)
        else:
            mixed = (original + weight * (shown - original)).astype(np.float32)
            result[..., :3] = np.where(weight > 0, to_depth(mixed, region.dtype.type), region[..., :3])
    return Picture(pixels)


class _Block(NamedTuple):
    """Pixels of the picture, right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int


def _blocks(frame: Frame, picture: Picture) -> Iterator[_Block]:
    """The bounding box of the frame within the picture, in bands that keep the memory needed small."""
    corners = frame.corners()
    left, top = (max(0, math.floor(n)) for n in corners.min(axis=0))
    right, bottom = (min(size, math.ceil(n)) for size, n in zip(picture.size, corners.max(axis=0), strict=True))
    for start in range(top, bottom, BAND):
        yield _Block(left, start, right, min(start + BAND, bottom))


def _unit(rgb: FloatArray) -> FloatArray:
    """The model's [-1, 1] as 0..1, clipped."""
    return (require_finite(rgb).clip(-1, 1) / 2 + 0.5).astype(np.float32)


def _sides_within(frame: Frame, picture: Picture) -> Sides:
    """For left, right, top, bottom of the frame: whether the picture goes on beyond that side, somewhere along it."""
    t = np.linspace(0, 1, 65)[1:-1]
    zeros, ones = np.zeros_like(t), np.ones_like(t)
    size = np.array(picture.size)
    sides = (np.stack(side, axis=1) for side in ((zeros, t), (ones, t), (t, zeros), (t, ones)))
    points = (apply_affine(frame.matrix, side) for side in sides)
    left, right, top, bottom = (bool(((p > 0.5) & (p < size - 0.5)).all(axis=1).any()) for p in points)
    return left, right, top, bottom


def _interior(u: Points, v: Points, soft: Sides, width: float) -> Points:
    """1 inside the unit square, falling smoothly over `width` to 0 at its soft sides; broadcasts `u` and `v`."""
    # A product over the sides and not the nearest of them, which would crease along the diagonals.
    interior = np.ones(np.broadcast_shapes(u.shape, v.shape))
    for distance, is_soft in zip((u, 1 - u, v, 1 - v), soft, strict=True):
        if is_soft:
            t = (distance / width).clip(0, 1)
            interior *= t * t * (3 - 2 * t)
    return interior


def _feathered(frame: Frame, soft: Sides, feather: float, block: _Block) -> FloatArray:
    """Weight of the paste at these pixels: 0 outside the frame, rising smoothly from its soft sides to 1."""
    x, y = np.meshgrid(np.arange(block.left, block.right) + 0.5, np.arange(block.top, block.bottom) + 0.5)
    uv = apply_affine(frame.inverse, np.stack([x, y], axis=-1))
    u: Points = uv[..., 0]
    v: Points = uv[..., 1]
    inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
    return (inside * _interior(u, v, soft, max(feather, HARD))).astype(np.float32)


def _border_correction(picture: Picture, frame: Frame, layer: FloatArray, soft: Sides) -> FloatArray:
    """[3, R, R] to add to `layer` (0..1) so that its colours meet the picture's along the soft sides.

    The difference is taken near the border on a coarse grid, spread inwards by a normalised Gaussian blur, and
    faded out towards the middle, where the edit's colours are what was asked for.
    """
    target, visible = crop(picture, frame, MATCH_GRID)
    difference = _unit(target) - resized(layer, MATCH_GRID, Image.Resampling.BOX)
    centres = (np.arange(MATCH_GRID) + 0.5) / MATCH_GRID
    u, v = centres[None, :], centres[:, None]
    near = (1 - _interior(u, v, soft, MATCH_BAND)) * visible[0]
    if not near.any():
        return np.zeros_like(layer)
    blur = np.exp(-0.5 * ((u - v) / MATCH_BAND) ** 2)
    spread = (blur @ (difference * near) @ blur) / (blur @ near @ blur + 1e-6)
    faded = spread * (1 - _interior(u, v, soft, MATCH_REACH))
    return resized(faded.astype(np.float32), layer.shape[-1], Image.Resampling.BICUBIC)


def _enlarge(plane: FloatArray, side: float) -> Image.Image:
    """[R, R] resampled by Lanczos down to what a frame of `side` pixels can show, and then several times up by
    bicubic interpolation, so that linear interpolation of the result (`_sample`) is smooth and sharp.

    The factor is odd: then the old samples are among the new ones, and pasting at scale 1 is exact.
    """
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    shown = min(image.width, max(4, math.ceil(side)))
    if shown < image.width:
        image = image.resize((shown, shown), Image.Resampling.LANCZOS)
    wanted = max(3, math.ceil(side / shown))
    factor = max(1, min(wanted, MAX_ENLARGED // shown - 1) // 2 * 2 + 1)
    return image.resize((shown * factor, shown * factor), Image.Resampling.BICUBIC)


def _sample(plane: Image.Image, frame: Frame, block: _Block) -> FloatArray:
    """The enlarged plane as it falls on these pixels of the picture."""
    coefficients = frame.inverse * plane.width
    coefficients[:, 2] += coefficients[:, :2] @ (block.left, block.top)
    size = (block.right - block.left, block.bottom - block.top)
    data = tuple(coefficients.ravel())
    return np.asarray(plane.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR))
