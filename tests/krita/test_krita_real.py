"""The zip in real Krita."""

from __future__ import annotations

from pathlib import Path

from latentlayers import __version__
from needs_krita import KRITA
from plugin_process import FAKE_WORKER
from rig import Rig
from running_daemon import RunningDaemon, StartDaemon, eventually

pytestmark = KRITA


def test_the_plugin_loads_and_reaches_the_daemon(plugin_folder: Path, daemon: RunningDaemon, tmp_path: Path) -> None:
    outcome = Rig(plugin_folder, tmp_path).run("scenarios/call.py", environ={"LATENTLAYERS_HOME": str(daemon.home)})
    assert outcome.ok, outcome.report()
    assert outcome.result["ends"] == ["done"]
    assert outcome.result["versions"] == [__version__]
    assert outcome.result["state"] == "connected"
    assert outcome.result["foreign"] == []
    assert not outcome.result["broken"], outcome.printed


def test_krita_quits_cleanly_during_a_call(plugin_folder: Path, start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER, cancel_grace_s=20.0)
    outcome = Rig(plugin_folder, tmp_path).run(
        "scenarios/quit_during_call.py",
        environ={"LATENTLAYERS_HOME": str(daemon.home)},
        words="steps:100000:0.01",
    )
    assert outcome.ok, outcome.report()
    eventually(lambda: "CANCEL" in (daemon.home / "journal").read_text())


def test_a_plugin_with_a_part_missing_says_so_in_a_docker(own_plugin_folder: Path, tmp_path: Path) -> None:
    (own_plugin_folder / "latentlayers" / "_vendor" / "messages.bin").unlink()
    outcome = Rig(own_plugin_folder, tmp_path).run("scenarios/broken.py")
    assert outcome.ok, outcome.report()
    (text,) = outcome.result
    assert "messages.bin" in text
    assert "import it" in text


def test_the_rig_does_not_overlook_an_error_in_a_slot(plugin_folder: Path, tmp_path: Path) -> None:
    outcome = Rig(plugin_folder, tmp_path).run("scenarios/error_in_slot.py")
    assert not outcome.ok
    assert outcome.exit == 0
    assert "ZeroDivisionError" in "".join(outcome.errors)
