"""The operations: their requests and names, what is refused, and doing one again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from conftest import Painter, settle
from edits import Signals, edit, embeds
from fake_daemon import FakeDaemon, latent
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
from latentlayers.state.studio import Studio

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
