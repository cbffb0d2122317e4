"""Frames, crops and pasting back: geometry that inverts, alpha that is respected, pixels left alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import InvalidInput
from latentlayers.imaging import Frame, Picture, crop, parse_frame, paste_back
from numpy.typing import NDArray

laws = settings(deadline=None, max_examples=25)


def smooth_picture(width: int, height: int, depth: type = np.uint8) -> Picture:
    """Slow waves of colour, opaque."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(3 * x + 1) + np.cos(2 * y), np.cos(3 * y + 2 * x), np.sin(2 * x - 3 * y)]
    pixels = np.stack([0.5 + 0.2 * wave for wave in waves] + [np.ones_like(x)], axis=-1)
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[depth]
    return Picture(np.round(pixels * full, 0 if full > 1 else 6).astype(depth))


def turned(cx: float, cy: float, side: float, degrees: float) -> Frame:
    c, s = side * math.cos(math.radians(degrees)), side * math.sin(math.radians(degrees))
    return Frame(c, -s, cx - (c - s) / 2, s, c, cy - (c + s) / 2)


def unit(picture: Picture) -> NDArray[np.float32]:
    full = {"uint8": 255, "uint16": 65535, "float32": 1}[picture.pixels.dtype.name]
    return (picture.pixels / full).astype(np.float32)


def change(before: Picture, after: Picture) -> NDArray[np.float32]:
    """[H, W] largest difference over red, green, blue, in 0..1; alpha must be the same."""
    assert before.pixels.dtype == after.pixels.dtype
    assert (before.pixels[..., 3] == after.pixels[..., 3]).all()
    return np.abs(unit(after) - unit(before)).max(axis=2)


frames = st.builds(turned, st.floats(30, 90), st.floats(30, 60), st.floats(20, 90), st.floats(-180, 180))

# --------------------------------------------------------------------------------------------- frames


@laws
@given(frames)
def test_a_frame_inverts_and_survives_as_six_floats(frame: Frame) -> None:
    assert Frame.from_floats(frame.to_floats()) == frame
    there = np.vstack([frame.matrix, [0, 0, 1]])
    back = np.vstack([frame.inverse, [0, 0, 1]])
    assert np.allclose(there @ back, np.eye(3), atol=1e-9)


@laws
@given(frames)
def test_a_frame_is_given_back_by_its_corners(frame: Frame) -> None:
    tl, bl, br, tr = (tuple(corner) for corner in frame.corners().tolist())
    assert np.allclose(Frame.quad(tl, bl, br, tr).to_floats(), frame.to_floats())


def test_named_frames_are_centred_squares() -> None:
    assert Frame.whole(100, 60).corners().tolist() == [[0, -20], [0, 80], [100, 80], [100, -20]]
    assert Frame.centred(100, 60).corners().tolist() == [[20, 0], [20, 60], [80, 60], [80, 0]]
    assert Frame.whole(50, 50) == Frame.centred(50, 50) == Frame.rectangle(0, 0, 50, 50)


@laws
@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 300), st.floats(1, 300))
def test_a_rectangle_grows_to_the_square_around_its_centre(x: float, y: float, width: float, height: float) -> None:
    frame = Frame.rectangle(x, y, width, height)
    assert frame.is_upright
    assert frame.side == pytest.approx(max(width, height))
    assert frame.corners().mean(axis=0) == pytest.approx([x + width / 2, y + height / 2])


def test_typed_frames_are_read() -> None:
    assert parse_frame("auto", 100, 60) == Frame.centred(100, 60)
    assert parse_frame(" Whole ", 100, 60) == Frame.whole(100, 60)
    assert parse_frame("10, 20.5,30,30", 100, 60) == Frame.rectangle(10, 20.5, 30, 30)


@pytest.mark.parametrize(
    "text",
    [
        *("", "face", "1,2,3", "1,2,3,4,5", "nan,0,9,9", "0,0,inf,9", "9" * 400 + ",1,1,1"),
        *("0,0,0,0", "0,0,-5,5", "0,0,0,9", "0,0,0.5,0.5", "0,0,1e9,1e9"),
        *("100,0,20,20", "-20,-20,20,20"),
    ],
)
def test_frames_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_frame(text, 100, 60)
    assert error.value.reason == "FRAME_INVALID"
    assert len(error.value.message) < 300


@pytest.mark.parametrize(
    "values",
    [
        [1, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0],
        [50, 50, 0, 50, 50, 0],
        [50, 0, 0, 0, 5, 0],
        [50, 49, 0, 0, 8, 0],
        [math.nan, 0, 0, 0, 9, 0],
    ],
)
def test_affine_maps_that_are_no_square_are_refused(values: list[float]) -> None:
    with pytest.raises(InvalidInput) as error:
        Frame.from_floats(values)
    assert error.value.reason == "FRAME_INVALID"


def test_four_points_that_form_no_square_are_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        Frame.quad((0, 0), (0, 50), (20, 60), (70, 0))
    assert error.value.reason == "FRAME_INVALID"


@pytest.mark.parametrize(
    ("cx", "cy", "overlaps"), [(-20, -20, False), (-10, 50, True), (50, 50, True), (119, 119, False)]
)
def test_overlap_is_judged_by_shape_and_not_by_bounding_box(cx: float, cy: float, overlaps: bool) -> None:
    frame = turned(cx, cy, 40, 45)  # a diamond of half-diagonal 28: its bounding box reaches further than it does
    picture = smooth_picture(100, 100)
    if overlaps:
        crop(picture, frame, 16)
    else:
        with pytest.raises(InvalidInput) as error:
            crop(picture, frame, 16)
        assert error.value.reason == "FRAME_INVALID"


# --------------------------------------------------------------------------------------------- crops


def expected_colours(picture: Picture, frame: Frame, resolution: int) -> NDArray[np.float32]:
    """[3, R, R] in [-1, 1], by looking up the nearest pixel: good enough for slow waves."""
    centres = (np.arange(resolution) + 0.5) / resolution
    u, v = np.meshgrid(centres, centres)
    x = frame.xu * u + frame.xv * v + frame.x0
    y = frame.yu * u + frame.yv * v + frame.y0
    columns = np.floor(x).astype(int).clip(0, picture.width - 1)
    rows = np.floor(y).astype(int).clip(0, picture.height - 1)
    return unit(picture)[rows, columns, :3].transpose(2, 0, 1) * 2 - 1


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("resolution", [8, 64, 300])
@pytest.mark.parametrize(
    "frame",
    [Frame.rectangle(30, 10, 70, 70), turned(70, 50, 60, 33), turned(70, 50, 62, -120), turned(70, 50, 60, 180)],
)
def test_a_crop_shows_what_lies_inside_the_frame(depth: type, resolution: int, frame: Frame) -> None:
    picture = smooth_picture(140, 100, depth)
    rgb, weight = crop(picture, frame, resolution)
    assert rgb.shape == (3, resolution, resolution)
    assert weight.shape == (1, resolution, resolution)
    assert rgb.dtype == weight.dtype == np.float32
    assert weight == pytest.approx(np.ones_like(weight), abs=1e-4)
    assert np.abs(rgb - expected_colours(picture, frame, resolution)).max() < 0.05


def test_a_crop_at_scale_one_is_exact() -> None:
    picture = Picture(np.random.default_rng(0).integers(0, 256, (40, 60, 4), np.uint8) | np.uint8([0, 0, 0, 255]))
    rgb, _ = crop(picture, Frame.rectangle(7, 5, 32, 32), 32)
    assert np.abs((rgb + 1) / 2 - unit(picture)[5:37, 7:39, :3].transpose(2, 0, 1)).max() < 1e-5


@pytest.mark.parametrize("degrees", [0, 30])
def test_fine_detail_is_averaged_and_not_aliased(degrees: float) -> None:
    stripes = np.full((900, 900, 4), 255, np.uint8)
    stripes[:, ::2, :3] = 0
    rgb, _ = crop(Picture(stripes), turned(450, 450, 600, degrees), 24)
    assert np.abs(rgb).max() < 0.02


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (1200, 900), (8, 3000)])
def test_outside_the_picture_has_no_weight(size: tuple[int, int]) -> None:
    picture = smooth_picture(*size)
    frame = Frame.whole(*size)
    _, weight = crop(picture, frame, 64)
    centres = frame.side * (np.arange(64) + 0.5) / 64
    x, y = np.meshgrid(centres + frame.x0, centres + frame.y0)
    pixel = frame.side / 64
    outside = np.maximum(np.maximum(-x, x - size[0]), np.maximum(-y, y - size[1])) / pixel  # in pixels of the crop
    assert (weight[0][outside > 1.5] == 0).all()
    assert np.allclose(weight[0][outside < -1.5], 1, atol=1e-3)
    assert weight.sum() * pixel**2 == pytest.approx(size[0] * size[1], rel=0.15)


def half_hidden(hidden: tuple[int, int, int]) -> Picture:
    pixels = np.full((80, 80, 4), (200, 120, 40, 255), np.uint8)
    pixels[:, :40] = (*hidden, 0)
    return Picture(pixels)


@pytest.mark.parametrize("degrees", [0, 20])
@pytest.mark.parametrize("resolution", [16, 200])
def test_colours_of_transparent_pixels_never_bleed(degrees: float, resolution: int) -> None:
    frame = turned(40, 40, 50, degrees)
    rgb, weight = crop(half_hidden((0, 255, 0)), frame, resolution)
    other, _ = crop(half_hidden((255, 0, 255)), frame, resolution)
    assert np.array_equal(rgb, other)
    colour = np.array([200, 120, 40]) / 127.5 - 1
    assert np.allclose(rgb, colour[:, None, None], atol=0.02)
    assert weight.min() == 0
    assert weight.max() == pytest.approx(1)
    assert weight.mean() == pytest.approx(0.5, abs=0.02)


def test_a_mask_hides_like_transparency() -> None:
    opaque = half_hidden((9, 9, 9)).pixels.copy()
    opaque[..., 3] = 255
    mask = np.ones((80, 80), np.float32)
    mask[:, :40] = 0
    masked = crop(Picture(opaque), Frame.whole(80, 80), 32, mask)
    transparent = crop(half_hidden((1, 2, 3)), Frame.whole(80, 80), 32)
    assert np.array_equal(masked[0], transparent[0])
    assert np.array_equal(masked[1], transparent[1])
    _, half = crop(Picture(opaque), Frame.whole(80, 80), 32, mask * 0.5)
    assert np.allclose(half, masked[1] / 2, atol=0.02)


def test_a_picture_with_nothing_to_see_is_refused() -> None:
    picture = smooth_picture(40, 40)
    clear = picture.pixels.copy()
    clear[..., 3] = 0
    for nothing, mask in ((Picture(clear), None), (picture, np.zeros((40, 40), np.float32))):
        with pytest.raises(InvalidInput) as error:
            crop(nothing, Frame.whole(40, 40), 16, mask)
        assert error.value.reason == "IMAGE_EMPTY"


@pytest.mark.parametrize(
    "mask",
    [np.ones((40, 41)), np.ones((40, 40, 1)), np.ones(40), np.full((40, 40), 1.5), np.full((40, 40), math.nan)],
)
def test_a_mask_that_does_not_fit_is_refused(mask: NDArray[np.float64]) -> None:
    picture, edited = smooth_picture(40, 40), np.zeros((3, 8, 8), np.float32)
    for use in (
        lambda: crop(picture, Frame.whole(40, 40), 16, mask),
        lambda: paste_back(picture, Frame.whole(40, 40), edited, selection=mask),
    ):
        with pytest.raises(InvalidInput) as error:
            use()
        assert error.value.reason == "MASK_INVALID"


# --------------------------------------------------------------------------------------- pasting back


@laws
@given(frames, st.sampled_from([16, 64]), st.sampled_from([np.uint8, np.uint16, np.float32]))
def test_a_crop_pasted_back_gives_nearly_the_same_smooth_picture(frame: Frame, resolution: int, depth: type) -> None:
    picture = smooth_picture(120, 90, depth)
    rgb, _ = crop(picture, frame, resolution)
    assert change(picture, paste_back(picture, frame, rgb)).max() < 0.04


def test_pasting_at_scale_one_shows_the_models_own_pixels() -> None:
    picture = smooth_picture(60, 60)
    edited = np.random.default_rng(1).uniform(-1, 1, (3, 32, 32)).astype(np.float32)
    pasted = paste_back(picture, Frame.rectangle(14, 14, 32, 32), edited)
    middle = unit(pasted)[26:34, 26:34, :3].transpose(2, 0, 1)
    assert np.abs(middle - (edited[:, 12:20, 12:20] + 1) / 2).max() < 0.02


@laws
@given(frames, st.sampled_from(["replace", "residual"]), st.floats(0, 0.5))
def test_pixels_outside_the_frame_stay_exactly(frame: Frame, mode: str, feather: float) -> None:
    picture = smooth_picture(120, 90)
    rng = np.random.default_rng(2)
    edited, plain = rng.uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    after = paste_back(picture, frame, edited, plain, mode, feather)
    x, y = np.meshgrid(np.arange(120) + 0.5, np.arange(90) + 0.5)
    u, v = np.moveaxis(np.stack([x, y], -1) @ frame.inverse[:, :2].T + frame.inverse[:, 2], -1, 0)
    outside = (u < 0) | (u > 1) | (v < 0) | (v > 1)
    assert (after.pixels[outside] == picture.pixels[outside]).all()
    assert change(picture, after).max() > 0.1


@laws
@given(frames, st.sampled_from([np.uint8, np.uint16, np.float32]), st.integers(0, 2**32 - 1))
def test_a_residual_of_no_change_gives_back_the_original_exactly(frame: Frame, depth: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((90, 120, 4), np.float32)
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[depth]
    picture = Picture((values * full).astype(depth))
    edited = rng.uniform(-2, 2, (3, 24, 24)).astype(np.float32)
    assert np.array_equal(paste_back(picture, frame, edited, edited, "residual").pixels, picture.pixels)


def test_a_residual_adds_the_difference_and_keeps_the_texture() -> None:
    noise = np.random.default_rng(3).integers(60, 140, (80, 80, 4), np.uint8) | np.uint8([0, 0, 0, 255])
    picture = Picture(noise)
    plain = np.zeros((3, 16, 16), np.float32)
    after = paste_back(picture, Frame.rectangle(10, 10, 60, 60), plain + 0.2, plain, "residual")
    added = after.pixels[30:50, 30:50, :3].astype(int) - noise[30:50, 30:50, :3]
    assert np.abs(added - 25.5).max() <= 0.5
    with pytest.raises(ValueError, match="reconstruction"):
        paste_back(picture, Frame.whole(80, 80), plain, mode="residual")


def test_the_seam_fades_in_and_its_colours_match_the_surroundings() -> None:
    picture = smooth_picture(120, 120)
    frame = Frame.rectangle(20, 20, 80, 80)
    brighter = crop(picture, frame, 64)[0] + 0.3
    for feather in (0.0, 0.1):
        delta = change(picture, paste_back(picture, frame, brighter, feather=feather))
        rim = np.concatenate([delta[20, 20:100], delta[99, 20:100], delta[20:100, 20], delta[20:100, 99]])
        assert rim.max() < 0.05
        assert delta[50:70, 50:70].min() > 0.12


def test_a_side_without_picture_beyond_it_has_no_seam_to_hide() -> None:
    picture = smooth_picture(80, 60)
    after = paste_back(picture, Frame.whole(80, 60), np.full((3, 16, 16), 1.0, np.float32))
    assert (after.pixels == 255).all()


def test_alpha_and_selection_bound_the_paste() -> None:
    pixels = smooth_picture(80, 80).pixels.copy()
    pixels[:30, :, 3] = 0
    pixels[30:40, :, 3] = 100
    picture = Picture(pixels)
    selection = np.zeros((80, 80), np.float32)
    selection[:, 40:] = 1
    selection[:, 30:40] = 0.5
    white = np.full((3, 16, 16), 1.0, np.float32)
    delta = change(picture, paste_back(picture, Frame.whole(80, 80), white, selection=selection))
    full = change(picture, paste_back(picture, Frame.whole(80, 80), white))
    assert (delta[:30] == 0).all()
    assert (delta[:, :30] == 0).all()
    assert delta[30:, 40:] == pytest.approx(full[30:, 40:])
    assert delta[30:, 30:40] == pytest.approx(full[30:, 30:40] / 2, abs=0.01)
    assert full[30:].min() > 0.1


@pytest.mark.parametrize("feather", [-0.1, 0.6, math.nan, math.inf])
def test_a_feather_beyond_the_frame_is_refused(feather: float) -> None:
    with pytest.raises(InvalidInput) as error:
        paste_back(smooth_picture(40, 40), Frame.whole(40, 40), np.zeros((3, 8, 8), np.float32), feather=feather)
    assert error.value.reason == "FEATHER_INVALID"


def test_a_rendering_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InvalidInput) as error:
        paste_back(smooth_picture(40, 40), Frame.whole(40, 40), np.full((3, 8, 8), np.nan, np.float32))
    assert error.value.reason == "IMAGE_NOT_FINITE"


@laws
@given(
    frames,
    st.sampled_from(["replace", "residual"]),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.sampled_from([None, 0.0, 1.0]),
)
def test_a_layer_over_an_opaque_picture_looks_like_the_pasted_picture(frame, mode, depth, dim) -> None:
    picture = smooth_picture(120, 90, depth)
    rng = np.random.default_rng(4)
    edited, plain = rng.uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    selection = None if dim is None else np.linspace(dim, 1, 120, dtype=np.float32) * np.ones((90, 1), np.float32)
    pasted = paste_back(picture, frame, edited, plain, mode, selection=selection)
    layer = unit(paste_back(picture, frame, edited, plain, mode, selection=selection, layer=True))
    alpha = layer[..., 3:]
    over = alpha * layer[..., :3] + (1 - alpha) * unit(picture)[..., :3]
    assert np.abs(over - unit(pasted)[..., :3]).max() <= 2.01 / 255


def test_a_layer_is_never_more_opaque_than_its_picture() -> None:
    pixels = smooth_picture(60, 60).pixels.copy()
    pixels[..., 3] = np.linspace(0, 255, 60).astype(np.uint8)
    edited = np.full((3, 16, 16), 0.5, np.float32)
    layer = paste_back(Picture(pixels), Frame.rectangle(10, 10, 40, 40), edited, layer=True).pixels
    assert (layer[..., 3] <= pixels[..., 3]).all()
    assert (layer[25:35, 45:50, 3] > 0).all()
