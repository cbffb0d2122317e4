"""Numbered steps, times and a sign of life: a spinner on a terminal, a plain line now and then in a pipe."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

PLAIN_INTERVAL = 15.0  # seconds between signs of life where there is no terminal
TICK = 0.15
INDENT = " " * 6


class Console:
    """Writes to `stream`; with `verbose`, programs' output is shown instead of a sign of life."""

    def __init__(self, stream: TextIO, *, verbose: bool) -> None:
        self._stream = stream
        self._verbose = verbose
        self._terminal = stream.isatty()
        self._done = 0
        self._total = 0

    def plan(self, steps: int) -> None:
        """How many steps the following ones are counted against."""
        self._done, self._total = 0, steps

    def say(self, text: str = "") -> None:
        print(text, file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """A remark under the step that is under way."""
        self.say(textwrap.fill(text, 100, initial_indent=INDENT, subsequent_indent=INDENT))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announces the next step, and how long it took once it is done."""
        self._done += 1
        self.say(f"[{self._done}/{self._total}] {title}")
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        if seconds >= 0.1:
            self.note(f"done in {duration(seconds)}")

    def run(self, command: Sequence[str], environ: Mapping[str, str], log: Path) -> tuple[int, list[str]]:
        """Runs a program to its end, its output appended to `log`.

        Returns:
            Its exit status and the lines that it printed. An interrupt ends the program too and is passed on.
        """
        lines: list[str] = []
        with log.open("a", encoding="utf-8") as file:
            file.write(f"\n$ {' '.join(command)}\n")
            process = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            reader = threading.Thread(target=self._read, args=(process, file, lines), daemon=True)
            reader.start()
            try:
                self._wait(process, lines)
            except BaseException:
                process.kill()
                process.wait()
                raise
            finally:
                reader.join(5.0)  # not for ever: a program it started may keep the pipe open
            return process.returncode, lines

    def _read(self, process: subprocess.Popen[str], file: TextIO, lines: list[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            file.flush()
            lines.append(line.rstrip())
            if self._verbose:
                self.say(INDENT + line.rstrip())

    def _wait(self, process: subprocess.Popen[str], lines: list[str]) -> None:
        started = last_sign = time.monotonic()
        ticks = 0
        while True:
            try:
                process.wait(TICK)
                break
            except subprocess.TimeoutExpired:
                ticks += 1
            now = time.monotonic()
            doing = next((line.strip() for line in reversed(lines) if not line.startswith("WARNING")), "starting")
            if self._terminal and not self._verbose:
                text = f"   {'-/|'[ticks % 4 - 1]}  {duration(now - started)}  {doing}"
                self._overwrite(text)
            elif not self._verbose and now - last_sign >= PLAIN_INTERVAL:
                self.say(f"{INDENT}{duration(now - started)}: {doing[:90]}")
                last_sign = now
        if self._terminal and not self._verbose:
            self._overwrite("")

    def _overwrite(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:width]:<{width}}\r", end="", file=self._stream, flush=True)


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
