"""Rows of pixels in Krita's colour spaces, and a plausible conversion between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SAMPLES = {"U8": np.dtype("u1"), "U16": np.dtype("<u2"), "F16": np.dtype("<f2"), "F32": np.dtype("<f4")}
CHANNELS = {"A": 1, "GRAYA": 2, "RGBA": 4, "CMYKA": 5}
SRGB, LINEAR = "sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V2-g10.icc"
GRAY, CMYK = "Gray-D50-elle-V2-srgbtrc.icc", "Chemical proof"
PROFILES = {"RGBA": (SRGB, LINEAR), "GRAYA": (GRAY,), "CMYKA": (CMYK,), "A": ("",)}


class Space(NamedTuple):
    """Colour model, depth and profile, by Krita's names."""

    model: str
    depth: str
    profile: str

    @property
    def exists(self) -> bool:
        return self.depth in SAMPLES and self.profile in PROFILES.get(self.model, ())

    @property
    def dtype(self) -> np.dtype:
        return SAMPLES[self.depth]

    @property
    def channels(self) -> int:
        return CHANNELS[self.model]


MASK = Space("A", "U8", "")


class Store:
    """The pixels of a node: an array of samples whose upper left pixel is at (x, y). All others are 0."""

    def __init__(self, space: Space) -> None:
        self.space, self.x, self.y = space, 0, 0
        self.samples = np.zeros((0, 0, space.channels), space.dtype)

    def copy(self) -> Store:
        made = Store(self.space)
        made.x, made.y, made.samples = self.x, self.y, self.samples.copy()
        return made

    def read(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """[height, width, channels]."""
        out = np.zeros((height, width, self.space.channels), self.space.dtype)
        rows, columns = self.samples.shape[:2]
        left, top = max(x, self.x), max(y, self.y)
        right, bottom = min(x + width, self.x + columns), min(y + height, self.y + rows)
        if left < right and top < bottom:
            out[top - y : bottom - y, left - x : right - x] = self.samples[
                top - self.y : bottom - self.y, left - self.x : right - self.x
            ]
        return out

    def write(self, samples: np.ndarray, x: int, y: int) -> None:
        """Sets the pixels from (x, y) on."""
        height, width = samples.shape[:2]
        rows, columns = self.samples.shape[:2]
        left, top = (x, y) if rows == 0 else (min(x, self.x), min(y, self.y))
        right = x + width if rows == 0 else max(x + width, self.x + columns)
        bottom = y + height if rows == 0 else max(y + height, self.y + rows)
        grown = self.read(left, top, right - left, bottom - top)
        grown[y - top : y - top + height, x - left : x - left + width] = samples
        self.samples, self.x, self.y = grown, left, top

    def bounds(self) -> tuple[int, int, int, int]:
        """Of the pixels that are not 0: x, y, width, height; all 0 if there are none."""
        if not self.samples.any():
            return 0, 0, 0, 0
        rows = np.flatnonzero(self.samples.reshape(len(self.samples), -1).any(axis=1))
        columns = np.flatnonzero(self.samples.any(axis=0).any(axis=1))  # one axis at a time is 20 times as quick
        x, y = int(columns[0]), int(rows[0])
        return self.x + x, self.y + y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1

    def convert(self, space: Space) -> None:
        self.samples, self.space = from_rgba(to_rgba(self.samples, self.space), space), space


def to_rgba(samples: np.ndarray, space: Space) -> np.ndarray:
    """Float64 R, G, B, A in 0..1, sRGB-encoded."""
    values = samples.astype(np.float64)
    if space.depth in ("U8", "U16"):
        values /= np.iinfo(space.dtype).max
    colour, alpha = values[..., :-1], values[..., -1:]
    if space.model == "GRAYA":
        colour = np.repeat(colour, 3, axis=2)
    elif space.model == "CMYKA":
        colour = (1 - colour[..., :3]) * (1 - colour[..., 3:])
    elif space.depth in ("U8", "U16"):
        colour = colour[..., ::-1]
    if space.profile == LINEAR:
        colour = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * np.maximum(colour, 0) ** (1 / 2.4) - 0.055)
    return np.concatenate([colour, alpha], axis=2)


def from_rgba(rgba: np.ndarray, space: Space) -> np.ndarray:
    """Inverse of `to_rgba`."""
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    if space.profile == LINEAR:
        colour = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    if space.model == "GRAYA":
        colour = colour @ np.array([[0.2126], [0.7152], [0.0722]])
    elif space.model == "CMYKA":
        colour = np.concatenate([1 - colour, np.zeros_like(alpha)], axis=2)
    elif space.depth in ("U8", "U16"):
        colour = colour[..., ::-1]
    values = np.concatenate([colour, alpha], axis=2)
    if space.depth in ("U8", "U16"):
        most = np.iinfo(space.dtype).max
        values *= most
        np.clip(np.rint(values, out=values), 0, most, out=values)
    return values.astype(space.dtype)


def over(top: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Float RGBA over float RGBA, straight alpha."""
    a, b = top[..., 3:], below[..., 3:]
    alpha = a + b * (1 - a)
    colour = (top[..., :3] * a + below[..., :3] * b * (1 - a)) / np.where(alpha == 0, 1, alpha)
    return np.concatenate([colour, alpha], axis=2)
