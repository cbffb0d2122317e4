"""The plugin in the fake Krita against a real daemon: the one that has LATENTLAYERS_HOME, over the real transport."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Painter, settle, until
from latentlayers import host
from latentlayers.state.edit import Job
from latentlayers.state.operations import Embed, Expression, Morph, Operation, Render, strip
from latentlayers.state.studio import Studio
from latentlayers.wire import Daemon
from latentlayers.wire import messages as pb

PATIENCE_S = 100.0


def real_studio() -> Studio:
    made = Studio(host, Daemon(), pb)
    made.daemon.may_start = False
    return made


@pytest.fixture
def studio(painter: Painter) -> Iterator[Studio]:
    made = real_studio()
    yield made
    made.close()


@pytest.fixture
def faces(painter: Painter) -> tuple[str, str, str]:
    """Ids of three layers, Ada active, that the daemon's library does not have from an earlier run."""
    painter.open(96)
    new = np.random.default_rng().uniform(0.1, 0.9)
    colours = {"Ben": (0.8, 0.6, new, 1), "Smile": (0.7, new, 0.5, 1), "Ada": (0.4, new, 0.7, 1)}
    made = {name: painter.add_layer(name, (0, 0, 96, 96), colour=colour) for name, colour in colours.items()}
    return made["Ada"], made["Ben"], made["Smile"]


def edit(studio: Studio, operation: Operation) -> tuple[Job, list[str]]:
    """The edit once it has ended, and the layers that were embedded."""
    job = studio.apply(operation)
    assert job is not None
    phases: list[str] = []
    studio.jobs.changed.connect(lambda job: phases.append(f"{job.progress.phase} {job.progress.subject}"))
    until(lambda: not job.active, PATIENCE_S)
    settle()
    return job, sorted({phase.partition(" ")[2] for phase in phases if phase.startswith("embedding")})


def test_edits_from_the_first_embedding_to_a_file_opened_again(
    studio: Studio, painter: Painter, faces: tuple[str, str, str]
) -> None:
    ada, ben, smile = faces
    job, embedded = edit(studio, Embed())
    assert (job.state, embedded) == ("done", ["Ada"]), job.error
    assert job.verdict
    result = painter.rgba(painter.named("Ada (embedded)"))
    assert result[48, 48, 3] > 0.9
    assert painter.undo_steps == 1

    job, embedded = edit(studio, Morph(ben, strip(0.0, 1.0, 3)))
    assert (job.state, embedded) == ("done", ["Ben"]), job.error
    pictures = [painter.rgba(painter.named(f"Ben {share} %")) for share in (0, 50, 100)]
    assert np.abs(pictures[0] - pictures[2]).max() > 0.01

    job, embedded = edit(studio, Expression(ben, smile, (0.5, 1.0)))
    assert (job.state, embedded) == ("done", ["Smile"]), job.error
    assert {"Smile 50 %", "Smile 100 %"} <= set(painter.names)

    document = painter.document
    document.close()
    painter.copy_of(document)
    painter.document.setActiveNode(painter.node(ada))
    elsewhere = real_studio()
    job, embedded = edit(elsewhere, Render())
    assert (job.state, embedded) == ("done", []), job.error
    painter.node(ada).setPixelData(bytes(4 * 400), 30, 30, 20, 20)
    job, embedded = edit(elsewhere, Render())
    assert (job.state, embedded) == ("done", ["Ada"]), job.error
    elsewhere.close()


def slow(studio: Studio, painter: Painter) -> Job:
    """An embedding that takes minutes, under way."""
    studio.set(preset="paper")
    job = studio.apply(Embed())
    assert job is not None
    until(lambda: job.progress.phase == "embedding" or not job.active, PATIENCE_S)
    assert job.active, job.error
    return job


def test_a_cancelled_embedding_leaves_nothing_and_the_next_edit_works(
    studio: Studio, painter: Painter, faces: tuple[str, str, str]
) -> None:
    job = slow(studio, painter)
    studio.jobs.cancel()
    assert job.state == "cancelled"
    assert painter.undo_steps == 0
    studio.set(preset="")
    assert edit(studio, Embed())[0].state == "done"


@pytest.mark.parametrize(("model", "depth"), [("RGBA", "U16"), ("GRAYA", "U8")])
def test_documents_of_other_colours(studio: Studio, painter: Painter, model: str, depth: str) -> None:
    painter.open(96, model=model, depth=depth)
    painter.add_layer("Ada", (0, 0, 96, 96))
    job, _ = edit(studio, Embed())
    assert job.state == "done", job.error
    result: Any = painter.named("Ada (embedded)")
    assert (result.colorModel(), result.colorDepth()) == (model, depth)


def test_a_daemon_killed_during_an_embedding_is_told(
    studio: Studio, painter: Painter, faces: tuple[str, str, str]
) -> None:
    job = slow(studio, painter)
    announcement = Path(os.environ["LATENTLAYERS_HOME"]) / "state" / "daemon.json"
    os.kill(json.loads(announcement.read_text())["pid"], signal.SIGKILL)
    until(lambda: not job.active, PATIENCE_S)
    assert (job.state, job.error.reason) == ("failed", "DAEMON_LOST")
    assert job.error.remedy
    until(lambda: studio.daemon.state.kind != "connected")
