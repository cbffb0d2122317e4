"""Edits under way: progress, cancelling, and what may happen meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Painter, settle
from edits import Signals, embeds
from fake_daemon import FakeDaemon
from latentlayers.state.operations import (
    Embed,
    Morph,
    strip,
)
from latentlayers.state.studio import Studio
from latentlayers.wire import messages as pb


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
