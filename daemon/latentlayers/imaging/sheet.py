"""Contact sheets: pictures in rows with captions, for the demo, the bench and people's eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from latentlayers.imaging.encode import as_picture, to_pillow
from latentlayers.imaging.picture import FloatArray, Picture

PAPER, INK, FAINT, CHECKER = (250, 250, 248), (32, 32, 32), (110, 110, 110), (222, 222, 220)
GAP, CAPTION_SIZE, TITLE_SIZE, CHECK_SIDE = 12, 14, 20, 8


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet (a Picture, or a model's [3, H, W] floats in [-1, 1]); None leaves the place empty."""

    picture: Picture | FloatArray | None
    caption: str = ""


def contact_sheet(
    rows: Sequence[Sequence[Tile]], *, title: str = "", labels: Sequence[str] = (), side: int = 192
) -> Picture:
    """Rows of tiles on light paper, every picture scaled to fit `side` x `side`, its caption below.

    Captions too wide for their tile are cut with an ellipsis. Transparency shows as a checkerboard.

    Args:
        title: a line above everything.
        labels: one per row, to its left.
    """
    caption_font, title_font = _font(CAPTION_SIZE), _font(TITLE_SIZE)
    columns = max((len(row) for row in rows), default=0)
    caption_heights = [CAPTION_SIZE + 8 if any(tile.caption for tile in row) else 0 for row in rows]
    label_width = max((int(caption_font.getlength(label)) + GAP for label in labels), default=0)
    top = GAP + (TITLE_SIZE + GAP if title else 0)
    width = max(GAP + label_width + columns * (side + GAP), int(title_font.getlength(title)) + 2 * GAP)
    sheet = Image.new("RGB", (width, top + sum(side + height + GAP for height in caption_heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), title, INK, title_font)
    for i, (row, caption_height) in enumerate(zip(rows, caption_heights, strict=True)):
        if i < len(labels):
            draw.text((GAP, top + side // 2), labels[i], INK, caption_font, anchor="lm")
        for j, tile in enumerate(row):
            left = GAP + label_width + j * (side + GAP)
            if tile.picture is not None:
                fitted = _fitted(as_picture(tile.picture), side)
                sheet.paste(fitted, (left + (side - fitted.width) // 2, top + (side - fitted.height) // 2))
            caption = _shortened(tile.caption, caption_font, side)
            draw.text((left + side / 2, top + side + 5), caption, FAINT, caption_font, anchor="ma")
        top += side + caption_height + GAP
    return Picture(np.array(sheet.convert("RGBA")))


def _fitted(picture: Picture, side: int) -> Image.Image:
    scale = side / max(picture.width, picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    image = to_pillow(picture).resize(size, Image.Resampling.LANCZOS)
    y, x = np.indices(size[::-1]) // CHECK_SIDE
    checks = np.where(((x + y) % 2 == 0)[..., None], PAPER, CHECKER).astype(np.uint8)
    return Image.alpha_composite(Image.fromarray(checks).convert("RGBA"), image).convert("RGB")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
