"""The plugin as painters get it: built and unpacked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from needs_krita import Paint
from PIL import Image
from plugin_process import FAKE_WORKER, QUICK_WORKER, ROOT, Client, client_of
from rig import Rig
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


@pytest.fixture(scope="session")
def quick_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """The real daemon with the shipped model, embedding in a few steps; leave it running."""
    running = RunningDaemon(
        tmp_path_factory.mktemp("quick") / "home", worker_command=QUICK_WORKER, idle_unload_s=-1, queue_limit=64
    )
    yield running
    running.close()


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The demo's photographs as PNG, and where the faces are: "eileen", "eileen_frame", "grace", "grace_frame"."""
    folder = tmp_path_factory.mktemp("portraits")
    source = ROOT / "daemon" / "latentlayers" / "demo" / "photos"
    found: dict[str, Any] = {}
    for photo in json.loads((source / "photos.json").read_text("utf-8"))["photos"]:
        name = photo["file"].partition("-")[0]
        found[name] = folder / f"{name}.png"  # every program decodes it alike
        Image.open(source / photo["file"]).save(found[name])
        found[name + "_frame"] = photo["frame"]
    return found


@pytest.fixture
def paint(plugin_folder: Path, quick_daemon: RunningDaemon, portraits: dict[str, Any], tmp_path: Path) -> Paint:
    """Runs a scenario in real Krita, by default against `quick_daemon`; gives what it returned, once Krita has quit.

    Scenarios get `portraits` and `folder`, for files, as arguments. Screenshots go to LATENTLAYERS_SCREENSHOTS, if set.
    """

    def run(scenario: str, home: Path | None = None, folder: Path = plugin_folder, **arguments: Any) -> Any:
        outcome = Rig(folder, tmp_path).run(
            f"scenarios/{scenario}.py",
            environ={"LATENTLAYERS_HOME": str(home or quick_daemon.home)},
            folder=tmp_path,
            **portraits,
            **arguments,
        )
        for picture in outcome.output.glob("*.png"):
            if "LATENTLAYERS_SCREENSHOTS" in os.environ:
                shutil.copy(picture, os.environ["LATENTLAYERS_SCREENSHOTS"])
        assert outcome.ok, outcome.report()
        return outcome.result

    return run
