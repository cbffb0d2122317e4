"""Pictures in and out: decoding, framing, cropping for the model, pasting back, contact sheets.

Numpy and Pillow only. Colour is sRGB-encoded and filtered as such, the way the models' training data was.
"""

from latentlayers.imaging.crop import crop
from latentlayers.imaging.decode import decode
from latentlayers.imaging.encode import as_picture, encode_png, thumbnail_png
from latentlayers.imaging.frame import Frame, parse_frame
from latentlayers.imaging.paste import PasteMode, paste_back
from latentlayers.imaging.picture import DEFAULT_LIMITS, Limits, Picture, PixelFormat, from_raw, to_raw
from latentlayers.imaging.sheet import Tile, contact_sheet

__all__ = [
    "DEFAULT_LIMITS",
    "Frame",
    "Limits",
    "PasteMode",
    "Picture",
    "PixelFormat",
    "Tile",
    "as_picture",
    "contact_sheet",
    "crop",
    "decode",
    "encode_png",
    "from_raw",
    "parse_frame",
    "paste_back",
    "thumbnail_png",
    "to_raw",
]
