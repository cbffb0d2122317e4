"""Pictures that follow a slider, and the library of embeddings."""

from __future__ import annotations

import pytest
from conftest import Painter, settle, until
from edits import Signals, edit, embeds
from fake_daemon import DIGEST, RESOLUTION, FakeDaemon, weights
from latentlayers import host
from latentlayers.state.operations import (
    Expression,
    Morph,
    Render,
)
from latentlayers.state.shelf import Shelf
from latentlayers.state.studio import Studio
from latentlayers.wire import messages as pb

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
    entry = pb.Embedding(id="abc", name="Rosa", model="portraits-128", model_digest=DIGEST)
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
