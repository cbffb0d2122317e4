"""One life of the worker process: its pipes, its log, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from latentlayers.engine.frames import HEADER, Frame, FrameKind, parse_header
from latentlayers.service.tasks import background

log = logging.getLogger(__name__)
worker_log = logging.getLogger("latentlayers.worker")

READ_BUFFER = 1 << 20
KEPT_LINES = 10
# A host application's Python (Krita's, a notebook's) must not decide what ours imports.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")


class WorkerProcess:
    """A running worker. Made by `spawn`."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._fault = ""
        self._stderr = background(self._copy_stderr())

    @classmethod
    async def spawn(cls, command: Sequence[str], folder: Path) -> WorkerProcess:
        """Starts `command` in `folder`. Raises OSError if it cannot be started."""
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=READ_BUFFER, cwd=folder, env=environment
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, frame: Frame) -> None:
        """Queues a frame for the worker; one that is already dead does not get it, which `receive` will tell."""
        assert self._process.stdin is not None
        self._process.stdin.write(frame.encode())

    async def receive(self) -> Frame | None:
        """The next frame, or None if the worker closed its pipe. Raises ValueError if it sends anything else."""
        assert self._process.stdout is not None
        try:
            kind, job, length = parse_header(await self._process.stdout.readexactly(HEADER.size))
            return Frame(kind, job, await self._process.stdout.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def kill(self, fault: str) -> None:
        """Ends the worker at once; `fault` says why, as in "it did not stop"."""
        self._fault = fault
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self, grace_s: float) -> None:
        """Asks the worker to exit, more and more firmly; returns when it is gone, after 2 * `grace_s` at most."""
        self.send(Frame(FrameKind.SHUTDOWN, 0))
        if await self._exits_within(grace_s):
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        if not await self._exits_within(grace_s):
            log.warning("worker %d does not exit and is killed", self.pid)
            self.kill("it did not exit")
            await self._process.wait()

    async def bury(self, grace_s: float) -> str:
        """Makes sure that a worker whose pipe is closed is gone, and says how it ended, as a clause."""
        if not await self._exits_within(grace_s):
            self.kill("it closed its pipe but did not exit")
        code = await self._process.wait()
        await asyncio.wait([self._stderr], timeout=grace_s)
        return self._describe(code)

    async def _exits_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True

    def _describe(self, code: int) -> str:
        if self._fault:
            return f"had to be killed: {self._fault}"
        if code >= 0:
            last = f", saying {self._last_lines[-1]!r}" if self._last_lines else ""
            return f"exited with code {code}{last}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        if name == "SIGKILL":
            return "was killed (SIGKILL), which is what the system does when memory runs out"
        return f"was ended by {name}"

    async def _copy_stderr(self) -> None:
        """Copies what the worker prints to its log. Must never stop before the worker: a full pipe would block it."""
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(READ_BUFFER):
            for line in chunk.decode(errors="replace").splitlines():
                if line.strip():
                    self._last_lines.append(line.strip()[:200])
                    worker_log.info("%s", line)
