"""The part of a picture inside a frame, as the model sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentlayers.errors import InvalidInput
from latentlayers.imaging.frame import Frame, Points
from latentlayers.imaging.picture import FloatArray, Picture, check_mask, to_depth

VISIBLE = 1 / 64  # weights below this carry no colour worth dividing by
MARGIN = 4  # samples around the frame that filters may look at
REDUCED = 4  # samples per output pixel left after the box filter; Lanczos does the rest
BAND = 256  # rows of the picture converted to floats at a time


def crop(
    picture: Picture, frame: Frame, resolution: int, mask: NDArray[Any] | None = None
) -> tuple[FloatArray, FloatArray]:
    """What lies inside `frame` -> (rgb [3, R, R] in [-1, 1], weight [1, R, R] in [0, 1]), R = `resolution`.

    weight = alpha * mask * (1 inside the picture, 0 outside). Colours are filtered premultiplied with it, so
    what is transparent, masked out or outside never bleeds into the rest; where nothing is left, the colours
    of what is visible continue smoothly. The filter is Lanczos, after a box filter if the picture is much
    larger; a turned frame is sampled more densely and then reduced by Lanczos.

    Args:
        mask: [H, W] of the picture's size, 0 (ignore) to 1 (use); None uses everything.

    Raises:
        InvalidInput: FRAME_INVALID if it misses the picture, MASK_INVALID, IMAGE_EMPTY if nothing is visible.
    """
    frame.require_overlap(picture.width, picture.height)
    check_mask(mask, picture)
    window = Window.around(picture, frame, resolution)
    to_window = window.matrix_to(frame, resolution)
    *premultiplied, alpha = window.load(picture, mask)

    def resampled(plane: FloatArray, filter: Image.Resampling) -> FloatArray:
        return _resample(plane, to_window, resolution, frame.is_upright, filter)

    # Lanczos rings at the edge of what is visible. In the quotient of colours that cancels, but a weight has
    # to be free of it, so it comes from a filter without negative lobes.
    colours = np.stack([resampled(plane, Image.Resampling.LANCZOS) for plane in premultiplied])
    divisor = resampled(alpha, Image.Resampling.LANCZOS)
    weight = resampled(alpha, Image.Resampling.HAMMING).clip(0, 1)
    visible = (weight > VISIBLE) & (divisor > VISIBLE)
    if not visible.any():
        raise InvalidInput(
            "IMAGE_EMPTY",
            "Nothing is visible inside the frame.",
            "Choose a layer, a frame and a mask that show the subject.",
        )
    weight = np.where(visible, weight, 0)[None].astype(np.float32)
    rgb = np.where(visible, colours / np.where(visible, divisor, 1), 0).clip(0, 1).astype(np.float32)
    rgb = np.where(visible, rgb, _spread(rgb * weight, weight)) * 2 - 1
    return rgb.astype(np.float32), weight


def _spread(premultiplied: FloatArray, weight: FloatArray) -> FloatArray:
    """[3, n, n] colours that continue smoothly where `weight` [1, n, n] is 0, by averages over ever larger squares."""
    side = weight.shape[-1]
    if side == 1:
        return premultiplied / weight
    half = (side + 1) // 2
    coarse = _spread(*(resized(planes, half, Image.Resampling.BOX) for planes in (premultiplied, weight)))
    spread: FloatArray = premultiplied + (1 - weight) * resized(coarse, side, Image.Resampling.BILINEAR)
    return spread


def resized(planes: FloatArray, side: int, filter: Image.Resampling) -> FloatArray:
    """Square planes [n, m, m] -> [n, side, side]."""
    return np.stack([np.asarray(Image.fromarray(plane).resize((side, side), filter)) for plane in planes])


@dataclass(frozen=True)
class Window:
    """The source pixels that a crop needs: from (left, top), reduced by a whole factor on loading.

    It ends at the picture's edge, so that filters see no edge there, unless the frame itself goes beyond.
    """

    left: int
    top: int
    right: int
    bottom: int
    factor: int

    @classmethod
    def around(cls, picture: Picture, frame: Frame, resolution: int) -> Window:
        shorter = min(math.hypot(frame.xu, frame.yu), math.hypot(frame.xv, frame.yv))
        factor = max(1, math.ceil(shorter / resolution / REDUCED))
        corners, margin = frame.corners(), MARGIN * factor
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        size = np.array(picture.size)
        low = np.minimum(low, np.maximum(low - margin, 0)).astype(int)
        high = np.maximum(high, np.minimum(high + margin, size)).astype(int)
        return cls(int(low[0]), int(low[1]), int(high[0]), int(high[1]), factor)

    def matrix_to(self, frame: Frame, resolution: int) -> Points:
        """[2, 3] from pixels of the crop to pixels of the loaded window."""
        matrix = frame.matrix / self.factor
        matrix[:, :2] /= resolution
        matrix[:, 2] -= np.array([self.left, self.top]) / self.factor
        return matrix

    def load(self, picture: Picture, mask: NDArray[Any] | None) -> FloatArray:
        """[4, h, w]: red, green, blue, each times the weight, and the weight; zero outside the picture."""
        top, bottom = max(self.top, 0), min(self.bottom, picture.height)
        left, right = max(self.left, 0), min(self.right, picture.width)
        across, down = self._block_sizes(self.left, self.right), self._block_sizes(self.top, self.bottom)
        sums = np.zeros((len(down), len(across), 4), np.float32)
        for start in range(top, bottom, BAND):
            rows, columns = slice(start, min(start + BAND, bottom)), slice(left, right)
            band = to_depth(picture.pixels[rows, columns], np.float32)
            weight = band[..., 3:] if mask is None else band[..., 3:] * mask[rows, columns, None]
            weighted = np.concatenate([band[..., :3] * weight, weight], axis=2).astype(np.float32, copy=False)
            y, blocks = self._sum_blocks(weighted, start - self.top, axis=0)
            x, blocks = self._sum_blocks(blocks, left - self.left, axis=1)
            sums[y : y + blocks.shape[0], x : x + blocks.shape[1]] += blocks
        return np.ascontiguousarray((sums / down[:, None, None] / across[None, :, None]).transpose(2, 0, 1))

    def _block_sizes(self, start: int, stop: int) -> FloatArray:
        """How many source pixels each reduced pixel stands for along one axis; the last may stand for fewer."""
        return np.diff(np.arange(start, stop, self.factor), append=stop).astype(np.float32)

    def _sum_blocks(self, values: FloatArray, offset: int, axis: int) -> tuple[int, FloatArray]:
        """Sums of `values`, which begin `offset` pixels into the window, per reduced pixel; and the first of these."""
        first = offset // self.factor
        edges = np.arange(first * self.factor, offset + values.shape[axis], self.factor) - offset
        return first, np.add.reduceat(values, edges.clip(min=0), axis=axis)


def _resample(
    plane: FloatArray, matrix: Points, resolution: int, upright: bool, filter: Image.Resampling
) -> FloatArray:
    """One plane [h, w] filtered to [R, R] output pixels, whose coordinates `matrix` maps to the plane's."""
    image, size = Image.fromarray(plane), (resolution, resolution)
    if upright:
        (xu, _, x0), (_, yv, y0) = matrix
        box = (x0, y0, min(x0 + xu * resolution, image.width), min(y0 + yv * resolution, image.height))
        return np.asarray(image.resize(size, filter, box=box))
    # Linear interpolation does no harm to a plane with two samples or more per output pixel, nor to one that
    # was first enlarged to that; sampled at least as densely, it can then be reduced without aliasing.
    density = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    enlarge = max(1, math.ceil(2 / density))
    if enlarge > 1:
        image = image.resize((image.width * enlarge, image.height * enlarge), Image.Resampling.BICUBIC)
    oversample = math.ceil(density * enlarge)
    coefficients = matrix * enlarge
    coefficients[:, :2] /= oversample
    side = resolution * oversample
    dense = image.transform(
        (side, side), Image.Transform.AFFINE, tuple(coefficients.ravel()), Image.Resampling.BILINEAR
    )
    return np.asarray(dense.resize(size, filter))
