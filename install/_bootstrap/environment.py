"""The virtual environment: what state it is in, making it, and installing into it.

Three files of ours lie in its folder: bootstrap.json (the record), bootstrap.log (what every program printed) and
bootstrap.lock. The record is written before and after everything that could be cut off, so the next run knows:

    (no file)    not ours, or nothing there yet
    making       `venv` was at work
    installing   pip was at work: packages may be half written, and only a fresh environment is certain to be sound
    partial      nothing was at work, but not everything is in it yet
    ready        everything in `extras` is in it, for the pyproject.toml of `fingerprint`
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from . import torch_build
from .console import Console
from .failures import BootstrapError, installer_failure

ROOT = Path(__file__).resolve().parents[2]
OURS = ("bootstrap.json", "bootstrap.tmp", "bootstrap.log", "bootstrap.lock")


@dataclass(frozen=True)
class Record:
    """What is known about an environment; see the states above.

    Attributes:
        extras: the optional dependency groups in it.
        torch_wanted: which PyTorch the user asked for ("auto", "cpu", "cuda" or an index address).
    """

    stage: str
    fingerprint: str = ""
    extras: tuple[str, ...] = ()
    torch_wanted: str = "auto"


def fingerprint() -> str:
    """Changes whenever the environment has to be brought up to date."""
    content = (ROOT / "pyproject.toml").read_bytes() + torch_build.VERSION.encode()
    return hashlib.sha256(content).hexdigest()


class Environment:
    """The environment in `folder`, whatever state it is in."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.log = folder / "bootstrap.log"
        self._record_file = folder / "bootstrap.json"
        self._console = console

    def __str__(self) -> str:
        """The folder as a person would write it from where they are."""
        here = Path.cwd()
        return str(self.folder.relative_to(here) if self.folder.is_relative_to(here) else self.folder)

    def program(self, name: str) -> Path:
        """Path of a program in the environment ("python", "latentlayers")."""
        return self.folder / ("Scripts" if os.name == "nt" else "bin") / (name + (".exe" if os.name == "nt" else ""))

    # State

    def record(self) -> Record | None:
        try:
            fields = json.loads(self._record_file.read_text(encoding="utf-8"))
            return Record(**{**fields, "extras": tuple(fields["extras"])})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError, KeyError):
            return Record("installing")  # a record that cannot be read was cut off, or is another version's

    def write(self, record: Record) -> None:
        temporary = self._record_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
        temporary.replace(self._record_file)

    def state(self) -> str:
        """The record's "partial" or "ready"; else "absent", "broken", "adopted" (sound, not ours) or "foreign"."""
        record = self.record()
        if record is None:
            if not self.folder.exists() or (self.folder.is_dir() and not self._others()):
                return "absent"
            return "adopted" if self._is_sound() else "foreign"
        if record.stage in ("making", "installing") or not self.program("python").exists():
            return "broken"
        return record.stage

    def is_ready(self, extras: Sequence[str], torch_wanted: str | None) -> bool:
        """Whether nothing has to be done; reads two files and starts no program."""
        record = self.record()
        return (
            record is not None
            and self.state() == "ready"
            and record.fingerprint == fingerprint()
            and set(extras) <= set(record.extras)
            and torch_wanted in (None, record.torch_wanted)
        )

    def _others(self) -> list[Path]:
        """What lies in the folder besides our own files."""
        return [path for path in self.folder.iterdir() if path.name not in OURS]

    def _is_sound(self) -> bool:
        test = "import pip, sys; sys.exit(sys.version_info < (3, 10) or sys.prefix == sys.base_prefix)"
        try:
            return subprocess.call([self.program("python"), "-I", "-c", test], stderr=subprocess.DEVNULL) == 0
        except OSError:
            return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps a second bootstrap out; the system lets go of it when this process ends, however it ends.

        Raises:
            BootstrapError: BUSY, PERMISSION_DENIED, FOLDER_NOT_OURS.
        """
        if self.state() == "foreign":
            raise BootstrapError(
                "FOLDER_NOT_OURS",
                f"{self.folder} holds something that is not a usable virtual environment.",
                "Move it away, or name another folder with --venv FOLDER.",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / "bootstrap.lock").open("a")
        except OSError as error:
            raise BootstrapError(
                "PERMISSION_DENIED",
                f"{self.folder} cannot be written: {error.strerror}.",
                "Make sure that the folder is yours, or name another with --venv FOLDER.",
            ) from error
        with handle:
            try:
                lock_file(handle.fileno())
            except OSError as error:
                raise BootstrapError(
                    "BUSY",
                    f"Another bootstrap is at work in {self.folder}.",
                    "Wait until it is done, then run this again.",
                ) from error
            yield

    # Change

    def make(self) -> None:
        """A fresh environment; what was in the folder before is removed, our log and lock excepted.

        Raises:
            BootstrapError: VENV_MISSING, RUNS_INSIDE, INSTALL_FAILED and its kin.
        """
        if importlib.util.find_spec("ensurepip") is None:
            version = "{}.{}".format(*sys.version_info)
            raise BootstrapError(
                "VENV_MISSING",
                "This Python comes without the parts that make virtual environments.",
                f"On Debian or Ubuntu: sudo apt install python{version}-venv; elsewhere use Python from python.org.",
            )
        if Path(sys.prefix).resolve() == self.folder.resolve():
            raise BootstrapError(
                "RUNS_INSIDE",
                f"{self.folder} has to be made anew, and this Python runs inside of it.",
                "Run this with the system's Python instead (after `deactivate`, where it is active).",
            )
        self.write(Record("making"))
        for path in self._others():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        status, lines = self._run([sys.executable, "-I", "-m", "venv", str(self.folder)])
        if status != 0:
            raise installer_failure("the virtual environment", lines)
        self.write(Record("partial"))

    def install(self, what: str, *commands: torch_build.Command) -> None:
        """Runs pip (or uv) in the environment.

        Raises:
            BootstrapError: see failures.SIGNS; pip has then left the environment as it was.
        """
        before = self.record() or Record("partial")
        self.write(replace(before, stage="installing"))
        for module, *arguments in commands:
            status, lines = self._run([str(self.program("python")), "-I", "-u", "-m", module, *arguments])
            if status != 0:
                self.write(replace(before, stage="partial"))
                raise installer_failure(what, lines)
        self.write(replace(before, stage="partial"))

    def ask(self, code: str) -> str:
        """What the environment's Python prints for `code`.

        Raises:
            BootstrapError: INSTALL_FAILED when it fails.
        """
        status, lines = self._run([str(self.program("python")), "-I", "-c", code])
        if status != 0:
            raise BootstrapError(
                "INSTALL_FAILED",
                f"What was installed does not start: {lines[-1] if lines else 'no output'}",
                f"Read the log. To start over, remove {self.folder} and run this again. "
                "On Windows, PyTorch also needs Microsoft's Visual C++ redistributable.",
            )
        return lines[-1] if lines else ""

    def _run(self, command: Sequence[str]) -> tuple[int, list[str]]:
        environ = {
            **os.environ,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "PIP_PROGRESS_BAR": "off",
            "PIP_USER": "0",
            "UV_NO_PROGRESS": "1",
            "UV_SYSTEM_CERTS": "1",
        }
        return self._console.run(command, environ, self.log)


def lock_file(descriptor: int) -> None:
    """Raises OSError when another process has it locked."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
