"""The plugin as painters get it: built, unpacked, and imported only in processes of its own.

(The plugin's package has the same name as the daemon's, which the tests themselves import.)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from running_daemon import RunningDaemon

ROOT = Path(__file__).resolve().parents[2]
FAKE_WORKER = ROOT / "tests" / "fake_worker.py"
CLIENT = Path(__file__).with_name("wire_client.py")
PATIENCE_S = 120
# Krita's own: what a distribution's Krita runs on.
SYSTEM_PYTHON = "/usr/bin/python3"

# What scenario NAME of wire_client.py says, as JSON: `client("unary", address=…, folder=…)`.
Client = Callable[..., Any]


@pytest.fixture(scope="session")
def plugin_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip, built once; the packages in it are downloaded only if no build did so before."""
    output = tmp_path_factory.mktemp("zip")
    command = [sys.executable, str(ROOT / "install" / "build_plugin.py"), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (built,) = output.glob("latentlayers-krita-*.zip")
    return built


@pytest.fixture(scope="session")
def plugin_folder(plugin_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pykrita folder with the plugin in it; leave it as it is."""
    folder = tmp_path_factory.mktemp("pykrita")
    with zipfile.ZipFile(plugin_zip) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def own_plugin_folder(plugin_folder: Path, tmp_path: Path) -> Path:
    """As `plugin_folder`, for this test alone."""
    return Path(shutil.copytree(plugin_folder, tmp_path / "pykrita"))


def _python_with(binding: str) -> str | None:
    """A Python on this machine that has the Qt binding."""
    for python in (sys.executable, SYSTEM_PYTHON):
        command = [python, "-I", "-c", f"import {binding}.QtCore"]
        if shutil.which(python) and subprocess.run(command, capture_output=True).returncode == 0:
            return python
    return None


@pytest.fixture(scope="session", params=["PyQt5", "PyQt6"])
def qt(request: pytest.FixtureRequest) -> tuple[str, str]:
    """(Python, Qt binding) to run the plugin with."""
    python = _python_with(request.param)
    if python is None:
        pytest.skip(f"no Python here has {request.param}")
    return python, request.param


@pytest.fixture
def client(qt: tuple[str, str], plugin_folder: Path) -> Client:
    """Runs scenarios of wire_client.py in a process that has the plugin, under both Qt bindings."""
    python, binding = qt

    def run(scenario: str, *, folder: Path = plugin_folder, environ: dict[str, str] | None = None, **given: Any) -> Any:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LATENTLAYERS_")}
        done = subprocess.run(
            [python, str(CLIENT), binding, scenario, json.dumps(given)],
            env={**inherited, "PYTHONPATH": str(folder), **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def obedient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon whose worker does what a Render request says (see fake_worker.py); leave it running."""
    home = tmp_path_factory.mktemp("obedient") / "home"
    running = RunningDaemon(home, worker_command=(sys.executable, str(FAKE_WORKER)), cancel_grace_s=20.0)
    yield running
    running.close()
