"""Rows of pixels as they travel: BGRA with 8 or 16 bits, or one grey byte. No Krita; Qt does the scaling."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..qt import Qt, QtCore, QtGui
from ..values import Bounds

GREY = "GREY8"
BYTES = {"U8": 4, "U16": 8, GREY: 1}
# Scaling treats the four channels alike, so that RGBA64 serves for BGRA just as well.
FORMATS = {
    "U8": QtGui.QImage.Format.Format_ARGB32,
    "U16": QtGui.QImage.Format.Format_RGBA64,
    GREY: QtGui.QImage.Format.Format_Grayscale8,
}


@dataclass(frozen=True)
class Pixels:
    """`height` rows of `width` pixels, tightly packed.

    Attributes:
        depth: "U8" or "U16" for BGRA, straight alpha, sRGB; GREY for masks.
    """

    width: int
    height: int
    depth: str
    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != self.width * self.height * BYTES[self.depth]:
            raise ValueError("%d bytes are not %dx%d of %s" % (len(self.data), self.width, self.height, self.depth))

    def image(self) -> QtGui.QImage:
        """A copy for display."""
        stride = self.width * BYTES[self.depth]
        image = QtGui.QImage(self.data, self.width, self.height, stride, FORMATS[self.depth])
        return image.rgbSwapped() if self.depth == "U16" else image.copy()

    def inverted(self) -> Pixels:
        """Black for white; of masks only."""
        return Pixels(self.width, self.height, self.depth, self.data.translate(bytes(range(255, -1, -1))))

    def with_depth(self, depth: str) -> Pixels:
        """The same picture in 8 or 16 bits."""
        if depth == self.depth:
            return self
        wide = QtGui.QImage(self.data, self.width, self.height, self.width * BYTES[self.depth], FORMATS[self.depth])
        form = FORMATS[depth]
        # Formats name their channels from the other end, hence the swap.
        image = wide.convertToFormat(form).rgbSwapped().convertToFormat(form)
        return Pixels(self.width, self.height, depth, packed(image, self.width * BYTES[depth]))

    @property
    def fingerprint(self) -> str:
        """Changes whenever a pixel does."""
        return hashlib.sha1(self.data).hexdigest()


def grey_pixels(data: bytes, bounds: Bounds) -> Pixels:
    return Pixels(bounds.width, bounds.height, GREY, data)


def scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resampled smoothly to another size; the same object if it has that size already."""
    if (pixels.width, pixels.height) == (width, height):
        return pixels
    form = FORMATS[pixels.depth]
    image = QtGui.QImage(pixels.data, pixels.width, pixels.height, pixels.width * BYTES[pixels.depth], form)
    smooth = Qt.TransformationMode.SmoothTransformation
    result = image.scaled(width, height, Qt.AspectRatioMode.IgnoreAspectRatio, smooth).convertToFormat(form)
    return Pixels(width, height, pixels.depth, packed(result, width * BYTES[pixels.depth]))


def packed(image: QtGui.QImage, row_bytes: int) -> bytes:
    """An image's rows without the padding that Qt puts behind each."""
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    data = bytes(bits)
    stride = image.bytesPerLine()
    if stride == row_bytes:
        return data
    return b"".join(data[start : start + row_bytes] for start in range(0, len(data), stride))


def png(pixels: Pixels, side: int) -> bytes:
    """A small PNG, no side longer than `side`."""
    image = pixels.image().scaled(
        side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    buffer = QtCore.QBuffer()
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return bytes(buffer.data())
