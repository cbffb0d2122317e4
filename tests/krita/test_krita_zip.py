"""The plugin's zip: what is in it, that Krita takes it, and that it imports wherever Krita runs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from plugin_process import ROOT

BUILD = ROOT / "install" / "build_plugin.py"
IMPORT = Path(__file__).with_name("import_plugin.py")
KRITAS_IMPORTER = Path("/usr/share/krita/pykrita/plugin_importer/plugin_importer.py")
VENDORED = {"google", "grpclib", "h2", "hpack", "hyperframe", "multidict"}
MINORS = range(8, 14)


def build(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BUILD), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **environ})


def find_python(minor: int) -> str | None:
    """Python 3.MINOR, from the search path or from pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places = [f"python3.{minor}", *map(str, pyenv.glob(f"versions/3.{minor}.*/bin/python"))]
    for python in filter(shutil.which, places):
        if subprocess.run([python, "-c", ""], capture_output=True).returncode == 0:
            return python
    return None


def imported(python: str, folder: Path, *, before: str = "pass", after: str = "pass", **environ: str) -> dict[str, Any]:
    """What import_plugin.py says when it runs between the statements `before` and `after`."""
    code = f"import runpy, sys; {before}; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0]); {after}"
    command = [python, "-c", code, str(IMPORT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ}, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return dict(json.loads(done.stdout))


def members(plugin_zip: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(plugin_zip) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def test_the_same_sources_give_the_same_bytes_without_a_network(plugin_zip: Path, tmp_path: Path) -> None:
    """(`plugin_zip` has seen to the downloads.)"""
    built = []
    for name in ("once", "again"):
        done = build("--output", tmp_path / name, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
        assert done.returncode == 0, done.stderr
        built.append((tmp_path / name / plugin_zip.name).read_bytes())
    assert built[0] == built[1]
    with zipfile.ZipFile(plugin_zip) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


def test_without_downloads_and_without_a_network_it_says_so(tmp_path: Path) -> None:
    done = build("--output", tmp_path, "--cache", tmp_path / "cache", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Stopped: pip could not download")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.zip"))


def test_a_download_that_was_tampered_with_is_not_used(plugin_zip: Path, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(ROOT / "build" / "plugin-wheels", tmp_path / "cache"))
    wheel = next(cache.glob("h2-*.whl"))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("h2/extra.py", "raise SystemExit\n")
    done = build("--output", tmp_path, "--cache", cache, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 1
    assert not list(tmp_path.glob("*.zip"))


def test_it_holds_python_and_licences_and_no_trace_of_this_machine(plugin_zip: Path) -> None:
    found = members(plugin_zip)
    assert {Path(name).suffix for name in found} <= {".py", ".txt", ".bin", ".svg", ".png", ".desktop", ".action", ""}
    licences = {Path(name).stem for name in found if "/licences/" in name}
    assert licences == {"grpclib", "h2", "hpack", "hyperframe", "multidict", "protobuf", "typing_extensions"}
    for name, content in found.items():
        for trace in (str(ROOT), str(Path.home()) + "/", "__pycache__"):
            assert trace.encode() not in content, name
            assert trace not in name
    assert plugin_zip.stat().st_size < 1_000_000


@pytest.mark.skipif(not KRITAS_IMPORTER.exists(), reason="no Krita here")
def test_kritas_own_importer_takes_it(plugin_zip: Path, tmp_path: Path) -> None:
    specification = importlib.util.spec_from_file_location("plugin_importer", KRITAS_IMPORTER)
    assert specification is not None
    assert specification.loader is not None
    importer: ModuleType = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(importer)
    for _ in range(2):  # the second time over the first
        (plugin,) = importer.PluginImporter(str(plugin_zip), str(tmp_path), lambda plugin: True).import_all()
        assert (plugin["name"], plugin["ui_name"]) == ("latentlayers", "Latent Layers")
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {f"pykrita/{name}" for name in members(plugin_zip) if not name.endswith(".action")} | {
        f"actions/{Path(name).name}" for name in members(plugin_zip) if name.endswith(".action")
    }


@pytest.mark.parametrize("minor", MINORS)
def test_it_imports_on_every_python(minor: int, plugin_folder: Path) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"no Python 3.{minor} on this machine")
    said = imported(python, plugin_folder)
    assert said["python"] == [3, minor]
    assert said["same"]
    assert (said["frames"], said["reason"], said["streaming"]) == (7, "QUEUE_FULL", True)
    assert set(said["vendored"]) >= VENDORED
    assert said["others"] == []


def test_another_plugins_packages_of_the_same_names_do_not_matter(plugin_folder: Path, tmp_path: Path) -> None:
    for name in VENDORED:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('this is another {name}')\n")
    said = imported(sys.executable, plugin_folder, PYTHONPATH=str(tmp_path))
    assert said["same"]


def test_another_protobuf_in_the_same_process_goes_on_working(plugin_folder: Path) -> None:
    said = imported(
        sys.executable,
        plugin_folder,
        before="from google.protobuf.duration_pb2 import Duration",
        after="assert Duration.FromString(Duration(seconds=3).SerializeToString()).seconds == 3",
        PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="upb",
    )
    assert said["same"]
    assert said["others"] == ["google"]
