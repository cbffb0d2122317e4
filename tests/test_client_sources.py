"""What callers may hand in as a picture, a frame or a source, and how it reaches the wire."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.client import (
    ApplyDirection,
    Crossover,
    Embed,
    EmbedOptions,
    Latent,
    Morph,
    OutputOptions,
    Picture,
    PictureSource,
    Render,
)
from latentlayers.client.sources import source_to_wire
from latentlayers.errors import Exhausted, InvalidInput
from latentlayers.v1 import editing_service_pb2, latent_pb2, picture_pb2
from PIL import Image

LIMIT = 1 << 20
WIRE_MODES = ["L", "LA", "RGB", "RGBA"]


def wire(source: object) -> latent_pb2.Source:
    return source_to_wire(source, LIMIT)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "anna.png"
    Image.new("RGB", (8, 6), "red").save(path)
    return path


def test_a_file_is_sent_as_it_is_under_its_own_name(file: Path) -> None:
    for source in (file, str(file)):
        sent = wire(source).picture
        assert (sent.picture.encoded, sent.name) == (file.read_bytes(), "anna.png")
        assert not sent.frame.WhichOneof("frame")
        assert not sent.HasField("mask")


def test_a_string_that_is_no_file_is_an_embedding_id_if_it_can_be_one() -> None:
    assert wire("3f2a9c81d0e4").embedding_id == "3f2a9c81d0e4"
    for text in ("anna.jpg", "anna", "3f2a9", "3F2A9C81D0E4", "", "no/such/3f2a9c81d0e4"):
        with pytest.raises(InvalidInput) as caught:
            wire(text)
        assert caught.value.reason == "SOURCE_UNKNOWN"
        assert caught.value.remedy


def test_an_existing_file_wins_over_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("3f2a9c81d0e4").write_bytes(b"picture")
    assert wire("3f2a9c81d0e4").picture.picture.encoded == b"picture"


@pytest.mark.parametrize("mode", WIRE_MODES)
def test_arrays_and_pillow_images_are_sent_as_the_same_rows(mode: str) -> None:
    channels = len(mode)
    shape = (3, 5) if channels == 1 else (3, 5, channels)
    array = np.arange(15 * channels, dtype=np.uint8).reshape(shape)
    by_array, by_image = wire(array).picture.picture.raw, wire(Image.fromarray(array, mode)).picture.picture.raw
    assert by_array == by_image
    assert (by_array.width, by_array.height, by_array.data) == (5, 3, array.tobytes())
    assert (
        picture_pb2.PixelFormat.Name(by_array.format).removeprefix("PIXEL_FORMAT_")
        == {
            1: "GRAY8",
            2: "GRAYA8",
            3: "RGB8",
            4: "RGBA8",
        }[channels]
    )


@pytest.mark.parametrize("dtype", ["uint16", "float32", ">u2", ">f4"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_deep_pictures_keep_all_their_bits(dtype: str, channels: int) -> None:
    shape = (2, 3, channels) if channels else (2, 3)
    values = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    is_float = np.dtype(dtype).kind == "f"
    opaque = 1.0 if is_float else 65535
    array = (values * opaque).astype(dtype)
    raw = wire(array).picture.picture.raw
    stored = "<f4" if is_float else "<u2"
    sent = np.frombuffer(raw.data, stored).reshape(2, 3, 4)
    shown = array.reshape(2, 3, max(channels, 1))
    assert np.array_equal(sent[..., 0], shown[..., 0])
    assert np.array_equal(sent[..., 2], shown[..., 2 if channels > 2 else 0])
    assert np.array_equal(sent[..., 3], shown[..., -1] if channels in (2, 4) else np.full((2, 3), opaque, stored))


@pytest.mark.parametrize("mode", ["1", "P", "PA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_every_other_pillow_mode_can_be_sent(mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (200, 100, 50, 255))
    image = image.convert("P").convert(mode) if mode == "PA" else Image.new("L", (4, 4), 80).convert(mode)
    raw = wire(image).picture.picture.raw
    assert (raw.width, raw.height) == (4, 4)


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 3), bool), np.zeros(4, np.uint8), np.zeros((2, 3, 5), np.uint8), np.zeros((2, 3), np.float64)],
    ids=str,
)
def test_an_array_that_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(InvalidInput) as caught:
        wire(array)
    assert caught.value.reason == "IMAGE_UNREADABLE"


def test_what_is_larger_than_the_limit_is_refused_with_the_limit(tmp_path: Path) -> None:
    big = tmp_path / "big.png"
    with big.open("wb") as sparse:
        sparse.truncate(LIMIT + 1)
    for source in (big, b"x" * (LIMIT + 1), np.zeros((1024, 1025), np.uint8)):
        with pytest.raises(Exhausted) as caught:
            wire(source)
        assert caught.value.reason == "IMAGE_TOO_LARGE"
        assert "1.0 MB" in caught.value.message


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.png", "FILE_NOT_FOUND"), (tmp_path, "FILE_UNREADABLE")):
        with pytest.raises(InvalidInput) as caught:
            wire(path)
        assert caught.value.reason == reason
        assert str(path) in caught.value.message


def test_frames_reach_the_wire() -> None:
    def frame(value: object) -> picture_pb2.FrameSpec:
        return wire(PictureSource(b"picture", frame=value)).picture.frame

    assert frame("whole").whole
    assert frame((1, 2, 3, 4)).rectangle == picture_pb2.Rectangle(x=1, y=2, width=3, height=4)
    assert frame((1, 2, 3, 4, 5, 6)).affine == picture_pb2.Affine(xu=1, xv=2, x0=3, yu=4, yv=5, y0=6)
    for value in ("face", (1, 2, 3), (), ("a", "b", "c", "d"), None, 5):
        with pytest.raises(InvalidInput) as caught:
            frame(value)
        assert caught.value.reason == "FRAME_INVALID"


def test_a_mask_and_a_name_go_along(file: Path) -> None:
    sent = wire(PictureSource(file, mask=np.zeros((6, 8), np.uint8), name="Anna")).picture
    assert sent.name == "Anna"
    assert sent.mask.raw.format == picture_pb2.PIXEL_FORMAT_GRAY8


@given(rows=st.integers(1, 20), width=st.integers(1, 40), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_a_latent_comes_back_from_the_wire_bit_for_bit(rows: int, width: int, seed: int) -> None:
    ws = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    for given_ws in (ws, ws[None], np.asfortranarray(ws), ws.astype(">f4")):
        sent = wire(Latent.of(given_ws, "digest")).latent
        assert np.array_equal(Latent.from_wire(sent).array(), ws)
        assert sent.model_digest == "digest"


def test_an_array_that_is_no_latent_is_refused() -> None:
    with pytest.raises(ValueError, match="num_ws"):
        Latent.of(np.zeros((2, 10, 4)))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (EmbedOptions(seed=2**63), "seed"),
        (EmbedOptions(max_steps=-1), "max_steps"),
        (EmbedOptions(space="w++"), "space"),  # type: ignore[arg-type]
        (EmbedOptions(preview_interval=float("nan")), "preview_interval"),
        (OutputOptions(paste="over"), "paste"),  # type: ignore[arg-type]
        (OutputOptions(resolution=-4), "resolution"),
    ],
)
def test_settings_the_wire_cannot_hold_are_refused_by_name(options: EmbedOptions | OutputOptions, what: str) -> None:
    operation = Embed(b"p", options) if isinstance(options, EmbedOptions) else Embed(b"p", output=options)
    with pytest.raises(InvalidInput) as caught:
        operation.to_wire(LIMIT)
    assert caught.value.reason == "OPTION_INVALID"
    assert what in caught.value.message


def test_operations_say_on_the_wire_what_was_asked_for() -> None:
    a, b = "aaaaaa", "bbbbbb"
    morph = Morph(a, b, weights=[0, float("inf")], latest_wins_key="k").to_wire(LIMIT)
    assert isinstance(morph, editing_service_pb2.MorphRequest)
    assert (list(morph.weights.values), morph.latest_wins_key) == ([0, float("inf")], "k")
    assert Morph(a, b).to_wire(LIMIT).frames == 7  # type: ignore[attr-defined]
    assert Crossover(a, b, rows=[0.5, 1]).to_wire(LIMIT).row_weights == [0.5, 1]  # type: ignore[attr-defined]
    assert Crossover(a, b, rows="fine").to_wire(LIMIT).rows == "fine"  # type: ignore[attr-defined]
    assert ApplyDirection(a, "smile").to_wire(LIMIT).strengths == [1.0]  # type: ignore[attr-defined]
    assert Render(a, truncation=0.5).to_wire(LIMIT).truncation == 0.5  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput) as caught:
        Morph(a, b, weights=["half"]).to_wire(LIMIT)  # type: ignore[list-item]
    assert caught.value.reason == "WEIGHT_INVALID"


@pytest.mark.parametrize(
    ("pixel_format", "data", "pixel"),
    [
        (picture_pb2.PIXEL_FORMAT_RGB8, b"\1\2\3", [1, 2, 3]),
        (picture_pb2.PIXEL_FORMAT_RGBA8, b"\1\2\3\4", [1, 2, 3, 4]),
        (picture_pb2.PIXEL_FORMAT_BGRA8, b"\1\2\3\4", [3, 2, 1, 4]),
        (picture_pb2.PIXEL_FORMAT_GRAY8, b"\7", 7),
    ],
)
def test_raw_pictures_of_the_daemon_become_arrays(pixel_format: int, data: bytes, pixel: object) -> None:
    stride = len(data) + 3  # rows may be padded
    raw = picture_pb2.RawPixels(width=1, height=2, stride=stride, data=(data + b"\0\0\0") * 2)
    raw.format = pixel_format  # type: ignore[assignment]
    array = Picture(picture_pb2.Picture(raw=raw)).array()
    assert array.tolist() == ([[pixel]] * 2 if isinstance(pixel, list) else [[pixel], [pixel]])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".PNG"])
def test_a_picture_is_saved_in_the_format_its_name_says(tmp_path: Path, suffix: str) -> None:
    picture = Picture.of_encoded(png(Image.new("RGBA", (4, 4), (250, 120, 10, 255))))
    path = tmp_path / f"out{suffix}"
    picture.save(path)
    with Image.open(path) as saved:
        assert saved.size == (4, 4)
        assert np.abs(np.array(saved.convert("RGB"), int) - [250, 120, 10]).max() < 12
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_name_without_a_known_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        Picture.of_encoded(png(Image.new("L", (2, 2)))).save(tmp_path / "out.xyz")
    assert caught.value.reason == "FORMAT_UNSUPPORTED"
    assert not list(tmp_path.iterdir())
