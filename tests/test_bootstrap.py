"""install/bootstrap.py through its command line, on a small project with a stand-in for PyTorch and no network."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

INSTALL = Path(__file__).resolve().parents[1] / "install"
TORCH = "2.13.0"
BUILDS = (TORCH, f"{TORCH}+cpu")

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# The least that pip accepts as a build backend: an editable wheel that points at ./daemon.
BACKEND = """
import pathlib, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "latent_layers-0.1.0-py3-none-any.whl"
    info = "latent_layers-0.1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("latent_layers.pth", str(pathlib.Path(__file__).parent / "daemon"))
        metadata = "Metadata-Version: 2.1\\nName: latent-layers\\nVersion: 0.1.0\\nProvides-Extra: test\\n"
        wheel.writestr(info + "/METADATA", metadata)
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""


def write_torch_wheel(folder: Path, version: str) -> None:
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / f"torch-{version}-py3-none-any.whl", "w") as wheel:
        source = f"__version__ = {version!r}\nclass cuda:\n    is_available = staticmethod(lambda: False)\n"
        wheel.writestr("torch.py", source)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@dataclass(frozen=True)
class Project:
    """A checkout with bootstrap in it, and a folder of packages for each set of PyTorch builds on offer."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def log(self) -> Path:
        return self.venv / "bootstrap.log"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.root / "install" / "bootstrap.py"), *arguments]

    def environ(self, builds: Sequence[str] = BUILDS, **more: str) -> dict[str, str]:
        """The environment variables that let pip see those builds and nothing else."""
        packages = self.root / "packages" / "-".join(builds)
        if not packages.exists():
            packages.mkdir(parents=True)
            for build in builds:
                write_torch_wheel(packages, build)
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PIP_", "UV_"))}
        for name in [name for name in kept if name.lower().endswith("_proxy")]:
            del kept[name]
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(packages)}
        return {**kept, **offline, "PIP_RETRIES": "1", **more}

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=environ or self.environ(),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )

    def plan(self, *arguments: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
        result = self.run("install", "--dry-run", *arguments, environ=environ)
        assert result.returncode == 0, result.stdout
        parsed: dict[str, Any] = json.loads(result.stdout)
        return parsed

    def torch(self) -> str:
        """Version of the PyTorch that is installed."""
        (info,) = self.venv.glob("**/torch-*.dist-info")
        return info.name.removeprefix("torch-").removesuffix(".dist-info")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(INSTALL, root / "install", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    package = root / "daemon" / "latentlayers"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "demo.py").write_text("import sys\nprint('demo got', sys.argv[1:])\nsys.exit(7)\n")
    return Project(root)


@pytest.fixture
def installed(project: Project) -> Project:
    """The project with everything in it, whatever the test before left behind."""
    result = project.run("install", "--torch", "cpu")
    assert result.returncode == 0, result.stdout
    return project


def fake_nvidia_smi(folder: Path) -> str:
    """A search path on which the driver's tool lists one GPU."""
    tool = folder / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: Imaginary 9000 (UUID: GPU-0)'\n")
    tool.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def requirements(plan: Mapping[str, Any]) -> list[str]:
    """What each attempt at PyTorch finally asks for."""
    return [attempt["commands"][-1][-1] for attempt in plan["torch"]]


# Which PyTorch


def test_a_machine_without_a_gpu_is_offered_the_cpu_build_first_and_told_before_anything_bigger(
    project: Project,
) -> None:
    plan = project.plan("--torch", "cpu")
    first, *_, last = plan["torch"]
    assert first["download_gb"] < 1
    if plan["machine"]["system"] == "Linux":
        assert requirements(plan)[0] == f"torch=={TORCH}+cpu"
        assert "--torch-index" in last["notice"]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for nvidia-smi is a shell script")
@pytest.mark.skipif(sys.platform == "darwin", reason="no CUDA there")
def test_a_machine_with_an_nvidia_gpu_is_offered_the_cuda_build_first(project: Project, tmp_path: Path) -> None:
    plan = project.plan(environ=project.environ(PATH=fake_nvidia_smi(tmp_path)))
    assert plan["machine"]["gpu"] == "Imaginary 9000"
    assert plan["torch"][0]["commands"][-1][:3] == ["uv", "pip", "install"]
    assert requirements(plan)[1] == f"torch=={TORCH},!={TORCH}+cpu"


def test_an_index_that_the_user_names_is_the_only_one_asked_for_pytorch(project: Project) -> None:
    (attempt,) = project.plan("--torch-index", "https://packages.invalid/cpu")["torch"]
    ((*_, option, index, requirement),) = attempt["commands"]
    assert (option, index, requirement) == ("--index-url", "https://packages.invalid/cpu", f"torch=={TORCH}")


def test_every_attempt_pins_the_version(project: Project) -> None:
    for wanted in ("cpu", "cuda") if sys.platform != "darwin" else ("cpu",):
        assert all(
            requirement.startswith(f"torch=={TORCH}") for requirement in requirements(project.plan("--torch", wanted))
        )


@pytest.mark.skipif(sys.platform == "darwin", reason="no CUDA there")
def test_cuda_is_taken_although_a_cpu_build_is_at_hand(installed: Project) -> None:
    assert installed.torch() == f"{TORCH}+cpu"
    result = installed.run("install", "--torch", "cuda")
    assert result.returncode == 0, result.stdout
    if sys.platform == "linux":
        assert installed.torch() == TORCH


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the default build is the CPU's")
def test_without_a_cpu_build_the_cuda_build_is_taken_and_its_price_told(installed: Project) -> None:
    (installed.venv / "bootstrap.json").unlink()
    subprocess.run([installed.venv / "bin" / "python", "-m", "pip", "uninstall", "-y", "-q", "torch"], check=True)
    result = installed.run("install", "--torch", "cpu", "--disk-needed", "0", environ=installed.environ([TORCH]))
    assert result.returncode == 0, result.stdout
    assert installed.torch() == TORCH
    assert "2.7 GB of download" in result.stdout


# Coming back


def test_a_second_run_does_nothing(installed: Project) -> None:
    log = installed.log.read_text()
    result = installed.run("install")
    assert result.returncode == 0
    assert "up to date" in result.stdout
    assert "[1/" not in result.stdout
    assert installed.log.read_text() == log


def test_a_command_that_needs_more_adds_it_and_the_first_one_stays_up_to_date(installed: Project) -> None:
    result = installed.run("test", "--version")
    assert "[1/3]" in result.stdout  # neither a new environment nor PyTorch again
    assert "with test" in result.stdout
    assert "No module named pytest" in result.stdout  # the stand-in project's extra is empty
    assert "up to date" in installed.run("install").stdout


def test_changed_dependencies_are_installed_into_the_same_environment(installed: Project) -> None:
    (installed.venv / "witness").touch()
    (installed.root / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
    result = installed.run("install")
    assert result.returncode == 0, result.stdout
    assert "[1/3]" in result.stdout
    assert (installed.venv / "witness").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_an_interrupt_stops_the_installer_too_and_the_next_run_starts_afresh(installed: Project) -> None:
    (installed.venv / "witness").touch()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an index that never answers
        command = installed.command("install", "--torch-index", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        environ = installed.environ(PIP_NO_INDEX="0")
        process = subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE)
        connection, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        connection.settimeout(30)
        while connection.recv(4096):  # ends once pip has gone
            pass
        connection.close()
    assert process.returncode == 130
    assert "Interrupted" in output
    result = installed.run("install", "--torch", "cpu")
    assert result.returncode == 0, result.stdout
    assert "cut off" in result.stdout
    assert not (installed.venv / "witness").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="locks the POSIX way")
def test_two_at_once_do_not_get_into_each_others_way(installed: Project) -> None:
    import fcntl

    with (installed.venv / "bootstrap.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        result = installed.run("install")
    assert result.returncode == 1
    assert "[BUSY]" in result.stdout


# What can be missing


def test_too_little_disk_is_said_before_anything_is_made(project: Project, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    result = project.run("install", "--venv", str(venv), "--disk-needed", "1e9")
    assert result.returncode == 1
    assert "[DISK_FULL]" in result.stdout
    assert "What to do:" in result.stdout
    assert not (venv / "pyvenv.cfg").exists()


def test_a_missing_network_is_a_plain_sentence_with_a_log(installed: Project) -> None:
    environ = installed.environ(PIP_NO_INDEX="0", PIP_FIND_LINKS="")
    result = installed.run("install", "--torch-index", "http://127.0.0.1:9/", environ=environ)
    assert result.returncode == 1
    assert "[NETWORK_UNREACHABLE]" in result.stdout
    assert str(installed.log) in result.stdout
    assert "Traceback" not in result.stdout


def test_a_proxy_that_refuses_is_named_without_its_password(installed: Project) -> None:
    environ = installed.environ(PIP_NO_INDEX="0", PIP_FIND_LINKS="", HTTPS_PROXY="http://me:secret@127.0.0.1:9")
    result = installed.run("install", "--torch-index", "https://packages.invalid/", environ=environ)
    assert result.returncode == 1
    assert "[PROXY_REFUSED]" in result.stdout
    assert "127.0.0.1:9" in result.stdout
    assert "secret" not in result.stdout


def test_a_failure_leaves_the_environment_to_go_on_from(installed: Project) -> None:
    (installed.venv / "witness").touch()
    result = installed.run("install", "--torch-index", "nowhere", environ=installed.environ([]))
    assert result.returncode == 1
    assert "[PACKAGE_NOT_FOUND]" in result.stdout
    result = installed.run("install")
    assert result.returncode == 0, result.stdout
    assert (installed.venv / "witness").exists()


@pytest.mark.parametrize("command", ["install", "clean"])
def test_a_folder_that_holds_something_else_is_left_alone(project: Project, tmp_path: Path, command: str) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    result = project.run(command, "--venv", str(tmp_path))
    assert result.returncode == 1
    assert "[FOLDER_NOT_OURS]" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_old_python_can_read_the_entry_file() -> None:
    ast.parse((INSTALL / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("version", ["3.8", "3.9"])
def test_an_old_python_is_told_what_is_needed(version: str) -> None:
    old = shutil.which(f"python{version}")
    if old is None or subprocess.run([old, "-c", ""], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"no Python {version} on this machine")
    result = subprocess.run([old, str(INSTALL / "bootstrap.py"), "demo"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "[PYTHON_TOO_OLD]" in result.stdout
    assert result.stderr == ""


# What follows


def test_the_demo_gets_its_folder_and_its_exit_status_is_passed_on(installed: Project, tmp_path: Path) -> None:
    result = installed.run("demo", "--output", str(tmp_path / "out"))
    assert f"demo got {['--output', str(tmp_path / 'out')]}" in result.stdout
    assert result.returncode == 7


def test_unknown_arguments_are_refused_where_they_are_not_pytests(project: Project) -> None:
    assert project.run("install", "--frobnicate").returncode == 2


def test_clean_removes_the_environment(installed: Project) -> None:
    assert installed.run("clean").returncode == 0
    assert not installed.venv.exists()
