"""The plugin's view of Krita: layers, pixels in every colour space, selections, results and their undo steps."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Painter, settle, until
from krita.pixels import CMYK, LINEAR, SRGB
from latentlayers import host
from latentlayers.host.pixels import Pixels, grey_pixels, packed, scaled
from latentlayers.qt import QtGui
from latentlayers.values import Bounds, Refused, View


def bgra(pixels: Pixels) -> np.ndarray:
    """Float, [height, width, 4]."""
    dtype = np.dtype("u1" if pixels.depth == "U8" else "<u2")
    samples = np.frombuffer(pixels.data, dtype).reshape(pixels.height, pixels.width, 4)
    return samples / np.iinfo(dtype).max


def red(side: int, depth: str = "U8") -> Pixels:
    dtype = np.dtype("u1" if depth == "U8" else "<u2")
    samples = np.ones((side, side, 4)) * np.array([0, 0, 1, 1]) * np.iinfo(dtype).max
    return Pixels(side, side, depth, samples.astype(dtype).tobytes())


def test_there_is_no_document_until_one_is_open(painter: Painter) -> None:
    assert host.active_document() is None
    assert host.open_documents() == []


def test_layers_are_listed_from_top_to_bottom_without_masks(painter: Painter) -> None:
    painter.open()
    painter.add_layer("below")
    group = painter.node(painter.add_layer("group", kind="grouplayer"))
    painter.add_layer("inner", parent=group)
    painter.add_layer("mask", kind="transparencymask", parent=group)
    listed = host.active_document().layers()
    assert [(info.name, info.depth) for info in listed] == [("group", 0), ("inner", 1), ("below", 0), ("Background", 0)]


def test_the_layer_of_an_active_mask_counts_as_active(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    mask = painter.add_layer("mask", kind="transparencymask", parent=painter.node(ada))
    document = host.active_document()
    painter.document.setActiveNode(painter.node(mask))
    assert document.active_layer().id == ada


def test_two_views_of_a_document_are_the_same_and_two_documents_are_not(painter: Painter) -> None:
    painter.open(name="a")
    a, again = host.active_document(), host.active_document()
    painter.open(name="b")
    assert host.same_document(a, again)
    assert not host.same_document(a, host.active_document())
    assert a.is_open


@pytest.mark.parametrize(
    ("model", "depth", "profile", "tolerance"),
    [
        ("RGBA", "U8", SRGB, 1 / 255),
        ("RGBA", "U16", SRGB, 1e-4),
        ("RGBA", "U16", LINEAR, 2e-3),
        ("RGBA", "F32", LINEAR, 1e-4),
        ("RGBA", "F16", LINEAR, 5e-3),
        ("CMYKA", "U8", CMYK, 1 / 255),
    ],
)
def test_any_colour_space_is_read_as_srgb_and_leaves_no_trace(
    painter: Painter, model: str, depth: str, profile: str, tolerance: float
) -> None:
    painter.open(model=model, depth=depth, profile=profile)
    ada = painter.add_layer(colour=(0.2, 0.4, 0.6, 1.0))
    read = host.active_document().read(ada, Bounds(0, 0, 64, 64), 2048)
    assert read.depth == ("U8" if depth == "U8" else "U16")
    np.testing.assert_allclose(bgra(read)[0, 63], (0.6, 0.4, 0.2, 1), atol=tolerance)
    assert painter.undo_steps == 0
    assert not painter.document.modified()
    assert len(painter.krita.documents()) == 1


@pytest.mark.parametrize("model", ["RGBA", "GRAYA"])
@pytest.mark.parametrize("depth", ["U8", "U16"])
def test_a_result_is_written_in_the_documents_own_colours(painter: Painter, model: str, depth: str) -> None:
    painter.open(model=model, depth=depth)
    ada, document = painter.add_layer(), host.active_document()
    made = document.insert_above(ada, "result", red(32, depth), Bounds(16, 16, 32, 32))
    node = painter.node(made)
    assert (node.colorModel(), node.colorDepth()) == (model, depth)
    pixel = painter.rgba(node)[20, 20]
    expected = (1, 0, 0, 1) if model == "RGBA" else (0.2126, 0.2126, 0.2126, 1)
    np.testing.assert_allclose(pixel, expected, atol=0.003)
    assert painter.undo_steps == 1
    assert painter.names[:2] == ["result", "Ada"]


def test_groups_and_layers_without_pixels_of_their_own_are_read_as_they_show(painter: Painter) -> None:
    painter.open()
    group = painter.add_layer("group", kind="grouplayer")
    painter.add_layer("low", parent=painter.node(group), colour=(1, 0, 0, 1))
    painter.add_layer("high", (0, 0, 32, 64), parent=painter.node(group), colour=(0, 1, 0, 1))
    vector = painter.add_layer("vector", kind="vectorlayer", colour=(0, 0, 1, 1))
    document = host.active_document()
    assert document.layer_bounds(group) == Bounds(0, 0, 64, 64)
    image = bgra(document.read(group, Bounds(0, 0, 64, 64), 2048))
    assert image[5, 31, 1] > 0.9  # green over red
    assert image[5, 63, 2] > 0.9
    assert bgra(document.read(vector, Bounds(0, 0, 64, 64), 2048))[5, 63, 0] > 0.9


def test_masks_of_a_layer_are_applied(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    painter.add_layer("mask", (0, 0, 32, 64), kind="transparencymask", parent=painter.node(ada))
    alpha = bgra(host.active_document().read(ada, Bounds(0, 0, 64, 64), 2048))[..., 3]
    assert alpha[0, 10] == 1
    assert alpha[0, 50] == 0


def test_what_lies_outside_the_canvas_does_not_count(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer(bounds=(-20, -30, 200, 200))
    document = host.active_document()
    assert document.layer_bounds(ada) == Bounds(0, 0, 64, 64)
    outside = painter.add_layer(bounds=(100, 100, 20, 20))
    assert document.layer_bounds(outside).is_empty
    assert document.layer_bounds(painter.add_layer(bounds=(0, 0, 0, 0))).is_empty


def test_pixels_travel_no_larger_than_asked_for(painter: Painter) -> None:
    painter.open(200)
    ada = painter.add_layer(bounds=(0, 0, 200, 100))
    read = host.active_document().read(ada, Bounds(0, 0, 200, 100), 50)
    assert (read.width, read.height) == (50, 25)
    np.testing.assert_allclose(bgra(read)[10, 49], (0.6, 0.4, 0.2, 1), atol=0.02)


def test_a_small_result_is_enlarged_to_its_place(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer()
    made = host.active_document().insert_above(ada, "result", red(16), Bounds(0, 0, 64, 64))
    assert painter.node(made).bounds().width() == 64


def test_a_selection_is_seen_unless_it_selects_everything_or_nothing_is_selected(painter: Painter) -> None:
    painter.open()
    document = host.active_document()
    assert document.selection_bounds() is None
    painter.select(0, 0, 64, 64)
    assert document.selection_bounds() is None
    painter.select(8, 16, 20, 24)
    assert document.selection_bounds() == Bounds(8, 16, 20, 24)
    painter.select(0, 0, 64, 64, value=128)  # everything, but only by half
    assert document.selection_bounds() == Bounds(0, 0, 64, 64)
    painter.select(0, 0, 0, 0)
    assert document.selection_bounds().is_empty


def test_the_selection_comes_as_a_mask_of_the_view(painter: Painter) -> None:
    painter.open()
    painter.select(0, 0, 16, 64)
    mask = host.active_document().selection_mask(View.of(Bounds(0, 0, 64, 64), 32))
    values = np.frombuffer(mask.data, np.uint8).reshape(32, 32)
    assert values[5, 3] == 255
    assert values[5, 20] == 0


def test_undo_takes_a_result_away_and_redo_brings_it_back_whole(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer()
    made = host.active_document().insert_above(ada, "result", red(64), Bounds(0, 0, 64, 64))
    before = painter.rgba(painter.node(made))
    painter.undo()
    assert painter.names == ["Ada", "Background"]
    painter.redo()
    np.testing.assert_array_equal(painter.rgba(painter.node(made)), before)


def test_a_group_of_results_goes_with_one_undo_step(painter: Painter) -> None:
    painter.open()
    ada, document = painter.add_layer(), host.active_document()
    children = [("one", red(64)), ("two", red(64)), ("three", red(64))]
    group = document.insert_group_above(ada, "strip", children, Bounds(0, 0, 64, 64), shown=1)
    assert painter.names == ["strip", "three", "two", "one", "Ada", "Background"]
    assert [painter.named(name).visible() for name in ("one", "two", "three")] == [False, True, False]
    assert painter.undo_steps == 1
    painter.undo()
    assert painter.names == ["Ada", "Background"]
    painter.redo()
    assert painter.names[0] == "strip"
    assert document.has_layer(group)


def test_the_edited_layer_is_active_again_once_krita_has_activated_the_result(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer()
    active = host.active_document().active_layer
    other = painter.document.createNode("by Krita alone", "paintlayer")
    painter.document.rootNode().addChildNode(other, None)
    until(lambda: active().name == "by Krita alone")
    host.active_document().insert_above(ada, "result", red(64), Bounds(0, 0, 64, 64))
    settle()
    assert active().id == ada


def test_a_layer_inside_a_group_gets_its_result_there(painter: Painter) -> None:
    painter.open()
    group = painter.node(painter.add_layer("group", kind="grouplayer"))
    ada = painter.add_layer("Ada", parent=group)
    painter.add_layer("top", parent=group)
    host.active_document().insert_above(ada, "result", red(64), Bounds(0, 0, 64, 64))
    assert painter.names == ["group", "top", "result", "Ada", "Background"]


def test_what_is_gone_is_refused_in_words(painter: Painter) -> None:
    painter.open()
    ada, document = painter.add_layer(), host.active_document()
    painter.node(ada).remove()
    assert not document.has_layer(ada)
    with pytest.raises(Refused, match="no longer there"):
        document.layer(ada)
    painter.document.close()
    assert not document.is_open
    with pytest.raises(Refused, match="document was closed"):
        document.insert_above(ada, "result", red(64), Bounds(0, 0, 64, 64))


def test_a_profile_that_krita_lacks_is_named(painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer()
    store = painter.node(ada)._thing.store
    store.space = store.space._replace(profile="Camera")
    with pytest.raises(Refused, match="Camera"):
        host.active_document().read(ada, Bounds(0, 0, 64, 64), 2048)


def test_annotations_are_kept_and_a_missing_one_is_empty(painter: Painter) -> None:
    painter.open()
    document = host.active_document()
    assert document.annotation("latentlayers") == b""
    document.set_annotation("latentlayers", b"\x00kept\xff")
    assert document.annotation("latentlayers") == b"\x00kept\xff"


def test_settings_are_kept_and_messages_are_shown_over_the_canvas(painter: Painter) -> None:
    host.show_message("before there is a window")
    painter.krita.new_window()
    painter.open()
    host.show_message("hello")
    assert painter.krita.messages == ["hello"]
    assert host.read_setting() == ""
    host.write_setting("{}")
    assert host.read_setting() == "{}"


@pytest.mark.parametrize("width", [1, 3, 5, 64])
def test_rows_are_packed_without_qts_padding(width: int) -> None:
    data = bytes(range(2 * width))
    mask = grey_pixels(data, Bounds(0, 0, width, 2))
    wide = scaled(scaled(mask, width * 4, 8), width, 2)
    assert len(wide.data) == 2 * width
    image = QtGui.QImage(data, width, 2, width, QtGui.QImage.Format.Format_Grayscale8).copy()
    assert packed(image, width) == data


def test_eight_and_sixteen_bits_hold_the_same_picture() -> None:
    samples = np.random.default_rng(1).integers(0, 256, (6, 7, 4), np.uint8)
    samples[..., 3] = 255
    eight = Pixels(7, 6, "U8", samples.tobytes())
    sixteen = eight.with_depth("U16")
    np.testing.assert_array_equal(np.frombuffer(sixteen.data, "<u2").reshape(6, 7, 4), samples.astype("<u2") * 257)
    assert sixteen.with_depth("U8") == eight
    assert eight.image().pixelColor(3, 2).blue() == samples[2, 3, 0]
    assert sixteen.image().pixelColor(3, 2).blue() == samples[2, 3, 0]


def test_pixels_of_the_wrong_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="are not"):
        Pixels(2, 2, "U8", b"short")
