"""An edit of a picture that was made smaller, carried over to the picture itself, with Qt: Krita has no numpy.

What the edit adds to and takes from the small picture is enlarged, and added to and taken from the large one, so that
the large one keeps the texture that the small one could not show.
"""

from __future__ import annotations

from ..qt import Qt, QtGui
from .pixels import BYTES, GREY, Pixels, packed, scaled

INVERSE = bytes(range(255, -1, -1))
SOLID = b"\x00" + b"\xff" * 255
# As pixels.FORMATS, without alpha. Sums treat the channels alike, so that RGBX serves for BGRX just as well.
OPAQUE = {"U8": QtGui.QImage.Format.Format_RGB32, "U16": QtGui.QImage.Format.Format_RGBX64}
Mode = QtGui.QPainter.CompositionMode


def carried_over(edited: Pixels, small: Pixels, large: Pixels) -> Pixels:
    """`edited`, which is `small` with other colours and an alpha of its own, at the size of `large`, which `small` was
    made of.

    Where `edited` is wholly transparent its colours mean nothing. Its alpha, enlarged, is nowhere more than that of
    `large`.
    """
    shown = _over(small, edited)
    added = _enlarged(_difference(shown, small), large.width, large.height)
    taken = _enlarged(_difference(small, shown), large.width, large.height)
    sum_ = _difference(_sum(large, added), taken)
    return _with_alpha(sum_, _lesser(scaled(_alpha(edited), large.width, large.height), _alpha(large)))


def _image(pixels: Pixels) -> QtGui.QImage:
    """A copy to paint on, alpha left out."""
    stride = pixels.width * BYTES[pixels.depth]
    return QtGui.QImage(pixels.data, pixels.width, pixels.height, stride, OPAQUE[pixels.depth]).copy()


def _enlarged(pixels: Pixels, width: int, height: int) -> Pixels:
    """As `scaled`, alpha left out: colours that are taken for transparent ones would be lost."""
    smooth, form = Qt.TransformationMode.SmoothTransformation, OPAQUE[pixels.depth]
    image = _image(pixels).scaled(width, height, Qt.AspectRatioMode.IgnoreAspectRatio, smooth).convertToFormat(form)
    return Pixels(width, height, pixels.depth, packed(image, width * BYTES[pixels.depth]))


def _painted(below: QtGui.QImage, above: QtGui.QImage, mode: QtGui.QPainter.CompositionMode, depth: str) -> Pixels:
    painter = QtGui.QPainter(below)
    painter.setCompositionMode(mode)
    painter.drawImage(0, 0, above)
    painter.end()
    width, height = below.width(), below.height()
    return Pixels(width, height, depth, packed(below, width * BYTES[depth]))


def _sum(a: Pixels, b: Pixels) -> Pixels:
    """a + b, where that is not more than white."""
    return _painted(_image(a), _image(b), Mode.CompositionMode_Plus, a.depth)


def _difference(a: Pixels, b: Pixels) -> Pixels:
    """a - b, where that is not less than black; QPainter only knows sums."""
    return _inverted(_sum(_inverted(a), b))


def _inverted(pixels: Pixels) -> Pixels:
    return Pixels(pixels.width, pixels.height, pixels.depth, pixels.data.translate(INVERSE))


def _over(below: Pixels, above: Pixels) -> Pixels:
    """The colours of `above` wherever it is not wholly transparent, else those of `below`."""
    mask = Pixels(above.width, above.height, GREY, _alpha(above).data.translate(SOLID))
    covering = _image(above)
    covering.setAlphaChannel(QtGui.QImage(mask.data, mask.width, mask.height, mask.width, _grey()))
    return _painted(_image(below), covering, Mode.CompositionMode_SourceOver, below.depth)


def _alpha(pixels: Pixels) -> Pixels:
    """As a mask: 8 bits are enough for it."""
    size = BYTES[pixels.depth]
    return Pixels(pixels.width, pixels.height, GREY, pixels.data[size - 1 :: size])


def _lesser(a: Pixels, b: Pixels) -> Pixels:
    """The darker one of two masks, pixel by pixel."""
    if b.data.count(b"\xff") == len(b.data):
        return a
    images = [
        QtGui.QImage(mask.data, mask.width, mask.height, mask.width, _grey()).convertToFormat(OPAQUE["U8"])
        for mask in (a, b)
    ]
    darker = _painted(*images, Mode.CompositionMode_Darken, "U8")
    return Pixels(a.width, a.height, GREY, darker.data[::4])


def _with_alpha(pixels: Pixels, mask: Pixels) -> Pixels:
    data, size = bytearray(pixels.data), BYTES[pixels.depth]
    for byte in range(size - size // 4, size):  # 0xABAB is to 16 bits what 0xAB is to 8
        data[byte::size] = mask.data
    return Pixels(pixels.width, pixels.height, pixels.depth, bytes(data))


def _grey() -> QtGui.QImage.Format:
    return QtGui.QImage.Format.Format_Grayscale8
