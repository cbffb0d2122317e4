"""Plain values that the whole plugin speaks in. Pure Python: no Qt, no Krita."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


class Bounds(NamedTuple):
    """A rectangle of whole pixels in document coordinates; right and bottom are exclusive."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def is_empty(self) -> bool:
        return self.width <= 0 or self.height <= 0

    @property
    def longer_side(self) -> int:
        return max(self.width, self.height)

    def intersected(self, other: Bounds) -> Bounds:
        """What both cover; empty, with sizes of 0, where they do not meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Bounds(x, y, max(0, right - x), max(0, bottom - y))

    def united(self, other: Bounds) -> Bounds:
        """The smallest rectangle around both; an empty one adds nothing."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Bounds(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def grown(self, margin: int) -> Bounds:
        """With `margin` pixels more on every side."""
        return Bounds(self.x - margin, self.y - margin, self.width + 2 * margin, self.height + 2 * margin)


@dataclass(frozen=True)
class Square:
    """Where the model's picture lies: the affine map from its unit square (u right, v down) to document pixels,
    x = xu*u + xv*v + x0, y = yu*u + yv*v + y0. Usually upright, but an aligner may turn it."""

    xu: float
    xv: float
    x0: float
    yu: float
    yv: float
    y0: float

    @classmethod
    def around(cls, bounds: Bounds) -> Square:
        """The smallest upright square that holds `bounds` in its centre."""
        side = float(bounds.longer_side)
        return cls.upright(bounds.x + (bounds.width - side) / 2, bounds.y + (bounds.height - side) / 2, side)

    @classmethod
    def upright(cls, x: float, y: float, side: float) -> Square:
        return cls(side, 0.0, x, 0.0, side, y)

    @property
    def side(self) -> float:
        """Length of its upper edge in document pixels."""
        return math.hypot(self.xu, self.yu)

    @property
    def bounds(self) -> Bounds:
        """The whole pixels it touches."""
        xs = [self.x0 + du * self.xu + dv * self.xv for du in (0, 1) for dv in (0, 1)]
        ys = [self.y0 + du * self.yu + dv * self.yv for du in (0, 1) for dv in (0, 1)]
        x, y = math.floor(min(xs)), math.floor(min(ys))
        return Bounds(x, y, math.ceil(max(xs)) - x, math.ceil(max(ys)) - y)

    def seen_from(self, view: View) -> Square:
        """The same square in the pixels of a picture that shows `view`."""
        sx, sy = view.scale
        x0, y0 = (self.x0 - view.bounds.x) * sx, (self.y0 - view.bounds.y) * sy
        return Square(self.xu * sx, self.xv * sx, x0, self.yu * sy, self.yv * sy, y0)

    def placed_in(self, view: View) -> Square:
        """Inverse of `seen_from`: from the picture's pixels to the document's."""
        sx, sy = view.scale
        x0, y0 = self.x0 / sx + view.bounds.x, self.y0 / sy + view.bounds.y
        return Square(self.xu / sx, self.xv / sx, x0, self.yu / sy, self.yv / sy, y0)

    def to_floats(self) -> tuple[float, float, float, float, float, float]:
        return (self.xu, self.xv, self.x0, self.yu, self.yv, self.y0)

    def near(self, other: Square, tolerance: float = 0.5) -> bool:
        """Whether they are the same to within `tolerance` document pixels."""
        return all(abs(a - b) <= tolerance for a, b in zip(self.to_floats(), other.to_floats()))


@dataclass(frozen=True)
class View:
    """A part of the document and the size of the picture that shows it."""

    bounds: Bounds
    width: int
    height: int

    @classmethod
    def of(cls, bounds: Bounds, most: int) -> View:
        """At the document's own scale, or smaller so that no side exceeds `most` pixels."""
        shrink = min(1.0, most / bounds.longer_side)
        return cls(bounds, max(1, round(bounds.width * shrink)), max(1, round(bounds.height * shrink)))

    @property
    def scale(self) -> tuple[float, float]:
        """Picture pixels per document pixel, across and down."""
        return self.width / self.bounds.width, self.height / self.bounds.height

    @property
    def is_exact(self) -> bool:
        return (self.width, self.height) == (self.bounds.width, self.bounds.height)


@dataclass(frozen=True)
class LayerInfo:
    """A layer at one moment, as pickers show it; `id` is what stays the same.

    Attributes:
        id: Krita's uniqueId as text.
        kind: Krita's node type, e.g. "paintlayer", "grouplayer".
        depth: how many groups it is in.
    """

    id: str
    name: str
    kind: str
    depth: int = 0
    visible: bool = True


class Refused(Exception):
    """Something the painter asked for cannot be done: a plain sentence, and what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def refusal(error: Exception) -> Refused:
    """Whatever went wrong as something to tell the painter, for where Krita would show its own error dialog."""
    if isinstance(error, Refused):
        return error
    return Refused(
        "Something went wrong in the plugin: %s: %s" % (type(error).__name__, error),
        "Please report it, with the output of `latentlayers doctor`.",
    )
