"""Colour spaces, and conversion between the document's and the daemon's."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..qt import QtCore
from ..values import Bounds, Refused

SRGB = "sRGB-elle-V2-srgbtrc.icc"
SAMPLE_BYTES = {"U8": 1, "U16": 2, "F16": 2, "F32": 4}
CHANNELS = {"A": 1, "GRAYA": 2, "RGBA": 4, "XYZA": 4, "LABA": 4, "YCbCrA": 4, "CMYKA": 5}


class ColourSpace(NamedTuple):
    """Krita's three names for it: model ("RGBA", "GRAYA", "CMYKA"), depth ("U8", "U16", "F16", "F32"), ICC profile."""

    model: str
    depth: str
    profile: str

    @classmethod
    def of(cls, holder: Any) -> ColourSpace:
        """That of a Krita document or node."""
        return cls(holder.colorModel(), holder.colorDepth(), holder.colorProfile())

    @property
    def pixel_bytes(self) -> int:
        return CHANNELS[self.model] * SAMPLE_BYTES[self.depth]

    @property
    def transport(self) -> ColourSpace:
        """What travels to the daemon for it: sRGB, in 16 bits unless it has no more than 8."""
        return ColourSpace("RGBA", "U8" if self.depth == "U8" else "U16", SRGB)

    @property
    def travels_as_it_is(self) -> bool:
        """Whether its pixels are the transport's already. RGB without a profile of its own counts as sRGB."""
        usual = self.profile in ("", SRGB) or "srgbtrc" in self.profile or self.profile.startswith("sRGB built-in")
        return self.model == "RGBA" and self.depth in ("U8", "U16") and usual


def convert(document: Any, pixels: bytes, bounds: Bounds, source: ColourSpace, target: ColourSpace) -> bytes:
    """Rows of `bounds` from one colour space to another, by Krita's own colour management.

    Args:
        document: a Krita document; only a clone of it is worked on.

    Raises:
        Refused: Krita does not know one of the colour spaces.
    """
    if source == target:
        return pixels
    clone = document.clone()
    try:
        node = clone.createNode("conversion", "paintlayer")
        _set_space(node, source)
        node.setPixelData(QtCore.QByteArray(pixels), *bounds)
        _set_space(node, target)
        converted = bytes(node.pixelData(*bounds))
    finally:
        clone.close()
    if len(converted) != bounds.width * bounds.height * target.pixel_bytes:
        raise Refused(f"Krita could not convert {source.model} {source.depth} to {target.model} {target.depth}.")
    return converted


def _set_space(node: Any, space: ColourSpace) -> None:
    if ColourSpace.of(node) != space and not node.setColorSpace(*space):
        raise Refused(
            f"Krita does not have the colour profile {space.profile!r}.",
            "Convert the document to another profile (Image > Convert Image Color Space).",
        )
