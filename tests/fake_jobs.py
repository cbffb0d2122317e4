"""Calls of a daemon whose worker is `fake_worker.py`: it does what the words it is given say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import latent_pb2
from running_daemon import PATIENCE_S, RunningDaemon, eventually

FAKE = Path(__file__).with_name("fake_worker.py")
WORKER = (sys.executable, str(FAKE))
LONG = "steps:100000:0.01"
StartFake = Callable[..., RunningDaemon]


def render(daemon: RunningDaemon, words: str, key: str = "", timeout: float = PATIENCE_S) -> Any:
    """A call that makes the fake worker do `words`."""
    request = pb.RenderRequest(source=latent_pb2.Source(embedding_id=words), latest_wins_key=key)
    return daemon.editing.Render(request, timeout=timeout)


def failure(call: Any) -> grpc.RpcError:
    """What the call fails with, after whatever it sends before."""
    with pytest.raises(grpc.RpcError) as caught:
        for _ in call:
            pass
    return caught.value


def wait_for_step(call: Iterator[pb.RenderResponse]) -> None:
    """Reads until the worker is doing the job."""
    eventually(lambda: next(call).event.progress.phase == pb.PHASE_EMBEDDING)


def queued_behind(call: Iterator[pb.RenderResponse]) -> int:
    """Reads the next event, which must say how many jobs are ahead."""
    progress = next(call).event.progress
    assert progress.phase == pb.PHASE_QUEUED
    return int(progress.step)


def journal(daemon: RunningDaemon) -> list[str]:
    """What the worker was told so far."""
    file = daemon.home / "journal"
    return file.read_text().splitlines() if file.exists() else []
