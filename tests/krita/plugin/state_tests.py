"""Edits from the wish to the layers, what the document remembers, previews and the library, with a scripted daemon."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import Painter, settle, until
from fake_daemon import DIGEST, MODEL, RESOLUTION, FakeCall, FakeDaemon, latent, sources, weights
from latentlayers import host
from latentlayers.state import memory as memory_module
from latentlayers.state.edit import Job, Settings
from latentlayers.state.memory import KEY, Code, Deed, Memory
from latentlayers.state.operations import (
    Crossover,
    Direction,
    Embed,
    Expression,
    Morph,
    Operation,
    Render,
    operation_from_json,
    strip,
)
from latentlayers.state.shelf import Shelf
from latentlayers.state.studio import Studio
from latentlayers.values import Bounds, Square, View
from latentlayers.wire import messages as pb


class Signals:
    """What signals brought, in order."""

    def __init__(self, *signals: Any) -> None:
        self.seen: list[Any] = []
        for signal in signals:
            signal.connect(self.seen.append)


def edit(studio: Studio, daemon: FakeDaemon, operation: Operation) -> Job:
    """Has an edit of the active layer done."""
    job = studio.apply(operation)
    assert job is not None
    if job.active:
        daemon.last.serve()
        settle()  # until the edited layer is the active one again
    assert job.state == "done", job.error
    return job


def embeds(call: FakeCall) -> list[str]:
    """The roles that a call has the daemon embed."""
    return [
        role
        for role, source in sources(call.request).items()
        if source.WhichOneof("source") == "picture" and not source.picture.HasField("latent")
    ]


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
    studio.set(model="portraits-64", preset="best", paste="replace")
    studio.apply(Morph(painter.add_layer("Ben")))
    painter.document.setActiveNode(painter.named("Ada"))
    studio.jobs.cancel_all()
    studio.apply(Morph(host.active_document().layers()[0].id))
    request = daemon.edits[-1].request
    assert (request.embed.model, request.embed.preset) == ("portraits-64", "best")
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
    painter.open(2500)
    painter.add_layer("Ada", (-100, -100, 3000, 3000))
    edit(studio, daemon, Embed())
    assert daemon.last.request.source.picture.raw.width == 2048
    assert painter.named("Ada (embedded)").bounds().width() == 2500
    studio.apply(Morph(painter.add_layer("Ben", (0, 0, 2500, 2500))))
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


# The operations


def test_a_morph_is_a_group_that_ends_exactly_at_both_layers(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    ben = painter.add_layer("Ben")
    painter.add_layer("Ada")
    edit(studio, daemon, Morph(ben, strip(0.0, 1.0, 5)))
    request = daemon.last.request
    assert list(request.weights.values) == [1, 0.75, 0.5, 0.25, 0]
    assert painter.names[:7] == [
        "Ada → Ben 0 % to 100 %",
        "Ben 100 %",
        "Ben 75 %",
        "Ben 50 %",
        "Ben 25 %",
        "Ben 0 %",
        "Ada",
    ]
    assert request.b.picture.HasField("picture")
    edit(studio, daemon, Morph(ben, (0.3,)))
    assert daemon.last.request.b.WhichOneof("source") == "latent"
    assert painter.names[:2] == ["Ada → Ben 30 %", "Ada → Ben 0 % to 100 %"]  # not hidden below the earlier result


@pytest.mark.parametrize(("first", "last"), [(0.0, 1.0), (-0.3, 0.3), (0.1, 0.7), (2.9, -1.1)])
@pytest.mark.parametrize("count", [2, 3, 7, 30])
def test_strips_begin_and_end_exactly_where_they_should(first: float, last: float, count: int) -> None:
    made = strip(first, last, count)
    assert len(made) == count
    assert (made[0], made[-1]) == (first, last)
    np.testing.assert_allclose(np.diff(made), (last - first) / (count - 1))


def test_style_comes_from_the_rows_that_were_chosen(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ben = painter.add_layer("Ben")
    painter.add_layer("Ada")
    edit(studio, daemon, Crossover(ben, "coarse+fine", 0.5))
    assert daemon.last.request.rows == "coarse:0.5+fine:0.5"
    assert "Ada × Ben (coarse+fine)" in painter.names
    edit(studio, daemon, Crossover(ben))
    assert daemon.last.request.rows == ""


def test_an_expression_is_sought_near_the_neutral_face_and_kept_apart(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    neutral, smile = painter.add_layer("Neutral"), painter.add_layer("Smile")
    painter.add_layer("Ada")
    job = edit(studio, daemon, Expression(neutral, smile, (0.5, 1.0)))
    assert embeds(daemon.last) == ["target", "neutral", "expressive"]
    assert painter.names[0] == "Ada + expression of Smile 50 % to 100 %"
    assert painter.names[1:3] == ["Smile 100 %", "Smile 50 %"]
    edit(studio, daemon, Expression(neutral, smile))
    assert embeds(daemon.last) == []
    assert daemon.last.request.expressive.latent == latent(3.0)
    # As a layer of its own, Smile has no code yet: the one near Neutral is no likeness of it.
    painter.document.setActiveNode(painter.named("Smile"))
    edit(studio, daemon, Embed())
    assert embeds(daemon.last) == ["source"]
    # With another neutral face the expressive one is sought again.
    painter.document.setActiveNode(painter.named("Ada"))
    painter.named("Neutral").setPixelData(bytes(4), 0, 0, 1, 1)
    edit(studio, daemon, Expression(neutral, smile))
    assert embeds(daemon.last) == ["neutral", "expressive"]
    assert job.state == "done"


def test_the_edited_layer_may_be_the_neutral_face(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open(200)
    smile = painter.add_layer("Smile", (0, 0, 200, 200))
    ada = painter.add_layer("Ada", (0, 0, 200, 200))
    painter.select(20, 20, 100, 100)
    edit(studio, daemon, Expression(ada, smile))
    assert daemon.last.request.target.picture.frame == daemon.last.request.neutral.picture.frame
    edit(studio, daemon, Expression(ada, smile))
    assert embeds(daemon.last) == []


def test_a_direction_and_its_strip(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    edit(studio, daemon, Direction("smile", (1.5,)))
    assert painter.names[0] == "Ada, smile +1.5"
    edit(studio, daemon, Direction("smile", strip(-1.0, 1.0, 3)))
    assert painter.names[0:4] == ["Ada, smile -1 to +1", "smile +1", "smile +0", "smile -1"]


@pytest.mark.parametrize(
    "operation",
    [Embed(), Render(0.7), Morph("b", (0.1, 0.9)), Crossover("s", "5-9"), Expression("n", "e"), Direction("age")],
)
def test_operations_survive_the_way_through_json(operation: Operation) -> None:
    assert operation_from_json(json.loads(json.dumps(operation.to_json()))) == operation


@pytest.mark.parametrize("data", [{}, {"kind": "unknown"}, {"kind": "morph"}, {"kind": "embed", "more": 1}])
def test_what_is_no_operation_is_an_error(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an operation"):
        operation_from_json(data)


# What is refused


def test_refusals_are_plain_sentences_with_a_remedy(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    refused = Signals(studio.refused)
    assert studio.apply(Embed()) is None
    painter.open()
    ada = painter.add_layer("Ada")
    studio.apply(Morph(ada))
    studio.apply(Expression(ada, ada))
    painter.document._thing.active = None
    studio.apply(Embed())
    assert [refusal.message for refusal in refused.seen] == [
        "No document is open.",
        "A layer cannot be edited with itself.",
        "The neutral and the expressive face are the same layer.",
        "No layer is active.",
    ]
    assert all(refusal.remedy for refusal in refused.seen)
    assert daemon.edits == []


def test_an_empty_layer_and_an_empty_selection_are_refused(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    job = studio.apply(Embed())
    assert (job.state, str(job.error)) == ("failed", "The layer Background is empty.")
    painter.add_layer("Ada", (0, 0, 20, 20))
    for selection in ((0, 0, 0, 0), (40, 40, 20, 20)):
        painter.select(*selection)
        job = studio.apply(Embed())
        assert (job.state, str(job.error)) == ("failed", "There is nothing of the layer Ada in the selection.")
    assert daemon.edits == []


# What happens meanwhile


def test_progress_is_told_with_phase_layer_and_share(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ben = painter.add_layer("Ben")
    painter.add_layer("Ada")
    job = studio.apply(Morph(ben, strip(0.0, 1.0, 2)))
    call, shares = daemon.last, []
    studio.jobs.changed.connect(lambda job: shares.append((job.progress.phase, job.progress.share)))
    call.progress(phase=pb.PHASE_QUEUED, step=2)
    call.progress(phase=pb.PHASE_LOADING)
    call.progress(phase=pb.PHASE_EMBEDDING, role="a", step=5, total=10, eta_seconds=3)
    assert (job.progress.subject, job.progress.eta) == ("Ada", 3)
    call.embedded("a")
    call.progress(phase=pb.PHASE_EMBEDDING, role="b", step=5, total=10)
    assert job.progress.subject == "Ben"
    call.embedded("b")
    call.image(0)
    call.image(1)
    assert list(dict.fromkeys(shares)) == [
        ("waiting", -1),
        ("loading", -1),
        ("embedding", 0.25),
        ("embedding", 0.75),
        ("drawing", 0.5),
        ("drawing", 1),
    ]


def test_edits_wait_for_each_other_and_each_is_cancelled_alone(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    painter.add_layer("Ada")
    ended = Signals(studio.jobs.ended)
    first, second, third = (studio.apply(Embed()) for _ in range(3))
    assert [job.state for job in (first, second, third)] == ["running", "queued", "queued"]
    assert studio.jobs.waiting == 2
    studio.jobs.cancel()
    assert daemon.edits[0].cancelled
    assert second.state == "running"
    settle()  # the cancelled call's own end comes later, and is not the second one's
    assert second.state == "running"
    studio.jobs.cancel_all()
    assert [job.state for job in ended.seen] == ["cancelled"] * 3
    assert daemon.open_calls == daemon.named("WatchModels")
    assert painter.names == ["Ada", "Background"]


def test_what_was_embedded_before_the_cancel_is_kept(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ben = painter.add_layer("Ben")
    painter.add_layer("Ada")
    studio.apply(Morph(ben))
    daemon.last.embedded("a")
    studio.jobs.cancel()
    studio.apply(Morph(ben))
    assert embeds(daemon.last) == ["b"]


def test_a_failure_is_told_and_the_next_edit_begins(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    first, second = studio.apply(Embed()), studio.apply(Embed())
    daemon.last.fail()
    assert (first.state, first.error.reason, first.error.remedy) == ("failed", "WORKER_DIED", "Try again.")
    assert second.state == "running"


def test_a_layer_deleted_meanwhile_loses_nothing(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    painter.add_layer("top")
    painter.document.setActiveNode(painter.node(ada))
    job = studio.apply(Embed())
    painter.node(ada).remove()
    daemon.last.serve()
    settle()
    assert job.state == "done"
    assert painter.names == ["Ada (embedded)", "top", "Background"]


def test_a_document_closed_meanwhile_ends_the_edit_with_a_sentence(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    painter.add_layer("Ada")
    job, call = studio.apply(Embed()), daemon.last
    call.progress(phase=pb.PHASE_EMBEDDING, step=1, total=2)
    painter.document.close()
    painter.open(name="another")
    call.serve()
    settle()
    assert (job.state, str(job.error)) == ("failed", "The document was closed.")
    assert painter.names == ["Background"]


def test_the_result_goes_to_the_document_that_was_edited(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    first = painter.open(name="first")
    painter.add_layer("Ada")
    studio.apply(Embed())
    painter.open(name="second")
    daemon.last.serve()
    assert painter.names == ["Background"]
    painter.krita.show(first)
    assert painter.names[0] == "Ada (embedded)"


@pytest.mark.parametrize(
    "answer",
    [
        lambda call: call.deliver(
            pb.EditEvent(image=pb.Image(picture=pb.Picture(raw=pb.RawPixels(width=3, height=1))))
        ),
        lambda call: call.finish(None),
        lambda call: call.deliver(None),
    ],
)
def test_nonsense_from_the_daemon_ends_the_edit_and_only_it(
    studio: Studio, daemon: FakeDaemon, painter: Painter, answer: Any
) -> None:
    painter.open()
    painter.add_layer("Ada")
    first, second = studio.apply(Embed()), studio.apply(Embed())
    answer(daemon.last)
    assert first.state == "failed"
    assert second.state == "running"
    daemon.last.serve()
    assert second.state == "done"


def test_quitting_ends_the_connection(studio: Studio, daemon: FakeDaemon) -> None:
    studio.close()
    assert daemon.closed


# Memory


def test_a_file_opened_again_goes_on_without_embedding(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    document = painter.open()
    ada = painter.add_layer("Ada")
    painter.add_layer("Ben")
    painter.document.setActiveNode(painter.node(ada))
    edit(studio, daemon, Embed())
    document.close()
    painter.copy_of(document)
    elsewhere = Studio(host, daemon, pb)
    elsewhere.attach()
    daemon.tell_models()
    painter.document.setActiveNode(painter.node(ada))
    edit(elsewhere, daemon, Render())
    assert embeds(daemon.last) == []
    history = elsewhere.memories.of(host.active_document()).history
    assert [deed.title for deed in history] == ["Ada (drawn by the model)", "Ada (embedded)"]


def test_a_duplicated_document_has_a_memory_of_its_own(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    document = painter.open()
    ada = painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    copy = painter.copy_of(document)
    painter.document.setActiveNode(painter.node(ada))
    painter.node(ada).setPixelData(bytes(4), 0, 0, 1, 1)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]
    memories = [studio.memories.of(document) for document in host.open_documents()]
    assert [len(memory.history) for memory in memories] == [1, 2]
    painter.krita.show(document)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == []
    assert copy != document


def test_a_model_that_is_not_here_is_named(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    edit(studio, daemon, Embed())
    assert studio.missing_model() == ""
    daemon.tell_models(pb.Model(name="cats", digest="c" * 64))
    assert studio.missing_model() == "portraits-64"


def deed(name: str, starred: bool = False, thumbnail: bytes = b"") -> Deed:
    return Deed(name, "layer", "result", name, Embed(), "", 1.0, thumbnail, starred)


def code(key: str, numbers: int = 80) -> Code:
    square, view = Square.upright(0, 0, 64), View(Bounds(0, 0, 64, 64), 64, 64)
    return Code(key, "portraits-64", DIGEST, 1, numbers, bytes(4 * numbers), square, view, "fingerprint")


def test_history_keeps_the_newest_and_those_with_a_star() -> None:
    memory = Memory()
    memory.add(deed("old", starred=True))
    for number in range(memory_module.MOST_HISTORY + 5):
        memory.add(deed(str(number)))
    assert len(memory.history) == memory_module.MOST_HISTORY + 1
    assert memory.history[-1].id == "old"
    assert memory.history[-2].id == "5"
    memory.star("old", False)
    memory.add(deed("new"))
    assert "old" not in [old.id for old in memory.history]
    memory.forget("new")
    assert memory.history[0].id != "new"


def test_what_is_stored_is_bounded_and_the_least_important_goes_first() -> None:
    memory = Memory()
    big = memory_module.MOST_BYTES // 10
    for number in range(3):
        memory.remember(code(f"code {number}", big // 4))
    memory.add(deed("old"))
    memory.add(deed("starred", True, bytes(big)))
    for number in range(6):
        memory.add(deed(str(number), thumbnail=bytes(big)))
    data = memory.to_bytes()
    assert len(data) <= memory_module.MOST_BYTES
    kept = Memory.from_bytes(data)
    assert kept.history[0].id == "5"
    assert kept.history[-1].id == "starred"
    assert all(kept.code(f"code {number}") for number in range(3))
    for number in range(3, 12):
        memory.remember(code(f"code {number}", big // 4))
    kept = Memory.from_bytes(memory.to_bytes())
    assert kept.history == []
    assert kept.code("code 0") is None
    assert kept.code("code 11") is not None


def test_memory_survives_the_way_through_the_file() -> None:
    memory = Memory()
    memory.remember(code("a"))
    memory.add(deed("é → 顔", True, b"png"))
    again = Memory.from_bytes(memory.to_bytes())
    assert again.code("a") == code("a")
    assert again.history == memory.history


GOOD_CODE, GOOD_DEED = code("good").to_json(), deed("good").to_json()


@pytest.mark.parametrize(
    "damage",
    [
        {"rows": 2},
        {"rows": "1e9"},
        {"values": "not base64!"},
        {"square": [1, 2]},
        {"square": [float("nan")] * 6},
        {"square": [1e999] * 6},
        {"view": [0, 0, 0, 0, 0, 0]},
        {"view": [0, 0, float("inf"), 1, 1, 1]},
        {"psnr": "much"},
        {"rows": None},
    ],
)
def test_a_damaged_code_is_left_out(damage: dict[str, Any]) -> None:
    stored = json.dumps({"version": 1, "codes": [{**GOOD_CODE, **damage, "key": "bad"}, GOOD_CODE], "history": []})
    memory = Memory.from_bytes(stored.encode())
    assert memory.code("bad") is None
    assert memory.code("good") == code("good")


@pytest.mark.parametrize("damage", [{"operation": 3}, {"thumbnail": 5}, {"when": "then"}, {"operation": {"kind": "x"}}])
def test_a_damaged_deed_is_left_out(damage: dict[str, Any]) -> None:
    stored = json.dumps({"history": [{**GOOD_DEED, **damage}, GOOD_DEED, None, {}]})
    assert [old.id for old in Memory.from_bytes(stored.encode()).history] == ["good"]


def test_fields_of_a_newer_plugin_are_left_out() -> None:
    stored = json.dumps({"version": 2, "more": 1, "codes": [{**GOOD_CODE, "new": 1}], "history": []})
    assert Memory.from_bytes(stored.encode()).code("good") == code("good")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[]", b"null", b"3", b'{"codes": 3}', b"[" * 100000, b""])
def test_damaged_memory_is_empty(data: bytes, studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    painter.add_layer("Ada")
    host.active_document().set_annotation(KEY, data)
    assert studio.memories.of(host.active_document()).history == []
    edit(studio, daemon, Embed())


def test_a_code_with_an_absurd_view_is_not_used(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    absurd = replace(code(ada), view=View(Bounds(0, 0, 10**9, 10**9), 10**9, 10**9))
    memory = Memory()
    memory.remember(absurd)
    host.active_document().set_annotation(KEY, memory.to_bytes())
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == ["source"]


# Again


def test_an_edit_of_the_history_is_done_again_to_its_own_layer(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    refused = Signals(studio.refused)
    painter.open()
    ada = painter.add_layer("Ada")
    job = edit(studio, daemon, Direction("smile", (0.5,)))
    painter.add_layer("Ben")
    studio.apply_again(job.deed)
    daemon.last.serve()
    settle()
    assert painter.names == ["Ben", "Ada, smile +0.5", "Ada, smile +0.5", "Ada", "Background"]
    painter.node(ada).remove()
    assert studio.apply_again(job.deed) is None
    assert "no longer there" in str(refused.seen[0])


# Previews


@pytest.fixture
def embedded(studio: Studio, daemon: FakeDaemon, painter: Painter) -> tuple[str, str]:
    """Ids of two layers that have been embedded, Ada active."""
    painter.open()
    ben = painter.add_layer("Ben")
    ada = painter.add_layer("Ada")
    edit(studio, daemon, Morph(ben))
    return ada, ben


def test_a_preview_sends_codes_only_and_the_newest_wish_wins(
    studio: Studio, daemon: FakeDaemon, embedded: tuple[str, str]
) -> None:
    pictures = Signals(studio.live.picture)
    before = len(daemon.edits)
    for amount in (0.1, 0.2, 0.3):
        studio.preview(Morph(embedded[1], (amount,)))
    assert len(daemon.edits) == before + 1  # one at a time
    daemon.last.serve()
    assert len(daemon.edits) == before + 2
    request = daemon.last.request
    assert weights(request) == [1 - 0.3]  # 0.2 was skipped
    assert request.a.WhichOneof("source") == request.b.WhichOneof("source") == "latent"
    assert request.latest_wins_key
    daemon.last.serve()
    assert [(raw.width, raw.height) for raw in pictures.seen] == [(RESOLUTION, RESOLUTION)] * 2
    studio.preview(Morph(embedded[1], (0.3,)))  # known already
    assert len(daemon.edits) == before + 2
    assert len(pictures.seen) == 3


def test_a_preview_of_what_was_never_embedded_says_so(studio: Studio, daemon: FakeDaemon, painter: Painter) -> None:
    said = Signals(studio.live.unavailable)
    painter.open()
    ben = painter.add_layer("Ben")
    painter.add_layer("Ada")
    studio.preview(Morph(ben))
    assert "embedded" in said.seen[0]
    assert daemon.edits == []


def test_an_expressions_preview_works_once_it_was_applied(
    studio: Studio, daemon: FakeDaemon, painter: Painter, embedded: tuple[str, str]
) -> None:
    said = Signals(studio.live.unavailable)
    smile = painter.add_layer("Smile")
    painter.document.setActiveNode(painter.node(embedded[0]))
    studio.preview(Expression(embedded[1], smile))
    assert len(said.seen) == 1
    edit(studio, daemon, Expression(embedded[1], smile))
    studio.preview(Expression(embedded[1], smile, (0.4,)))
    assert weights(daemon.last.request) == pytest.approx([0.4])
    assert len(said.seen) == 1


def test_a_preview_that_fails_says_why_and_one_that_was_superseded_does_not(
    studio: Studio, daemon: FakeDaemon, embedded: tuple[str, str]
) -> None:
    said = Signals(studio.live.unavailable)
    studio.preview(Morph(embedded[1], (0.1,)))
    daemon.last.fail("SUPERSEDED", "A newer one came.")
    studio.preview(Morph(embedded[1], (0.1,)))
    daemon.last.fail("WORKER_DIED", "The worker died.")
    assert said.seen == ["The worker died."]


def test_nothing_is_asked_of_the_daemon_once_the_last_widget_is_hidden(
    studio: Studio, daemon: FakeDaemon, embedded: tuple[str, str]
) -> None:
    studio.attach()
    studio.preview(Morph(embedded[1], (0.1,)))
    studio.detach()
    assert len(daemon.open_calls) == 2
    studio.detach()
    settle()
    assert daemon.open_calls == []


def test_models_are_followed_again_after_the_daemon_was_lost(studio: Studio, daemon: FakeDaemon) -> None:
    daemon.last.fail("DAEMON_LOST")
    daemon.become("failed", "It is gone.")
    daemon.become("connected")
    assert len(daemon.named("WatchModels")) == 2


# The library


def test_an_entry_of_the_library_becomes_a_layer_that_can_be_edited_at_once(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    painter.open()
    ada = painter.add_layer("Ada")
    shelf = Shelf(daemon, pb, studio.memories)
    shelf.load()
    entry = pb.Embedding(id="abc", name="Rosa", model="portraits-64", model_digest=DIGEST)
    daemon.last.deliver(pb.ListEmbeddingsResponse(embeddings=[entry]))
    painter.select(10, 10, 40, 30)
    shelf.insert(shelf.entries[0], host.active_document(), ada)
    daemon.last.serve()
    rosa = painter.named("Rosa")
    assert painter.names == ["Rosa", "Ada", "Background"]
    assert (rosa.bounds().x(), rosa.bounds().width()) == (15, 30)
    painter.document.setSelection(None)
    until(lambda: host.active_document().active_layer().name == "Ada")
    settle()
    painter.document.setActiveNode(rosa)
    edit(studio, daemon, Render())
    assert embeds(daemon.last) == []


def test_the_library_is_listed_in_pages_and_a_deleted_entry_goes(
    studio: Studio, daemon: FakeDaemon, painter: Painter
) -> None:
    shelf = Shelf(daemon, pb, studio.memories)
    shelf.load()
    daemon.last.deliver(pb.ListEmbeddingsResponse(embeddings=[pb.Embedding(id="a")], next_page_token="more"))
    assert daemon.last.request.page_token == "more"
    daemon.last.deliver(pb.ListEmbeddingsResponse(embeddings=[pb.Embedding(id="b")]))
    assert [entry.id for entry in shelf.entries] == ["a", "b"]
    shelf.delete(shelf.entries[0])
    assert daemon.last.request.id == "a"
    daemon.last.finish(None)
    assert daemon.last.name == "ListEmbeddings"
    assert shelf.entries == []
