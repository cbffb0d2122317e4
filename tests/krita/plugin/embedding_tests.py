"""What is sent of a layer, where it lies, and when it is embedded again."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Painter
from edits import edit, embeds
from fake_daemon import MODEL, FakeDaemon, latent
from latentlayers import host
from latentlayers.state.edit import Settings
from latentlayers.state.operations import (
    Embed,
    Inpaint,
    Morph,
    Render,
)
from latentlayers.state.studio import Studio
from latentlayers.wire import messages as pb

# Embedding


def test_an_embedded_layer_comes_back_as_a_layer_above_it(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    job = edit(studio, daemon, Embed())
    assert painter.names == ["Ada (embedded)", "Ada", "Background"]
    np.testing.assert_allclose(painter.rgba(painter.named("Ada (embedded)"))[30, 30], (1, 0, 0, 1))
    assert painter.undo_steps == 1
    assert host.active_document().active_layer().name == "Ada"
    assert job.deed.title == "Ada (embedded)"


def test_the_request_says_all_that_the_settings_say(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    studio.set(model="portraits-128", preset="best", paste="replace")
    studio.apply(Morph(painter.add_layer("Ben")))
    painter.document.setActiveNode(painter.named("Ada"))
    studio.jobs.cancel_all()
    studio.apply(Morph(host.active_document().layers()[0].id))
    request = daemon.edits[-1].request
    assert (request.embed.model, request.embed.preset) == ("portraits-128", "best")
    assert request.output.paste == pb.PASTE_MODE_REPLACE
    assert request.output.layer
    assert request.a.picture.name == "Ada"
    studio.jobs.cancel()
    studio.set(paste="residual")
    studio.apply(Morph(host.active_document().layers()[0].id))
    assert daemon.edits[-1].request.output.paste == pb.PASTE_MODE_RESIDUAL


def test_settings_are_remembered_and_damaged_ones_are_the_defaults(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    studio.set(preset="best")
    assert Studio(host, daemon, pb).settings == Settings(preset="best")
    for text in ("[]", "nonsense", '{"other": 1}', "null"):
        host.write_setting(text)
        assert Studio(host, daemon, pb).settings == Settings()


def test_a_second_edit_sends_the_code_and_embeds_nothing(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    edit(studio, daemon, Render())
    source = daemon.last.request.source.picture
    assert source.latent == latent(1.0)
    assert source.picture.raw.width == 64  # pixels to paste into travel all the same
    assert embeds(daemon.last) == []


def test_changed_pixels_are_embedded_again(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    painter.node(ada).setPixelData(bytes(4), 10, 10, 1, 1)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]


def test_a_layer_that_was_painted_on_keeps_the_place_of_its_face(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    painter.select(8, 8, 20, 20)
    edit(studio, daemon, Embed())
    framed = daemon.last.request.source
    painter.document.setSelection(None)
    painter.node(ada).setPixelData(bytes(4), 10, 10, 1, 1)
    edit(studio, daemon, Render())
    source = daemon.last.request.source.picture
    assert embeds(daemon.last) == ["source"]
    assert source.frame == framed.frame
    assert source.picture.raw.width == framed.picture.raw.width


def test_a_layer_that_was_moved_or_cropped_is_embedded_again(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    ada = painter.add_layer("Ada", (0, 0, 40, 40))
    edit(studio, daemon, Embed())
    painter.node(ada).move(10, 10)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]
    painter.document._thing.width = 45
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]


def test_another_models_code_does_not_count(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    other = pb.Model(name="cats", digest="c" * 64)
    daemon.tell_models(MODEL, other)
    painter.open()
    painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    studio.set(model="cats")
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]


def test_without_the_docker_the_model_is_asked_for_first(daemon: FakeDaemon, painter: Painter) -> None:
    studio = Studio(host, daemon, pb)
    painter.open()
    painter.add_layer("Ada")
    job = studio.apply(Embed())
    assert [call.name for call in daemon.calls] == ["ListModels"]
    assert job.progress.phase == "connecting"
    daemon.last.deliver(pb.ListModelsResponse(models=[MODEL], default_model=MODEL.name))
    daemon.last.finish(None)
    daemon.last.serve()
    assert job.state == "done"
    studio.apply(Render())
    assert [call.name for call in daemon.calls] == ["ListModels", "Embed", "Render"]


def test_an_edit_that_cannot_connect_fails_with_the_reason(daemon: FakeDaemon, painter: Painter) -> None:
    studio = Studio(host, daemon, pb)
    painter.open()
    painter.add_layer("Ada")
    job = studio.apply(Embed())
    daemon.last.fail("DAEMON_UNREACHABLE", "The daemon cannot be reached.", "Start it.")
    assert (job.state, job.error.reason) == ("failed", "DAEMON_UNREACHABLE")


# Where


def test_the_selection_is_the_square_and_limits_the_result(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open(200)
    painter.add_layer("Ada", (0, 0, 200, 200))
    painter.select(50, 60, 80, 40)
    edit(studio, daemon, Embed())
    request = daemon.last.request
    raw, frame = request.source.picture.raw, request.source.frame.affine
    assert (raw.width, raw.height) == (96, 96)  # the square around it and a tenth on every side
    assert (frame.xu, frame.x0, frame.y0) == (80, 8, 8)
    mask = np.frombuffer(request.output.selection.raw.data, np.uint8).reshape(96, 96)
    assert (mask[28:68, 8:88] == 255).all()
    assert mask.sum() == 255 * 80 * 40
    bounds = painter.named("Ada (embedded)").bounds()
    assert (bounds.x(), bounds.y(), bounds.width()) == (42, 32, 96)


def test_another_selection_is_another_square(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open(200)
    painter.add_layer("Ada", (0, 0, 200, 200))
    painter.select(50, 60, 80, 80)
    edit(studio, daemon, Embed())
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == []
    painter.document.setSelection(None)
    edit(studio, daemon, Render())  # it stays where it was embedded
    assert embeds(daemon.last) == []
    painter.select(20, 20, 80, 80)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]


def test_without_a_selection_the_daemon_finds_the_square(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    studio.apply(Embed())
    assert not daemon.last.request.source.HasField("frame")


def test_a_huge_layer_travels_in_parts_and_small(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open(2100)
    painter.add_layer("Ada", (-50, -50, 2200, 2200))
    edit(studio, daemon, Embed())
    assert daemon.last.request.source.picture.raw.width == 2048
    assert painter.named("Ada (embedded)").bounds().width() == 2100
    studio.apply(Morph(painter.add_layer("Ben", (0, 0, 2100, 2100))))
    assert studio.jobs.current is None  # Ben is the active layer, and refused
    painter.document.setActiveNode(painter.named("Ada"))
    studio.apply(Morph(host.active_document().layers()[0].id))
    assert daemon.last.request.b.picture.picture.raw.width == 1024


@pytest.mark.parametrize(
    ("model", "depth", "form"),
    [
        ("RGBA", "U16", pb.PIXEL_FORMAT_BGRA16),
        ("RGBA", "F32", pb.PIXEL_FORMAT_BGRA16),
        ("GRAYA", "U8", pb.PIXEL_FORMAT_BGRA8),
        ("GRAYA", "U16", pb.PIXEL_FORMAT_BGRA16),
    ],
)
def test_documents_of_other_colours_get_results_of_theirs(
    studio: Studio, daemon: FakeDaemon, painter: Painter, model: str, depth: str, form: int
) -> None:
    painter.open(model=model, depth=depth)
    painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    assert daemon.last.request.source.picture.raw.format == daemon.last.request.output.format == form
    result = painter.named("Ada (embedded)")
    assert (result.colorModel(), result.colorDepth()) == (model, depth)
    red = (1, 0, 0, 1) if model == "RGBA" else (0.2126, 0.2126, 0.2126, 1)
    np.testing.assert_allclose(painter.rgba(result)[30, 30], red, atol=0.003)
    assert painter.undo_steps == 1


# Inpainting


def test_inpainting_hides_the_selection_from_the_model_and_shows_the_result_only_there(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    painter.select(8, 8, 16, 16)
    edit(studio, daemon, Inpaint())
    request = daemon.last.request
    view = request.source.picture.raw
    assert (view.width, view.height) == (64, 64)  # where the layer was embedded, and not where the selection is
    hidden = np.frombuffer(request.source.mask.raw.data, np.uint8).reshape(64, 64)
    shown = np.frombuffer(request.output.selection.raw.data, np.uint8).reshape(64, 64)
    assert (hidden[8:24, 8:24] == 0).all()
    assert (hidden == 255 - shown).all()
    assert hidden.mean() > 200
    assert request.output.paste == pb.PASTE_MODE_REPLACE
    assert not request.source.HasField("latent")
    assert painter.names[0] == "Ada (inpainted)"


def test_a_code_found_for_an_inpainting_is_not_the_layers(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    painter.select(8, 8, 16, 16)
    edit(studio, daemon, Inpaint())
    edit(studio, daemon, Inpaint())
    assert not daemon.last.request.source.HasField("latent")
    painter.document.setSelection(None)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]


def test_inpainting_needs_a_selection(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    job = studio.apply(Inpaint())
    assert job is not None
    assert job.state == "failed"
    assert job.error.message == "Nothing is selected."
    assert not daemon.edits
