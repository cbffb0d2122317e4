"""Pictures as arrays, and raw rows of pixels in and out of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlayers.errors import Exhausted, InvalidInput

FloatArray = NDArray[np.float32]
Pixels = NDArray[np.uint8 | np.uint16 | np.float32]

FULL_SCALE: dict[np.dtype[Any], float] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # Rec. 601, as Pillow's "L"


@dataclass(frozen=True)
class Limits:
    """What is refused before anything is decoded or allocated.

    Attributes:
        max_pixels: width times height; the default holds 8192 x 8192.
        min_side: pixels; a smaller picture shows nothing.
    """

    max_pixels: int = 64 * 2**20
    min_side: int = 8

    def check(self, width: int, height: int) -> None:
        """Raises Exhausted IMAGE_TOO_LARGE or InvalidInput IMAGE_TOO_SMALL, with the size in the sentence."""
        if min(width, height) < self.min_side:
            raise InvalidInput(
                "IMAGE_TOO_SMALL",
                f"The picture is {width} x {height} pixels; at least {self.min_side} a side are needed.",
                "Use a larger picture or layer.",
            )
        if width * height > self.max_pixels:
            raise Exhausted(
                "IMAGE_TOO_LARGE",
                f"The picture is {width} x {height} pixels, {width * height / 1e6:.1f} million; "
                f"the limit is {self.max_pixels / 1e6:.1f} million.",
                "Scale the picture down or crop it first.",
            )


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture in memory, never modified.

    The pixels keep the depth they came with: a 24-megapixel photograph takes 96 MB in 8 bits and four times
    that in float32, of which an edit needs only the part inside the frame. It also makes "the pixels outside
    are unchanged" a statement about the very numbers that came in.

    Attributes:
        pixels: [H, W, 4] uint8, uint16 or float32 (0..1, finite), read-only: sRGB-encoded red, green and
            blue, and straight (not premultiplied) alpha.
    """

    pixels: Pixels

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 4 or self.pixels.dtype not in FULL_SCALE:
            raise ValueError(f"pixels must be [H, W, 4] of a known depth, not {self.pixels.shape} {self.pixels.dtype}")
        self.pixels.flags.writeable = False

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    @classmethod
    def from_model(cls, rgb: FloatArray) -> Picture:
        """What a generator returns, [3, H, W] floats with nominal range [-1, 1], clipped, as opaque 8-bit pixels."""
        if rgb.ndim != 3 or rgb.shape[0] != 3:
            raise ValueError(f"a model's picture is [3, H, W], not {rgb.shape}")
        pixels = np.full((*rgb.shape[1:], 4), 255, np.uint8)
        pixels[..., :3] = np.rint(require_finite(rgb).transpose(1, 2, 0).clip(-1, 1) * 127.5 + 127.5)
        return cls(pixels)

    def as_mask(self) -> FloatArray:
        """[H, W] float32 in 0..1 for use as a mask or selection: white shows, black and transparent hide."""
        pixels = to_depth(self.pixels, np.float32)
        mask: FloatArray = (pixels[..., :3] @ LUMA * pixels[..., 3]).clip(0, 1)
        return mask


def to_depth(pixels: Pixels, depth: type[np.generic]) -> NDArray[Any]:
    """Samples of one depth in another: uint8 0..255, uint16 0..65535, float32 0..1; rounded, not clipped."""
    target = np.dtype(depth)
    if pixels.dtype == target:
        return pixels
    scaled = pixels.astype(np.float32) * np.float32(FULL_SCALE[target] / FULL_SCALE[pixels.dtype])
    return scaled if target == np.float32 else np.rint(scaled).astype(target)


def require_finite(values: FloatArray) -> FloatArray:
    """`values` itself, unless a NaN or infinity is among them: InvalidInput IMAGE_NOT_FINITE."""
    if not np.isfinite(values).all():
        raise InvalidInput(
            "IMAGE_NOT_FINITE",
            "The picture contains pixels that are NaN or infinite.",
            "Flatten or repaint the layer, or convert it to 8 bits per channel.",
        )
    return values


def check_mask(mask: NDArray[Any] | None, picture: Picture) -> None:
    """A mask or selection is [H, W] of the picture's size with values in 0..1, or None.

    Raises:
        InvalidInput: MASK_INVALID.
    """
    if mask is None:
        return
    remedy = "Send a mask of the picture's own size, with values from 0 (hidden) to 1 (shown)."
    if mask.shape != (picture.height, picture.width):
        size = " x ".join(str(n) for n in mask.shape[::-1])
        message = f"The mask is {size} pixels and the picture {picture.width} x {picture.height}."
        raise InvalidInput("MASK_INVALID", message, remedy)
    if not ((mask >= 0) & (mask <= 1)).all():
        raise InvalidInput("MASK_INVALID", "The mask contains values outside 0 to 1.", remedy)


class PixelFormat(Enum):
    """How raw pixels lie in memory: the channels in order (L is grey) and the little-endian sample type."""

    RGBA8 = ("RGBA", "u1")
    BGRA8 = ("BGRA", "u1")
    RGB8 = ("RGB", "u1")
    GRAY8 = ("L", "u1")
    GRAYA8 = ("LA", "u1")
    RGBA16 = ("RGBA", "<u2")
    BGRA16 = ("BGRA", "<u2")
    RGBAF32 = ("RGBA", "<f4")

    def __init__(self, channels: str, sample: str) -> None:
        self.channels = channels
        self.sample = np.dtype(sample)

    @property
    def pixel_bytes(self) -> int:
        return len(self.channels) * self.sample.itemsize


def from_raw(
    data: bytes, width: int, height: int, stride: int, format: PixelFormat, limits: Limits = DEFAULT_LIMITS
) -> Picture:
    """Rows of pixels from top to bottom -> Picture. Float samples are clipped to 0..1.

    Args:
        stride: bytes from one row to the next; 0 means tightly packed. The last row may end early.

    Raises:
        Exhausted: IMAGE_TOO_LARGE. InvalidInput: IMAGE_TOO_SMALL, IMAGE_UNREADABLE (a stride shorter than a
            row), IMAGE_TRUNCATED (fewer bytes than the size needs), IMAGE_NOT_FINITE.
    """
    limits.check(width, height)
    row = width * format.pixel_bytes
    stride = stride or row
    if stride < row:
        raise InvalidInput(
            "IMAGE_UNREADABLE",
            f"A row of {width} {format.name} pixels takes {row} bytes, but the stride is {stride}.",
            "Send the number of bytes from one row to the next, or 0 for tightly packed rows.",
        )
    needed = stride * (height - 1) + row
    if len(data) < needed:
        raise InvalidInput(
            "IMAGE_TRUNCATED",
            f"{width} x {height} {format.name} pixels take {needed} bytes, but {len(data)} were sent.",
            "Send all rows, with the width, height and stride they really have.",
        )
    rows = np.lib.stride_tricks.as_strided(np.frombuffer(data, np.uint8), (height, row), (stride, 1), writeable=False)
    samples = rows.view(format.sample).reshape(height, width, len(format.channels))
    pixels: Pixels = np.empty((height, width, 4), format.sample.newbyteorder("="))
    for i, channel in enumerate("RGBA"):
        if channel in format.channels:
            pixels[..., i] = samples[..., format.channels.index(channel)]
        else:
            pixels[..., i] = FULL_SCALE[pixels.dtype] if channel == "A" else samples[..., format.channels.index("L")]
    if pixels.dtype == np.float32:
        pixels = require_finite(pixels.astype(np.float32, copy=False)).clip(0, 1)
    return Picture(pixels)


def to_raw(picture: Picture, format: PixelFormat) -> bytes:
    """Tightly packed rows in `format`; a format without alpha drops it, grey is Rec. 601 luma."""
    pixels = to_depth(picture.pixels, format.sample.newbyteorder("=").type)
    if "L" in format.channels:
        grey = np.rint(pixels[..., :3].astype(np.float32) @ LUMA)[..., None]
        samples = np.concatenate([grey, pixels[..., 3:]], axis=2)[..., : len(format.channels)]
    else:
        samples = pixels[..., ["RGBA".index(channel) for channel in format.channels]]
    return samples.astype(format.sample).tobytes()
