"""What `latentlayers doctor` looks at. Each check says what it found, and what to do if that is not well."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from latentlayers import __version__
from latentlayers.cli.output import duration, memory
from latentlayers.errors import LatentLayersError
from latentlayers.paths import Paths, check_private

PACKAGES = ("torch", "numpy", "pillow", "grpcio", "protobuf", "safetensors", "typer", "rich")
LITTLE_SPACE = 2 << 30
PROBE_TIMEOUT_S = 120.0

Verdict = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        verdict: "ok"; "note" for what is worth knowing; "problem" for what keeps something from working.
        remedy: what to do; "" where nothing needs to be done.
    """

    subject: str
    verdict: Verdict
    text: str
    remedy: str = ""


def all_findings(address: str | None) -> Iterator[Finding]:
    """Everything, in the order in which it is read."""
    paths = Paths.default()
    yield from _installation()
    yield from _torch()
    yield from _folders(paths)
    yield _daemon(address)
    yield from _models(paths)


def _installation() -> Iterator[Finding]:
    yield Finding("latentlayers", "ok", f"{__version__} in {Path(__file__).parents[1]}")
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    missing = []
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    yield Finding("packages", "ok", ", ".join(versions))
    if missing:
        yield Finding("packages", "problem", f"Missing: {', '.join(missing)}.", "Run `python3 install/bootstrap.py`.")


def _torch() -> Iterator[Finding]:
    found = _probe()
    if "problem" in found:
        yield Finding("torch", "problem", found["problem"], "Run `python3 install/bootstrap.py` to install it again.")
        return
    build = f"with CUDA {found['cuda_build']}" if found["cuda_build"] else "without CUDA"
    yield Finding("torch", "ok", f"{found['version']} {build}, {found['threads']} threads")
    yield _gpu(found)
    if found["vgg16_problem"]:
        yield Finding("vgg16", "problem", found["vgg16_problem"], "Correct or unset LATENTLAYERS_VGG16.")
    elif found["vgg16"]:
        yield Finding("vgg16", "ok", f"found: {found['vgg16']}")
    else:
        text = "not found; the model's own perceptual network is used"
        yield Finding(
            "vgg16", "note", text, "Run `latentlayers models add vgg16`, or set LATENTLAYERS_VGG16 to a file."
        )


def _probe() -> dict[str, Any]:
    command = [sys.executable, "-m", "latentlayers.cli.probe"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"problem": f"It does not load: {type(error).__name__}."}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        return {"problem": f"It does not load: {last[0]}"}
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _gpu(found: dict[str, Any]) -> Finding:
    if found["gpus"]:
        names = ", ".join(f"{gpu['name']} ({memory(gpu['memory_bytes'])})" for gpu in found["gpus"])
        return Finding("gpu", "ok", names)
    if found["mps"]:
        return Finding("gpu", "ok", "Apple GPU (MPS)")
    if shutil.which("nvidia-smi"):
        text = "there is an NVIDIA driver, but this torch cannot use it"
        return Finding("gpu", "note", text, "Run `python3 install/bootstrap.py` to install a CUDA build.")
    return Finding("gpu", "ok", "none; the CPU is used")


def _folders(paths: Paths) -> Iterator[Finding]:
    for name, folder in (("data", paths.data), ("state", paths.state), ("runtime", paths.runtime)):
        yield _folder(name, folder)
    if paths.runtime.exists():
        try:
            check_private(paths.runtime)
        except LatentLayersError as error:
            yield Finding("runtime", "problem", error.message, error.remedy)
    free = shutil.disk_usage(_existing(paths.data)).free
    if free < LITTLE_SPACE:
        yield Finding("disk", "problem", f"{memory(free)} free", "Free some disk space: embeddings could be lost.")
    else:
        yield Finding("disk", "ok", f"{memory(free)} free")


def _folder(name: str, folder: Path) -> Finding:
    if not folder.exists():
        parent = _existing(folder)
        if os.access(parent, os.W_OK | os.X_OK):
            return Finding(name, "ok", f"{folder} (made on first use)")
        return Finding(name, "problem", f"{folder} cannot be made in {parent}.", "Make that folder writable for you.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(name, "problem", f"You may not write to {folder}.", "Make it writable for you.")
    return Finding(name, "ok", str(folder))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _daemon(address: str | None) -> Finding:
    from latentlayers.cli.session import open_client

    try:
        with open_client(address, start=False) as client:
            state = client.status()
    except LatentLayersError as error:
        if error.reason == "DAEMON_NOT_RUNNING":
            return Finding("daemon", "ok", "not running; it is started when it is needed")
        return Finding("daemon", "problem", error.message, error.remedy)
    text = f"version {state.version}, up {duration(state.uptime_seconds)}, worker {state.worker_state}, {state.address}"
    if state.version != __version__:
        return Finding("daemon", "problem", text, "It is of another version: run `latentlayers stop`.")
    if state.worker_state == "crashed":
        return Finding("daemon", "problem", text, "The worker died; its log is in the bundle (--bundle).")
    if state.worker_restarts:
        return Finding("daemon", "note", f"{text}, worker restarted {state.worker_restarts} times", "See the log.")
    return Finding("daemon", "ok", text)


def _models(paths: Paths) -> Iterator[Finding]:
    from latentlayers.library.models import ModelStore

    entries = ModelStore(paths).list()
    if not entries:
        yield Finding("models", "problem", "There is none.", "Add one with `latentlayers models add FILE`.")
    for entry in entries:
        if entry.converting:
            yield Finding("models", "ok", f"{entry.checkpoint} is converted while the daemon runs")
        elif entry.problem:
            yield Finding("models", "problem", f"{entry.name}: {entry.problem}", "Add it again, or remove it.")
        else:
            origin = "shipped" if entry.shipped else str(entry.path)
            text = f"{entry.name}: {entry.family}, {entry.resolution} px, {entry.licence}, {origin}"
            yield Finding("models", "ok", text)
