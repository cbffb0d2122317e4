"""The plugin in a process of its own: its package is called like the daemon's, which the tests themselves import."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKE_WORKER = (sys.executable, str(ROOT / "tests" / "fake_worker.py"))
QUICK_WORKER = (sys.executable, str(ROOT / "tests" / "krita" / "quick_worker.py"))
CLIENT = Path(__file__).with_name("wire_client.py")
PATIENCE_S = 240
# A distribution's Krita runs on it, with the distribution's PyQt.
SYSTEM_PYTHON = "/usr/bin/python3"

# What a scenario of wire_client.py says, as JSON: `client("unary", environ={...}, folder=..., **arguments)`.
Client = Callable[..., Any]


def client_of(binding: str, plugin_folder: Path) -> Client:
    """Runs scenarios in a process with this Qt binding ("PyQt5", "PyQt6"); skips the test where there is none."""
    python = _python_with(binding)
    if python is None:
        pytest.skip(f"no Python here has {binding}")

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


@functools.cache
def _python_with(binding: str) -> str | None:
    """A Python on this machine that has the Qt binding."""
    for python in (sys.executable, SYSTEM_PYTHON):
        command = [python, "-I", "-c", f"import {binding}.QtCore"]
        if shutil.which(python) and subprocess.run(command, capture_output=True).returncode == 0:
            return python
    return None
