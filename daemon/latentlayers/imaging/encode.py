"""`Picture` to PNG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from latentlayers.imaging.picture import FloatArray, Picture, to_depth


def as_picture(value: Picture | FloatArray) -> Picture:
    """A Picture as it is, or a model's [3, H, W] floats in [-1, 1] as one."""
    return value if isinstance(value, Picture) else Picture.from_model(value)


def to_pillow(picture: Picture) -> Image.Image:
    """8-bit RGBA."""
    return Image.fromarray(to_depth(picture.pixels, np.uint8))


def encode_png(picture: Picture | FloatArray) -> bytes:
    """PNG with 8 bits per channel, sRGB; RGB if every pixel is opaque, else RGBA."""
    image = to_pillow(as_picture(picture))
    opaque = image.getchannel("A").getextrema() == (255, 255)
    return _png(image.convert("RGB") if opaque else image)


def thumbnail_png(picture: Picture | FloatArray, side: int = 128) -> bytes:
    """PNG no larger than `side` x `side` pixels with the picture's proportions; small pictures stay as they are."""
    image = to_pillow(as_picture(picture))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _png(image)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=4)
    return file.getvalue()
