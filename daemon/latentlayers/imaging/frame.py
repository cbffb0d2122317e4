"""Where the model's square lies in a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from latentlayers.errors import InvalidInput

Points = NDArray[np.float64]
Point = tuple[float, float]

UNIT_SQUARE: Points = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], np.float64)  # top left, then counter-clockwise
MAX_COORDINATE = 1e7
MAX_STRETCH = 4.0  # longer side over shorter
MIN_SINE = 0.25  # of the angle between the sides
SQUARENESS = 0.05  # how far a quad's corner may lie from the parallelogram through the others, in sides


@dataclass(frozen=True)
class Frame:
    """The affine map from the model's unit square to pixels of the picture: `x = xu*u + xv*v + x0`, y likewise.

    u runs to the right and v downwards, both 0..1 over the model's picture. Pixel coordinates are continuous:
    pixel i covers i to i + 1. A frame may leave the picture; what lies outside is masked. Sides shorter than a
    pixel and shapes far from a square raise InvalidInput FRAME_INVALID, as do all constructors.
    """

    xu: float
    xv: float
    x0: float
    yu: float
    yv: float
    y0: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(n) and abs(n) <= MAX_COORDINATE for n in self.to_floats()):
            raise _invalid("The frame's numbers are not finite, or far too large.")
        width, height = math.hypot(self.xu, self.yu), math.hypot(self.xv, self.yv)
        if min(width, height) < 1:
            raise _invalid(f"The frame is {width:g} x {height:g} pixels; its sides must be of at least one.")
        sine = abs(self.xu * self.yv - self.xv * self.yu) / (width * height)
        if max(width, height) > MAX_STRETCH * min(width, height) or sine < MIN_SINE:
            raise _invalid(f"The frame is far from a square: its sides are {width:.0f} and {height:.0f} pixels long.")

    @classmethod
    def rectangle(cls, x: float, y: float, width: float, height: float) -> Frame:
        """The upright square of side max(width, height) with the rectangle's centre."""
        if not (width > 0 and height > 0):
            raise _invalid(f"The frame's size {width:g} x {height:g} is not positive.")
        side = max(width, height)
        return cls(side, 0.0, x + (width - side) / 2, 0.0, side, y + (height - side) / 2)

    @classmethod
    def whole(cls, width: int, height: int) -> Frame:
        """The smallest centred square that contains a picture of this size."""
        return cls.rectangle(0, 0, width, height)

    @classmethod
    def centred(cls, width: int, height: int) -> Frame:
        """The largest centred square inside a picture of this size."""
        side = min(width, height)
        return cls.rectangle((width - side) / 2, (height - side) / 2, side, side)

    @classmethod
    def quad(cls, tl: Point, bl: Point, br: Point, tr: Point) -> Frame:
        """The frame whose corners are, or for a slightly uneven quad come nearest to, these four (FFHQ's order).

        Raises:
            InvalidInput: FRAME_INVALID for a quad that no parallelogram comes near.
        """
        corners = np.array([tl, bl, br, tr], np.float64)
        if corners.shape != (4, 2) or not np.isfinite(corners).all():
            raise _invalid("The frame's corners are not four points.")
        # Least squares over the four corners has this closed form.
        u = (corners[3] - corners[0] + corners[2] - corners[1]) / 2
        v = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
        origin = corners.mean(axis=0) - (u + v) / 2
        frame = cls(float(u[0]), float(v[0]), float(origin[0]), float(u[1]), float(v[1]), float(origin[1]))
        if np.linalg.norm(frame.corners() - corners, axis=1).max() > SQUARENESS * frame.side:
            raise _invalid("The frame's four corners do not form a square.")
        return frame

    @classmethod
    def from_floats(cls, values: Sequence[float]) -> Frame:
        """Inverse of `to_floats`."""
        if len(values) != 6:
            raise _invalid(f"A frame has 6 numbers, not {len(values)}.")
        return cls(*(float(value) for value in values))

    def to_floats(self) -> tuple[float, float, float, float, float, float]:
        """(xu, xv, x0, yu, yv, y0)."""
        return astuple(self)

    @property
    def matrix(self) -> Points:
        """[2, 3], applied to (u, v, 1)."""
        return np.array(self.to_floats()).reshape(2, 3)

    @property
    def inverse(self) -> Points:
        """[2, 3] from pixels of the picture to the unit square, applied to (x, y, 1)."""
        linear = np.linalg.inv(self.matrix[:, :2])
        return np.column_stack([linear, -linear @ self.matrix[:, 2]])

    @property
    def side(self) -> float:
        """Geometric mean of the two sides, in pixels of the picture."""
        return math.sqrt(math.hypot(self.xu, self.yu) * math.hypot(self.xv, self.yv))

    @property
    def is_upright(self) -> bool:
        """Whether it is an axis-aligned rectangle, neither turned nor mirrored."""
        return self.xv == 0 and self.yu == 0 and self.xu > 0 and self.yv > 0

    def corners(self) -> Points:
        """[4, 2] pixels: top left, bottom left, bottom right, top right."""
        return apply_affine(self.matrix, UNIT_SQUARE)

    def require_overlap(self, width: int, height: int) -> None:
        """InvalidInput FRAME_INVALID unless the frame covers some of a picture of this size."""
        # Two parallelograms are apart exactly if a line along a side of either separates them.
        size = np.array([width, height])
        here = self.corners() / size
        there = apply_affine(self.inverse, UNIT_SQUARE * size)
        if any((corners.max(axis=0) <= 0).any() or (corners.min(axis=0) >= 1).any() for corners in (here, there)):
            raise _invalid(f"The frame lies outside the picture, which is {width} x {height} pixels.")


def apply_affine(matrix: Points, points: Points) -> Points:
    """[2, 3] matrix and [..., 2] points -> [..., 2]."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def parse_frame(text: str, width: int, height: int) -> Frame:
    """What a user types for a picture of this size: "auto", "whole" or "X,Y,W,H" in pixels.

    "auto" is the largest centred square, for models that bring no aligner.

    Raises:
        InvalidInput: FRAME_INVALID.
    """
    name = text.strip().lower()
    if name == "auto":
        return Frame.centred(width, height)
    if name == "whole":
        return Frame.whole(width, height)
    try:
        x, y, w, h = (float(part) for part in name.split(","))
    except ValueError as error:
        raise _invalid(f"The frame {text[:40]!r} is not understood.") from error
    frame = Frame.rectangle(x, y, w, h)
    frame.require_overlap(width, height)
    return frame


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(
        "FRAME_INVALID",
        message,
        "Give a rectangle X,Y,W,H in pixels that covers part of the picture, or use auto or whole.",
    )
