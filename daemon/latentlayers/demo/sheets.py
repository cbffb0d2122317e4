"""The demo's pictures: contact sheets of what the daemon sent back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import ImageDraw

from latentlayers.client import EditResult
from latentlayers.client import Picture as SentPicture
from latentlayers.demo.sources import Photo
from latentlayers.imaging import Frame, Picture, Tile, crop, decode
from latentlayers.imaging.encode import to_pillow

DIFFERENCE_GAIN = 4.0


def sent(picture: SentPicture) -> Picture:
    """A picture from the daemon as pixels."""
    return decode(picture.png)


def embedding_row(photo: Photo, reconstruction: SentPicture, caption: str) -> list[Tile]:
    """Source with its frame drawn in, what lies in the frame, what the model made of it, and the difference."""
    source = decode(photo.path.read_bytes())
    frame = Frame.rectangle(*photo.frame)
    made = sent(reconstruction)
    framed, _ = crop(source, frame, made.width)
    shown = Picture.from_model(framed)
    difference = made.pixels[..., :3].astype(np.float32) - shown.pixels[..., :3].astype(np.float32)
    magnified = np.clip(difference / 255 * DIFFERENCE_GAIN, -1, 1).transpose(2, 0, 1).astype(np.float32)
    return [
        Tile(_with_frame(source, frame), f"{photo.person} ({photo.credit})"),
        Tile(framed, "the frame"),
        Tile(made, caption),
        Tile(magnified, f"difference x{DIFFERENCE_GAIN:g}"),
    ]


def strip(result: EditResult, captions: Sequence[str]) -> list[Tile]:
    """The pictures of one call in a row."""
    return [Tile(sent(image.picture), caption) for image, caption in zip(result.images, captions, strict=True)]


def _with_frame(source: Picture, frame: Frame) -> Picture:
    image = to_pillow(source)
    corners = [tuple(corner) for corner in frame.corners()]
    ImageDraw.Draw(image).line([*corners, corners[0]], fill=(255, 80, 60, 255), width=max(2, source.width // 100))
    return Picture(np.array(image))
