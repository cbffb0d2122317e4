"""PNG files, thumbnails, masks and contact sheets made from pictures."""

import io

import numpy as np
import pytest
from latentlayers.errors import InvalidInput
from latentlayers.imaging import (
    Picture,
    PixelFormat,
    Tile,
    contact_sheet,
    decode,
    encode_png,
    from_raw,
    thumbnail_png,
    to_raw,
)
from PIL import Image

W, H = 24, 16
RANDOM = Picture(np.random.default_rng(0).integers(0, 256, (H, W, 4), np.uint8))


def test_png_round_trips_pixels_and_drops_alpha_only_if_it_says_nothing() -> None:
    picture = RANDOM
    assert (decode(encode_png(picture)).pixels == picture.pixels).all()
    opaque = Picture(RANDOM.pixels | np.uint8([0, 0, 0, 255]))
    assert Image.open(io.BytesIO(encode_png(opaque))).mode == "RGB"
    assert (decode(encode_png(opaque)).pixels == opaque.pixels).all()


def test_a_models_picture_is_rounded_and_clipped() -> None:
    planes = np.zeros((3, 8, 8), np.float32)
    planes[0], planes[1], planes[2] = -1.5, 0.0, 1.0
    assert decode(encode_png(planes)).pixels[0, 0].tolist() == [0, 128, 255, 255]
    with pytest.raises(InvalidInput) as error:
        encode_png(np.full((3, 8, 8), np.nan, np.float32))
    assert error.value.reason == "IMAGE_NOT_FINITE"


def test_deep_pictures_are_written_in_eight_bits() -> None:
    deep = from_raw(to_raw(RANDOM, PixelFormat.RGBA16), W, H, 0, PixelFormat.RGBA16)
    assert deep.pixels.dtype == np.uint16
    assert (decode(encode_png(deep)).pixels == RANDOM.pixels).all()


def test_a_thumbnail_fits_and_keeps_proportions() -> None:
    tall = Picture(np.full((300, 100, 4), 200, np.uint8))
    assert Image.open(io.BytesIO(thumbnail_png(tall, 64))).size == (21, 64)
    assert Image.open(io.BytesIO(thumbnail_png(RANDOM, 64))).size == (W, H)


def test_a_mask_shows_where_it_is_white_and_opaque() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[0], pixels[1], pixels[2] = (255, 255, 255, 255), (255, 255, 255, 0), (0, 0, 0, 255)
    mask = Picture(pixels).as_mask()
    assert mask.shape == (8, 8)
    assert mask[0] == pytest.approx(np.ones(8))
    assert (mask[1:] == 0).all()


def test_a_contact_sheet_holds_its_pictures_captions_and_empty_places() -> None:
    red = Picture(np.full((20, 40, 4), (255, 0, 0, 255), np.uint8))
    faded = Picture(np.full((8, 8, 4), (0, 0, 255, 0), np.uint8))
    model = np.ones((3, 16, 16), np.float32)
    rows = [
        [Tile(red, "a caption far too long for a tile of this size"), Tile(None), Tile(model, "white")],
        [Tile(faded)],
    ]
    sheet = contact_sheet(rows, title="Title", labels=["first", "second"], side=64)
    found = {tuple(int(n) for n in colour) for colour in sheet.pixels.reshape(-1, 4)}
    assert (255, 0, 0, 255) in found
    assert (255, 255, 255, 255) in found
    assert (0, 0, 255, 255) not in found
    assert sheet.width > 3 * 64
    assert sheet.height > 2 * 64
    assert (sheet.pixels[-12:] == sheet.pixels[-1, -1]).all()  # the lowest caption stays clear of the edge


def test_a_contact_sheet_of_nothing_is_still_a_picture() -> None:
    assert encode_png(contact_sheet([], title="Nothing"))
