"""Picture files and raw rows: every kind that must work, and everything that must be refused in words."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import Exhausted, InvalidInput, LatentLayersError
from latentlayers.imaging import (
    Limits,
    Picture,
    PixelFormat,
    decode,
    from_raw,
    to_raw,
)
from numpy.typing import NDArray
from PIL import Image, ImageCms

W, H = 24, 16


def colours(width: int = W, height: int = H) -> NDArray[np.uint8]:
    """[H, W, 3] with red rising to the right, green downwards, and blue falling to the right."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), 255 - x * 255 // (width - 1)], -1).astype(
        np.uint8
    )


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rgb(picture: Picture) -> NDArray[np.int16]:
    assert picture.pixels.dtype == np.uint8
    return picture.pixels[..., :3].astype(np.int16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, bits: int, colour_type: int, rows: bytes = b"") -> bytes:
    """A PNG from its parts: for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


COLOUR = Image.fromarray(colours())
GREY = COLOUR.convert("L")


# ------------------------------------------------------------------------------------ what must work


@pytest.mark.parametrize(
    ("kind", "tolerance", "options"),
    [
        ("PNG", 0, {}),
        ("BMP", 0, {}),
        ("TIFF", 0, {"compression": "tiff_lzw"}),
        ("WEBP", 0, {"lossless": True}),
        ("JPEG", 12, {"quality": 95, "subsampling": 0}),
    ],
)
def test_colour_files_of_every_kind_decode(kind: str, tolerance: int, options: dict[str, object]) -> None:
    picture = decode(saved(COLOUR, kind, **options))
    assert picture.size == (W, H)
    assert np.abs(rgb(picture) - colours()).max() <= tolerance
    assert (picture.pixels[..., 3] == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_grey_files_become_equal_channels(kind: str) -> None:
    pixels = rgb(decode(saved(GREY, kind)))
    assert np.abs(pixels - np.asarray(GREY)[..., None]).max() <= (3 if kind == "JPEG" else 0)


def test_black_and_white_files_decode() -> None:
    bits = COLOUR.convert("1")
    assert (rgb(decode(saved(bits, "PNG"))) == np.asarray(bits)[..., None] * 255).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_kept_straight(kind: str) -> None:
    rgba = np.dstack([colours(), np.linspace(1, 255, W * H).reshape(H, W).astype(np.uint8)])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert (decode(saved(Image.fromarray(rgba), kind, **options)).pixels == rgba).all()


def test_grey_with_alpha_decodes() -> None:
    grey_alpha = GREY.convert("LA")
    grey_alpha.putalpha(77)
    pixels = decode(saved(grey_alpha, "PNG")).pixels
    assert (pixels[..., :3] == np.asarray(GREY)[..., None]).all()
    assert (pixels[..., 3] == 77).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_files_decode_with_their_transparent_entry(kind: str) -> None:
    palette = COLOUR.quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    assert (rgb(decode(saved(palette, kind))) == expected).all()
    pixels = decode(saved(palette, kind, transparency=3)).pixels
    assert ((pixels[..., 3] == 0) == (np.asarray(palette) == 3)).all()
    assert (pixels[..., 3] == 0).any()


def test_sixteen_bit_grey_keeps_its_depth() -> None:
    values = (np.arange(W * H, dtype=np.uint16) * 170).reshape(H, W)
    for kind in ("PNG", "TIFF"):
        pixels = decode(saved(Image.fromarray(values), kind)).pixels
        assert pixels.dtype == np.uint16
        assert (pixels[..., :3] == values[..., None]).all()
        assert (pixels[..., 3] == 65535).all()


def deep_png(samples: NDArray[np.uint16]) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return raw_png(W, H, 16, {3: 2, 4: 6}[samples.shape[2]], rows)


def deep_tiff(samples: NDArray[np.uint16], order: str, compression: int, orientation: int = 1) -> bytes:
    """16-bit RGB(A) in one strip, in the byte order "<" or ">"; compression 1 is none, 8 is deflate."""
    channels = samples.shape[2]
    strip = samples.astype(f"{order}u2").tobytes()
    strip = zlib.compress(strip) if compression == 8 else strip
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    entries = {256: W, 257: H, 258: 8, 259: compression, 262: 2, 273: 8 + len(bits), 274: orientation}
    entries |= {277: channels, 278: H, 279: len(strip)} | ({338: 2} if channels == 4 else {})
    table = struct.pack(f"{order}H", len(entries))
    for tag, value in entries.items():
        table += struct.pack(f"{order}HHII", tag, 3 if tag == 258 else 4, channels if tag == 258 else 1, value)
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(f"{order}2sHI", mark, 42, 8 + len(bits) + len(strip))
    return start + bits + strip + table + bytes(4)


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_keeps_its_depth(channels: int) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (H, W, channels), dtype=np.uint16)
    files = [deep_png(samples)]
    files += [deep_tiff(samples, order, compression) for order in "<>" for compression in (1, 8)]
    for file in files:
        pixels = decode(file).pixels
        assert pixels.dtype == np.uint16
        assert (pixels[..., :channels] == samples).all()
        assert channels == 4 or (pixels[..., 3] == 65535).all()
    turned = decode(deep_tiff(samples, "<", 1, orientation=3)).pixels
    assert (turned[..., :channels] == samples[::-1, ::-1]).all()
    with pytest.raises(InvalidInput):
        decode(files[0][: len(files[0]) // 2])


def test_float_grey_decodes_and_is_clipped() -> None:
    values = np.linspace(-0.5, 1.5, W * H, dtype=np.float32).reshape(H, W)
    pixels = decode(saved(Image.fromarray(values), "TIFF")).pixels
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels[..., 0], values.clip(0, 1))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_files_decode_with_the_right_colours(kind: str) -> None:
    picture = decode(saved(COLOUR.convert("CMYK"), kind))
    assert np.abs(rgb(picture) - colours()).max() <= 12


AS_STORED = {  # EXIF: which side of the upright picture is the first row, and which the first column
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: np.rot90(upright),  # right, top
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda upright: np.rot90(upright, -1),  # left, bottom
}


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pictures_are_turned_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](colours())))
    picture = decode(saved(stored, kind, exif=exif))
    assert picture.size == (W, H)
    assert (rgb(picture) == colours()).all()


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_an_embedded_profile_is_converted_to_srgb() -> None:
    swapped = srgb_profile().replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    flat = Image.new("RGB", (W, H), (250, 30, 90))
    assert np.abs(rgb(decode(saved(flat, "PNG", icc_profile=swapped))) - [30, 250, 90]).max() <= 4
    transparent = flat.copy()
    transparent.putalpha(99)
    assert (decode(saved(transparent, "PNG", icc_profile=swapped)).pixels[..., 3] == 99).all()


@pytest.mark.parametrize("profile", [srgb_profile(), b"not a profile", srgb_profile()[:200]])
def test_an_srgb_or_broken_profile_changes_nothing(profile: bytes) -> None:
    assert (rgb(decode(saved(COLOUR, "PNG", icc_profile=profile))) == colours()).all()
    assert (rgb(decode(saved(GREY, "PNG", icc_profile=profile))) == np.asarray(GREY)[..., None]).all()


# -------------------------------------------------------------------------------- what must be refused


def refusal(data: bytes, limits: Limits = Limits()) -> LatentLayersError:  # noqa: B008 - frozen
    with pytest.raises(LatentLayersError) as error:
        decode(data, limits)
    assert error.value.remedy
    return error.value


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"%PDF-1.7 ...", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 1000, b"<svg></svg>"]
)
def test_what_is_not_a_picture_is_refused(data: bytes) -> None:
    assert refusal(data).reason == "IMAGE_UNREADABLE"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_a_truncated_file_is_named_as_such(kind: str, share: float) -> None:
    data = saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), kind)
    error = refusal(data[: max(12, int(len(data) * share))])
    assert error.reason == "IMAGE_TRUNCATED"
    assert kind.lower() in error.message.lower()


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow also warns of some of the damage
@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"]), st.data())
def test_a_damaged_file_gives_a_picture_or_a_typed_refusal(kind: str, data: st.DataObject) -> None:
    file = bytearray(saved(COLOUR, kind))
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = decode(bytes(file))
    except LatentLayersError as error:
        assert error.reason.startswith("IMAGE_")  # noqa: PT017 - both outcomes are fine
    else:
        assert picture.width * picture.height <= Limits().max_pixels


def test_an_enormous_picture_is_refused_from_its_header_with_its_size() -> None:
    error = refusal(raw_png(30000, 30000, 8, 6))
    assert isinstance(error, Exhausted)
    assert error.reason == "IMAGE_TOO_LARGE"
    assert "30000 x 30000" in error.message


def test_a_decompression_bomb_is_refused_before_it_unfolds() -> None:
    bomb = raw_png(9000, 9000, 1, 0, bytes(9000 * (1 + 9000 // 8)))
    assert len(bomb) < 20_000
    assert refusal(bomb).reason == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_limit_holds_for_every_kind(kind: str) -> None:
    assert refusal(saved(COLOUR, kind), Limits(max_pixels=W * H - 1)).reason == "IMAGE_TOO_LARGE"
    assert decode(saved(COLOUR, kind), Limits(max_pixels=W * H)).size == (W, H)


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (7, 400), (400, 7)])
def test_a_picture_without_room_for_a_subject_is_refused(size: tuple[int, int]) -> None:
    error = refusal(raw_png(*size, 8, 2, bytes((1 + 3 * size[0]) * size[1])))
    assert error.reason == "IMAGE_TOO_SMALL"
    assert f"{size[0]} x {size[1]}" in error.message


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(bad: float) -> None:
    values = np.full((H, W), 0.5, np.float32)
    values[3, 4] = bad
    assert refusal(saved(Image.fromarray(values), "TIFF")).reason == "IMAGE_NOT_FINITE"
    with pytest.raises(InvalidInput) as error:
        from_raw(np.repeat(values[..., None], 4, axis=2).tobytes(), W, H, 0, PixelFormat.RGBAF32)
    assert error.value.reason == "IMAGE_NOT_FINITE"


def test_integer_pixels_beyond_sixteen_bits_are_refused() -> None:
    assert refusal(saved(Image.fromarray(np.full((H, W), 70000, np.int32)), "TIFF")).reason == "IMAGE_UNREADABLE"


# ------------------------------------------------------------------------------------------ raw rows


def random_rgba(seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (H, W, 4), np.uint8))


@pytest.mark.parametrize("format", PixelFormat)
def test_raw_pixels_survive_the_way_there_and_back(format: PixelFormat) -> None:
    raw = to_raw(random_rgba(), format)
    assert len(raw) == W * H * format.pixel_bytes
    picture = from_raw(raw, W, H, 0, format)
    assert to_raw(picture, format) == raw
    if format.channels in ("RGBA", "BGRA"):
        assert to_raw(picture, PixelFormat.RGBA8) == random_rgba().pixels.tobytes()


def test_raw_channels_are_where_their_names_say() -> None:
    first = {
        PixelFormat.RGBA8: bytes([1, 2, 3, 4]),
        PixelFormat.BGRA8: bytes([3, 2, 1, 4]),
        PixelFormat.RGB8: bytes([1, 2, 3]),
        PixelFormat.GRAYA8: bytes([9, 4]),
        PixelFormat.GRAY8: bytes([9]),
        PixelFormat.BGRA16: struct.pack("<4H", 3, 2, 1, 4),
        PixelFormat.RGBA16: struct.pack("<4H", 1, 2, 3, 4),
        PixelFormat.RGBAF32: struct.pack("<4f", 0.25, 0.5, 0.75, 1.0),
    }
    expected = {"L": [9, 9, 9, 255], "LA": [9, 9, 9, 4], "RGB": [1, 2, 3, 255]}
    for format, pixel in first.items():
        found = from_raw(pixel * 64, 8, 8, 0, format).pixels[7, 7].tolist()
        wanted = (
            [0.25, 0.5, 0.75, 1.0] if format is PixelFormat.RGBAF32 else expected.get(format.channels, [1, 2, 3, 4])
        )
        assert found == wanted, format


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(list(PixelFormat)), st.integers(0, 13), st.booleans())
def test_padding_between_rows_is_skipped(format: PixelFormat, padding: int, padded_end: bool) -> None:
    raw = to_raw(random_rgba(), format)
    row = W * format.pixel_bytes
    padded = b"".join(raw[i : i + row] + b"\xee" * padding for i in range(0, len(raw), row))
    padded = padded if padded_end or not padding else padded[:-padding]
    assert to_raw(from_raw(padded, W, H, row + padding, format), format) == raw


@pytest.mark.parametrize(
    ("width", "height", "stride", "size", "reason"),
    [
        (0, 0, 0, 0, "IMAGE_TOO_SMALL"),
        (1, 1, 4, 4, "IMAGE_TOO_SMALL"),
        (30000, 30000, 0, 64, "IMAGE_TOO_LARGE"),
        (2**32 - 1, 2**32 - 1, 2**32 - 1, 64, "IMAGE_TOO_LARGE"),
        (16, 16, 63, 1024, "IMAGE_UNREADABLE"),
        (16, 16, -64, 1024, "IMAGE_UNREADABLE"),
        (16, 16, 64, 1023, "IMAGE_TRUNCATED"),
        (16, 16, 0, 0, "IMAGE_TRUNCATED"),
        (16, 16, 2**31, 1024, "IMAGE_TRUNCATED"),
    ],
)
def test_raw_rows_that_cannot_be_are_refused(width: int, height: int, stride: int, size: int, reason: str) -> None:
    with pytest.raises(LatentLayersError) as error:
        from_raw(bytes(size), width, height, stride, PixelFormat.RGBA8)
    assert error.value.reason == reason


def test_pictures_cannot_be_changed() -> None:
    picture = from_raw(to_raw(random_rgba(), PixelFormat.RGBA8), W, H, 0, PixelFormat.RGBA8)
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0, 0] = 1
