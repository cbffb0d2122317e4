"""Starting the daemon from inside Krita, so that it outlives Krita and inherits nothing of Krita's Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping

from .address import Installation
from .errors import CallError

# Krita's Python must not decide what the daemon's imports.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
# An AppImage puts its own libraries and programs before the system's.
_SEARCH_PATHS = ("PATH", "LD_LIBRARY_PATH", "QT_PLUGIN_PATH", "XDG_DATA_DIRS")
_LOG_TAIL = 2000


class Launch:
    """A daemon that was started; it may turn out that another one was quicker, then this one ends with status 0.

    Raises:
        CallError: DAEMON_START_FAILED; DAEMON_NOT_RUNNING from a sandbox, which nothing can be started from;
            DAEMON_NOT_INSTALLED.
    """

    def __init__(self, installation: Installation, state: Path, environ: Mapping[str, str] = os.environ) -> None:
        command = require_startable(installation, environ)
        self._output = state / "daemon-start.log"
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._output.open("wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=str(state),  # Krita's may be on a disk that is to be removed
                    env=clean(environ),
                    close_fds=True,
                    **_detached(),
                )
        except OSError as error:
            raise _start_failed(
                f"The daemon cannot be started: {error.strerror or error}.",
                "Start it by hand with `latentlayers serve` to see what is wrong.",
            ) from error

    def require_alive(self) -> None:
        """Raises DAEMON_START_FAILED with what the daemon said, if it ended badly."""
        status = self._process.poll()
        if status:
            raise self.failure(f"The daemon ended with status {status}")

    def failure(self, what: str) -> CallError:
        """`what`, with the last lines that the daemon wrote."""
        try:
            lines = self._output.read_text("utf-8", "replace")[-_LOG_TAIL:].splitlines()
        except OSError:
            lines = []
        # Of a traceback, only the last line is not indented; of the daemon's own errors, sentence and remedy.
        said = " ".join([line for line in lines if line.strip() and not line.startswith(" ")][-2:])
        return _start_failed(
            f"{what}: {said}" if said else f"{what}.",
            f"Read {self._output}, or run `latentlayers doctor` to see what is wrong.",
        )


def require_startable(installation: Installation, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The argument vector that would run the daemon.

    Raises:
        CallError: DAEMON_NOT_RUNNING from a sandbox, which nothing can be started from; DAEMON_NOT_INSTALLED.
    """
    _refuse_sandbox(environ)
    return find_command(installation, environ)


def find_command(installation: Installation, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The argument vector that runs the daemon: the installer's, else `latentlayers serve` from where it usually is.

    Never Krita's own interpreter: `sys.executable` is any Python, or Krita itself.

    Raises:
        CallError: DAEMON_NOT_INSTALLED.
    """
    if installation.command and Path(installation.command[0]).is_file():
        return list(installation.command)
    places = [environ.get("PATH", os.defpath), str(Path.home() / ".local" / "bin")]
    if sys.platform == "darwin":  # programs that are started from the Finder have a bare PATH
        places += ["/opt/homebrew/bin", "/usr/local/bin"]
    program = shutil.which("latentlayers", path=os.pathsep.join(places))
    if program:
        return [program, "serve"]
    raise CallError(
        "UNAVAILABLE",
        "DAEMON_NOT_INSTALLED",
        "The plugin does not find the Latent Layers daemon on this machine.",
        "Install it: run `python3 install/bootstrap.py krita` in Latent Layers' folder, and restart Krita.",
    )


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what Krita's launcher put into it for Krita's own Python and libraries."""
    cleaned = {name: value for name, value in environ.items() if name not in _FOREIGN}
    image = environ.get("APPDIR")
    for name in _SEARCH_PATHS if image else ():
        kept = [entry for entry in cleaned.get(name, "").split(os.pathsep) if entry and not _inside(entry, str(image))]
        cleaned.pop(name, None)
        if kept:
            cleaned[name] = os.pathsep.join(kept)
    return cleaned


def _inside(path: str, folder: str) -> bool:
    return os.path.normpath(path).startswith(os.path.normpath(folder) + os.sep)


def _refuse_sandbox(environ: Mapping[str, str]) -> None:
    for name, kind in (("FLATPAK_ID", "a Flatpak"), ("SNAP_NAME", "a snap")):
        if environ.get(name):
            raise CallError(
                "UNAVAILABLE",
                "DAEMON_NOT_RUNNING",
                f"No daemon is running, and this Krita is {kind}: it may not start programs outside its sandbox.",
                "Run `latentlayers serve` in a terminal, and leave it open.",
            )


def _detached() -> dict[str, Any]:
    """What keeps the daemon alive when Krita or its process group ends."""
    if os.name == "nt":
        flags = ("CREATE_NO_WINDOW", "CREATE_NEW_PROCESS_GROUP")
        return {"creationflags": sum(int(getattr(subprocess, flag)) for flag in flags)}
    return {"start_new_session": True}


def _start_failed(message: str, remedy: str) -> CallError:
    return CallError("UNAVAILABLE", "DAEMON_START_FAILED", message, remedy)
