"""The `latentlayers` command as users run it, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentlayers.cli import main

COMMAND = (sys.executable, "-m", "latentlayers")
PATIENCE_S = 120


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document; nothing may be beside it."""
        assert not self.err, self.err
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """Its JSON error, which has all three parts."""
        error = self.document["error"]
        assert error["message"].strip()
        assert error["remedy"].strip()
        return error


def run_process(*arguments: object, **environment: object) -> Run:
    """In a process of its own, with these additions to the environment."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
    )
    return Run(done.returncode, done.stdout, done.stderr)


def runner(capsys: Any, address: str | None = None) -> Callable[..., Run]:
    """Commands run in this process, which is much quicker; they talk to the daemon at `address`."""

    def run(*arguments: object) -> Run:
        extra = ["--address", address] if address else []
        capsys.readouterr()
        code = main([*map(str, arguments), *extra])
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
