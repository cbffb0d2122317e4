"""Having edits done by the scripted daemon."""

from __future__ import annotations

from typing import Any

from conftest import settle
from fake_daemon import FakeCall, FakeDaemon, sources
from latentlayers.state.edit import Job
from latentlayers.state.operations import (
    Operation,
)
from latentlayers.state.studio import Studio


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
