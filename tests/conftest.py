"""Daemons for tests: one that all may share, and as many private ones as a test wants."""

from __future__ import annotations

import os

# Before torch is imported anywhere: the models here are tiny, and threads that wait for each other on a busy machine
# make a test last minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A proxy of this machine's must not be asked for the tests' own servers.
os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1"]))

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_jobs import WORKER, StartFake
from latentlayers.paths import Paths
from running_daemon import RunningDaemon, StartDaemon


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of `daemon`."""
    return tmp_path_factory.mktemp("shared") / "home"


@pytest.fixture(scope="session")
def daemon(shared_home: Path) -> Iterator[RunningDaemon]:
    """The real daemon with the real worker, shared by all tests: leave it running, and others' embeddings alone."""
    running = RunningDaemon(shared_home)
    yield running
    running.close()


@pytest.fixture(scope="session")
def daemon_address(daemon: RunningDaemon) -> str:
    """Where the shared daemon listens."""
    return daemon.address


@pytest.fixture
def start_daemon(tmp_path: Path, shared_home: Path) -> Iterator[StartDaemon]:
    """Starts daemons of the test's own: `start_daemon(**fields_of_ServiceConfig)`; the same home each time.

    They need not measure again what `daemon` has measured on the shipped model.
    """
    started: list[RunningDaemon] = []
    measured = Paths.under(shared_home).calibrations

    def start(**settings: Any) -> RunningDaemon:
        home = tmp_path / "home"
        if measured.is_dir():
            paths = Paths.under(home)
            paths.ensure()
            shutil.copytree(measured, paths.calibrations, dirs_exist_ok=True)
        started.append(RunningDaemon(home, **settings))
        return started[-1]

    yield start
    for running in started:
        running.close()


@pytest.fixture
def start_fake(start_daemon: StartDaemon) -> StartFake:
    """As `start_daemon`, with the fake worker."""

    def start(**settings: Any) -> RunningDaemon:
        return start_daemon(**{"worker_command": WORKER, "cancel_grace_s": 20.0} | settings)

    return start


@pytest.fixture
def seeded() -> None:
    """torch's random numbers are the same every time."""
    import torch

    torch.manual_seed(0)
