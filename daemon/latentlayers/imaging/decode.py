"""Picture files to `Picture`: any depth and colour mode, upright, in sRGB, bounded before decoding."""

from __future__ import annotations

import functools
import io
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from latentlayers.errors import InvalidInput
from latentlayers.imaging.picture import DEFAULT_LIMITS, Limits, Picture, Pixels, require_finite

# The readers are called directly, not through Image.open: only formats named here are ever parsed, the size
# is checked against our limit and not Pillow's global one, and a file that starts like a PNG but ends too
# soon is reported as a damaged PNG and not as something unknown.
Reader = Callable[[io.BytesIO], Image.Image]
READERS: tuple[tuple[str, tuple[bytes, ...], Reader], ...] = (
    ("PNG", (b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    ("JPEG", (b"\xff\xd8\xff",), JpegImagePlugin.jpeg_factory),
    ("WebP", (b"RIFF",), WebPImagePlugin.WebPImageFile),
    ("TIFF", (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), TiffImagePlugin.TiffImageFile),
    ("GIF", (b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    ("BMP", (b"BM",), BmpImagePlugin.BmpImageFile),
)
SUPPORTED = "PNG, JPEG, WebP, TIFF, GIF or BMP"

GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I;16", "I;16L", "I;16B", "I", "F")
# Pillow keeps the high byte of each sample of 16-bit colour: of bytes in big, little or native order, as the tiles of
# the file say. Read once more as if in the other order, it gives the low bytes.
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_LOW_BYTES = {f"{m};16{order}": f"{m};16{other}" for m in ("RGB", "RGBA") for order, other in _OTHER_ORDER.items()}
PROFILE_TOLERANCE = 1  # of 255: a profile that changes less is sRGB by another name


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """A picture file -> Picture, turned upright by its EXIF orientation.

    8-bit files give uint8, 16-bit grey and RGB(A) uint16, float grey float32 (0..1, clipped); 16-bit colour of
    other kinds, or with a profile that changes it, is read as 8 bits. An embedded ICC profile is converted to
    sRGB (8-bit pictures); one that is broken or does not fit the picture is ignored. Of an animation, the
    first frame counts.

    Raises:
        InvalidInput: IMAGE_UNREADABLE (not a picture, or of a kind we do not read), IMAGE_TRUNCATED (cut off
            or damaged), IMAGE_TOO_SMALL, IMAGE_NOT_FINITE.
        Exhausted: IMAGE_TOO_LARGE, before any pixel is decoded.
    """
    name, reader = _reader_of(data)
    if name == "PNG" and len(data) >= 24:  # Pillow takes a PNG without pixels for no PNG at all
        limits.check(*struct.unpack(">II", data[16:24]))
    try:
        image = reader(io.BytesIO(data))
    except Exception as error:  # Pillow's readers raise nearly anything for a damaged file
        raise _damaged(name, error) from error
    limits.check(*image.size)
    low_bytes = reader(io.BytesIO(data)) if _is_deep_colour(image) else None
    try:
        image.load()
        if low_bytes is not None:
            low_bytes.tile = [_of_low_bytes(tile) for tile in low_bytes.tile]  # type: ignore[attr-defined]
            low_bytes.load()
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged(name, error) from error
    if low_bytes is not None:
        return Picture(_deep_colour(_upright(image), _upright(low_bytes)))
    image = _upright(image)
    return Picture(_deep(image) if image.mode in DEEP_MODES else _rgba(image))


def _reader_of(data: bytes) -> tuple[str, Reader]:
    for name, signatures, reader in READERS:
        if data.startswith(signatures):
            return name, reader
    raise _unreadable("This is not a picture file that Latent Layers reads.")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF is no reason to refuse the pixels
        return image


def _rgba(image: Image.Image) -> Pixels:
    """[H, W, 4] uint8 in sRGB from any 8-bit mode."""
    try:
        rgba = image.convert("RGBA")
        mode = "L" if image.mode in GREY_MODES else "CMYK" if image.mode == "CMYK" else "RGB"
        colour = image if image.mode == mode else (rgba if mode == "RGB" else image.convert(mode)).convert(mode)
    except ValueError as error:
        raise _unreadable(f"The picture's colour mode {image.mode} is not supported.") from error
    transform = _to_srgb(image.info.get("icc_profile"), mode)
    if transform is not None:
        converted = ImageCms.applyTransform(colour, transform)
        assert converted is not None  # it is None only for in-place conversions
        converted.putalpha(rgba.getchannel("A"))
        rgba = converted
    return np.array(rgba)


# Building a transform takes longer than applying it to a small picture, and pictures of one camera share it.
@functools.lru_cache(maxsize=8)
def _to_srgb(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an embedded profile to sRGB, or None where there is nothing to convert."""
    if not profile:
        return None
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return None
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a lattice of colours comes out as it went in, up to rounding."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(9, 81, 3)
    converted = ImageCms.applyTransform(Image.fromarray(lattice), transform)
    return int(np.abs(np.asarray(converted, np.int16) - lattice).max()) <= PROFILE_TOLERANCE


def _deep(image: Image.Image) -> Pixels:
    """[H, W, 4] uint16 or float32 from grey of more than 8 bits."""
    values: NDArray[np.uint16 | np.float32]
    grey = np.asarray(image)
    if image.mode == "F":
        values, opaque = require_finite(grey.astype(np.float32)).clip(0, 1), 1.0
    elif grey.min() < 0 or grey.max() > 65535:
        raise _unreadable("The picture has 32-bit integer pixels.")
    else:
        values, opaque = grey.astype(np.uint16), 65535
    pixels: Pixels = np.repeat(values[..., None], 4, axis=2)
    pixels[..., 3] = opaque
    return pixels


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether an image, not loaded yet, holds 16-bit RGB(A) whose numbers are sRGB as they are."""
    modes = {_raw_mode(tile) for tile in getattr(image, "tile", ())}
    as_it_is = "transparency" not in image.info and _to_srgb(image.info.get("icc_profile"), "RGB") is None
    return bool(modes) and modes <= _LOW_BYTES.keys() and as_it_is


def _raw_mode(tile: Any) -> str:
    """Of a tile (codec, extents, offset, arguments): how the file's bytes are laid out."""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _of_low_bytes(tile: Any) -> Any:
    *rest, arguments = tile
    mode = _LOW_BYTES[_raw_mode(tile)]
    make = getattr(tile, "_make", tuple)  # since Pillow 11 a named tuple
    return make([*rest, (mode, *arguments[1:]) if isinstance(arguments, tuple) else mode])


def _deep_colour(high_bytes: Image.Image, low_bytes: Image.Image) -> Pixels:
    """[H, W, 4] uint16."""
    high, low = (np.asarray(image.convert("RGBA"), np.uint16) for image in (high_bytes, low_bytes))
    return np.bitwise_or(np.left_shift(high, 8), low, dtype=np.uint16)


def _unreadable(message: str) -> InvalidInput:
    return InvalidInput("IMAGE_UNREADABLE", message, f"Save it as {SUPPORTED}, with 8 or 16 bits per channel.")


def _damaged(name: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        "IMAGE_TRUNCATED",
        f"This {name} file is cut off or damaged ({str(error)[:120]}).",
        "Save or download the picture again.",
    )
