"""The plugin's own tests, plugin/*_tests.py, in the fake Krita: under each Qt binding, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from plugin_process import QUICK_WORKER
from running_daemon import RunningDaemon, StartDaemon

HERE = Path(__file__).parent
TESTS = HERE / "plugin"
WITH_A_DAEMON = TESTS / "daemon_tests.py"
PATIENCE_S = 560  # for some hundred tests
# None of the settings and fixtures out here: they import the daemon's package, which has the plugin's name.
ALONE = ["--rootdir", str(TESTS), "--confcutdir", str(TESTS), "-c", os.devnull, "-p", "no:cacheprovider"]

pytestmark = pytest.mark.timeout(600)


class Binding(NamedTuple):
    """A Qt binding's name, and what has to be on the path for it."""

    name: str
    path: tuple[str, ...]


@pytest.fixture(scope="session", params=["PyQt6", "PyQt5"])
def binding(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Binding:
    """A Qt binding that this Python has, or can borrow from the system's, which has Krita's."""
    name = str(request.param)
    system = Path("/usr/lib/python3/dist-packages") / name
    borrowed = tmp_path_factory.mktemp("borrowed")
    (borrowed / name).symlink_to(system)  # and nothing else of what lies there
    for path in ((), (str(borrowed),)) if system.is_dir() else ((),):
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-c", f"import {name}.QtTest, {name}.QtWidgets"]
        if subprocess.run(command, capture_output=True, env=environ).returncode == 0:
            return Binding(name, path)
    pytest.skip(f"{name} is not installed, or not for this Python, or lacks a library of the system")


def run(binding: Binding, plugin_folder: Path, *arguments: str | Path, **environ: str) -> None:
    """Runs pytest with these arguments; fails with what it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENTLAYERS_HOME")}
    path = os.pathsep.join([str(plugin_folder), str(HERE / "fake"), *binding.path])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--timeout", "120", *ALONE, *map(str, arguments)],
        env={**inherited, "PYTHONPATH": path, "LATENTLAYERS_TEST_QT": binding.name, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout


def test_the_plugin_in_fake_krita(binding: Binding, plugin_folder: Path) -> None:
    run(binding, plugin_folder, *sorted(set(TESTS.glob("*_tests.py")) - {WITH_A_DAEMON}))


def test_the_plugin_in_fake_krita_with_a_daemon(
    binding: Binding, plugin_folder: Path, quick_daemon: RunningDaemon
) -> None:
    run(binding, plugin_folder, WITH_A_DAEMON, "-k", "not killed", LATENTLAYERS_HOME=str(quick_daemon.home))


def test_the_plugin_in_fake_krita_with_a_daemon_that_is_killed(
    binding: Binding, plugin_folder: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(worker_command=QUICK_WORKER)
    run(binding, plugin_folder, WITH_A_DAEMON, "-k", "killed", LATENTLAYERS_HOME=str(daemon.home))
