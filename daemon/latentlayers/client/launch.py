"""Starting the daemon when there is none, so that it outlives the program that needed it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from latentlayers.errors import LatentLayersError, Unavailable
from latentlayers.paths import Paths

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
_POLL_S = 0.05
_LOG_TAIL = 2000

T = TypeVar("T")


def start_and_wait(paths: Paths, connect: Callable[[], T | None], timeout: float = START_TIMEOUT_S) -> T:
    """Starts a detached daemon and calls `connect` until it returns something.

    A daemon that another program starts at the same moment is just as good: then ours ends by itself with
    status 0, and `connect` finds the other one.

    Raises:
        Unavailable: DAEMON_START_FAILED, with the last lines the daemon wrote.
    """
    paths.ensure()
    output = paths.state / "daemon-start.log"
    process = _spawn(output)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = connect()
        if found is not None:
            return found
        if process.poll():
            raise _failed(f"The daemon ended with status {process.returncode}", output)
        time.sleep(_POLL_S)
    raise _failed(f"The daemon did not answer within {timeout:.0f} seconds", output)


def wait_for_end(pid: int) -> None:
    """Returns when the process has gone, or after a while: a daemon that was told to stop ends its worker first."""
    import psutil

    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).wait(STOP_TIMEOUT_S)


def _spawn(output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "latentlayers.service"]
    try:
        with output.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=output.parent,  # the caller's folder may be on a disk that is to be removed
                close_fds=True,
                **_detached(),
            )
    except OSError as error:
        raise Unavailable(
            "DAEMON_START_FAILED",
            f"The daemon cannot be started: {error.strerror}.",
            "Start it by hand with `latentlayers serve` to see what is wrong.",
        ) from error


def _detached() -> dict[str, Any]:
    """What keeps the daemon alive when the caller's terminal or process group ends."""
    if os.name == "nt":
        flags = ("DETACHED_PROCESS", "CREATE_NEW_PROCESS_GROUP")
        return {"creationflags": sum(int(getattr(subprocess, flag)) for flag in flags)}
    return {"start_new_session": True}


def _failed(what: str, output: Path) -> LatentLayersError:
    try:
        lines = output.read_text("utf-8", "replace")[-_LOG_TAIL:].splitlines()
    except OSError:
        lines = []
    # Of a traceback, only the last line is not indented; of our own errors, sentence and remedy.
    tail = " ".join([line for line in lines if line.strip() and not line.startswith(" ")][-2:])
    said = f": {tail}" if tail else "."
    return Unavailable(
        "DAEMON_START_FAILED", f"{what}{said}", f"Read {output}, or run `latentlayers doctor` to see what is wrong."
    )
