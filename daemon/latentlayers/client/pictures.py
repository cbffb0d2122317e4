"""Pictures as callers have them (files, bytes, arrays, Pillow images) and as the wire carries them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from latentlayers.client.files import read_file, too_large, write_file
from latentlayers.errors import InvalidInput
from latentlayers.v1 import latent_pb2, picture_pb2

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image as PillowImage

PictureLike = Union[str, "os.PathLike[str]", bytes, "np.ndarray[Any, Any]", "PillowImage.Image", "Picture"]

# Affine is (xu, xv, x0, yu, yv, y0): x = xu*u + xv*v + x0, y = yu*u + yv*v + y0 for u, v in the model's unit square.
Frame = str | tuple[float, float, float, float] | tuple[float, float, float, float, float, float]

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
_PILLOW_MODES = {
    picture_pb2.PIXEL_FORMAT_RGBA8: ("RGBA", "RGBA"),
    picture_pb2.PIXEL_FORMAT_BGRA8: ("RGBA", "BGRA"),
    picture_pb2.PIXEL_FORMAT_RGB8: ("RGB", "RGB"),
    picture_pb2.PIXEL_FORMAT_GRAY8: ("L", "L"),
    picture_pb2.PIXEL_FORMAT_GRAYA8: ("LA", "LA"),
}
_ARRAY_FORMATS = {
    ("uint8", 1): picture_pb2.PIXEL_FORMAT_GRAY8,
    ("uint8", 2): picture_pb2.PIXEL_FORMAT_GRAYA8,
    ("uint8", 3): picture_pb2.PIXEL_FORMAT_RGB8,
    ("uint8", 4): picture_pb2.PIXEL_FORMAT_RGBA8,
    ("uint16", 4): picture_pb2.PIXEL_FORMAT_RGBA16,
    ("float32", 4): picture_pb2.PIXEL_FORMAT_RGBAF32,
}


@dataclass(frozen=True)
class Picture:
    """A picture that came from the daemon: a PNG, or raw 8-bit rows (previews).

    Attributes:
        message: the picture as it came over the wire.
    """

    message: picture_pb2.Picture

    @classmethod
    def of_encoded(cls, data: bytes) -> Picture:
        """From the bytes of a PNG file."""
        return cls(picture_pb2.Picture(encoded=data))

    @property
    def png(self) -> bytes:
        """The picture as a PNG file."""
        return self.message.encoded or encode_image(self.image(), "PNG")

    def image(self) -> PillowImage.Image:
        """The picture as a Pillow image, 8 bits per channel, straight alpha."""
        from PIL import Image

        if self.message.encoded:
            return Image.open(io.BytesIO(self.message.encoded))
        raw = self.message.raw
        mode, layout = _PILLOW_MODES[raw.format]
        return Image.frombytes(mode, (raw.width, raw.height), raw.data, "raw", layout, raw.stride, 1)

    def array(self) -> np.ndarray[Any, Any]:
        """The picture as uint8 [height, width, channels] (RGB or RGBA), or [height, width] if it is gray."""
        import numpy as np

        return np.array(self.image())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a .png, .jpg, .webp or .tif file, whole or not at all; JPEG loses transparency.

        Raises:
            InvalidInput: FORMAT_UNSUPPORTED, another suffix.
            Exhausted: DISK_FULL. PreconditionFailed: OUTPUT_NOT_WRITABLE.
        """
        file_format = output_format(Path(path))
        write_file(Path(path), self.png if file_format == "PNG" else encode_image(self.image(), file_format))


def output_format(path: Path) -> str:
    """Pillow's name of the format that the suffix of `path` stands for.

    Raises:
        InvalidInput: FORMAT_UNSUPPORTED.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise InvalidInput(
            "FORMAT_UNSUPPORTED",
            f"{path.name!r} does not say which picture format to write.",
            "End the name in .png, .jpg, .webp or .tif.",
        ) from None


def save_image(image: PillowImage.Image, path: Path) -> None:
    """Writes a Pillow image as `Picture.save` does; raises the same."""
    write_file(path, encode_image(image, output_format(path)))


def encode_image(image: PillowImage.Image, file_format: str) -> bytes:
    """A file of one of the `FORMATS`; JPEG loses transparency."""
    if file_format == "JPEG" and image.mode in ("RGBA", "LA"):
        image = image.convert("RGB")
    options = {"quality": 95} if file_format in ("JPEG", "WEBP") else {}
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@dataclass(frozen=True)
class PictureSource:
    """A picture to embed, and which part of it.

    Attributes:
        picture: path, bytes of an image file, array, or Pillow image.
        frame: where the model's square lies: "auto", "whole", a rectangle (x, y, width, height) in pixels, or an
            affine map (xu, xv, x0, yu, yv, y0).
        mask: a picture of the same size; white counts, black never does.
        name: kept in the library; None takes the file's name.
    """

    picture: PictureLike
    frame: Frame = "auto"
    mask: PictureLike | None = None
    name: str | None = None

    def to_wire(self, limit: int) -> latent_pb2.PictureSource:
        """The message, which may be at most `limit` bytes long.

        Raises:
            InvalidInput: FILE_NOT_FOUND, FILE_UNREADABLE, FRAME_INVALID, IMAGE_UNREADABLE.
            Exhausted: IMAGE_TOO_LARGE.
        """
        name = self.name
        if name is None:
            name = Path(self.picture).name if isinstance(self.picture, (str, os.PathLike)) else ""
        return latent_pb2.PictureSource(
            picture=picture_to_wire(self.picture, limit),
            frame=frame_to_wire(self.frame),
            mask=None if self.mask is None else picture_to_wire(self.mask, limit),
            name=name,
        )


def picture_to_wire(picture: PictureLike, limit: int) -> picture_pb2.Picture:
    """A picture message; a str is a path here. Files are sent as they are and decoded by the daemon.

    Raises:
        InvalidInput: FILE_NOT_FOUND, FILE_UNREADABLE, IMAGE_UNREADABLE (an array of another type or shape).
        Exhausted: IMAGE_TOO_LARGE.
    """
    if isinstance(picture, Picture):
        return picture.message
    if isinstance(picture, (str, os.PathLike)):
        return picture_pb2.Picture(encoded=read_file(Path(picture), limit))
    if isinstance(picture, (bytes, bytearray, memoryview)):
        if len(picture) > limit:
            raise too_large("The picture", len(picture), limit)
        return picture_pb2.Picture(encoded=bytes(picture))
    return picture_pb2.Picture(raw=_raw_rows(picture, limit))


def frame_to_wire(frame: Frame) -> picture_pb2.FrameSpec:
    """Raises InvalidInput FRAME_INVALID for anything but "auto", "whole", four or six numbers."""
    if frame == "auto":
        return picture_pb2.FrameSpec()
    if frame == "whole":
        return picture_pb2.FrameSpec(whole=True)
    try:
        numbers = [] if isinstance(frame, str) else [float(number) for number in frame]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 4:
        x, y, width, height = numbers
        return picture_pb2.FrameSpec(rectangle=picture_pb2.Rectangle(x=x, y=y, width=width, height=height))
    if len(numbers) == 6:
        xu, xv, x0, yu, yv, y0 = numbers
        return picture_pb2.FrameSpec(affine=picture_pb2.Affine(xu=xu, xv=xv, x0=x0, yu=yu, yv=yv, y0=y0))
    raise InvalidInput(
        "FRAME_INVALID",
        f"{frame!r:.80} is not a frame.",
        'Give "auto", "whole", a rectangle (x, y, width, height), or the six numbers of an affine map.',
    )


def _raw_rows(picture: Any, limit: int) -> picture_pb2.RawPixels:
    """Raw rows of an array or a Pillow image; 16-bit and float samples reach the daemon with all their bits."""
    import numpy as np

    array = np.asarray(_pillow_as_8_or_16_bit(picture))
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or array.dtype.name not in ("uint8", "uint16", "float32") or not 1 <= channels <= 4:
        raise InvalidInput(
            "IMAGE_UNREADABLE",
            f"An array of shape {list(array.shape)} and type {array.dtype} is not a picture.",
            "Give [height, width] or [height, width, 1 to 4] of uint8, uint16, or float32 in 0..1.",
        )
    if array.dtype != np.uint8 and channels != 4:
        array = _with_alpha(array)
        channels = 4
    if array.nbytes > limit:
        raise too_large("The picture", array.nbytes, limit)
    return picture_pb2.RawPixels(
        width=array.shape[1],
        height=array.shape[0],
        format=_ARRAY_FORMATS[array.dtype.name, channels],
        data=np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).tobytes(),
    )


def _pillow_as_8_or_16_bit(picture: Any) -> Any:
    """A Pillow image in a mode whose array is a picture; anything else unchanged."""
    mode = getattr(picture, "mode", None)
    if mode is None or mode in ("L", "LA", "RGB", "RGBA") or mode.startswith("I;16"):
        return picture
    return picture.convert("RGBA")


def _with_alpha(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[height, width(, 1..3)] -> [height, width, 4] with opaque alpha where there was none."""
    import numpy as np

    if array.ndim == 2:
        array = array[:, :, None]
    opaque = 1.0 if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    colour = array[:, :, :1].repeat(3, axis=2) if array.shape[2] < 3 else array
    alpha = array[:, :, 1:] if array.shape[2] == 2 else np.full((*array.shape[:2], 1), opaque, array.dtype)
    return np.concatenate([colour, alpha], axis=2)
