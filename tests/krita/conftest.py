"""The plugin as painters get it: built and unpacked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_process import FAKE_WORKER, ROOT, Client, client_of
from running_daemon import RunningDaemon

# Run by test_plugin_in_fake_krita.py, in processes that have the plugin.
collect_ignore = ["plugin"]


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


@pytest.fixture(params=["PyQt5", "PyQt6"])
def client(request: pytest.FixtureRequest, plugin_folder: Path) -> Client:
    """Runs scenarios of wire_client.py in a process that has the plugin, under one Qt binding after the other."""
    return client_of(request.param, plugin_folder)


@pytest.fixture
def one_client(plugin_folder: Path) -> Client:
    """As `client`, for what does not depend on Qt."""
    return client_of("PyQt6", plugin_folder)


@pytest.fixture(scope="module")
def obedient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon whose worker does what a Render request says (see fake_worker.py); leave it running."""
    home = tmp_path_factory.mktemp("obedient") / "home"
    running = RunningDaemon(home, worker_command=FAKE_WORKER, cancel_grace_s=20.0)
    yield running
    running.close()
