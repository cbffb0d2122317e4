"""What happens in real Krita to an edit that is disturbed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from needs_krita import KRITA, Paint
from plugin_process import QUICK_WORKER, ROOT
from running_daemon import PATIENCE_S, StartDaemon

pytestmark = KRITA


@pytest.fixture
def startable(own_plugin_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """A pykrita folder whose plugin can start the daemon of `start_daemon(worker_command=QUICK_WORKER)` again."""
    settings = {"home": str(tmp_path / "home"), "worker_command": QUICK_WORKER}
    command = [sys.executable, str(ROOT / "tests" / "daemon_process.py"), json.dumps(settings)]
    state = tmp_path / "home" / "state"
    (own_plugin_folder / "latentlayers-daemon.json").write_text(json.dumps({"command": command, "state": str(state)}))
    yield own_plugin_folder
    daemon = psutil.Process(json.loads((state / "daemon.json").read_text())["pid"])
    daemon.terminate()
    daemon.wait(PATIENCE_S)


def test_an_embedding_is_disturbed_in_every_way(paint: Paint, start_daemon: StartDaemon, startable: Path) -> None:
    daemon = start_daemon(worker_command=QUICK_WORKER)
    said = paint("trouble", home=daemon.home, folder=startable, daemon=daemon.process.pid)
    assert said["cancelled by action"] == ["cancelled", ["Eileen"]]
    assert said["cancelled by mouse"] == ["cancelled", ["Eileen"], "Cancelled."]
    assert said["daemon killed"] == ["failed", "DAEMON_LOST", True]
    assert said["daemon started again"] == ["done", ["Eileen (embedded)", "Eileen"]]
    assert said["layer removed"] == ["done", ["Eileen (embedded)", "Eileen (embedded)"]]
    state, error, shown = said["document closed"]
    assert (state, error) == ("failed", "The document was closed.")
    assert shown.startswith(error)
