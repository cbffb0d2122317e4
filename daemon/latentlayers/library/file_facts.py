"""What was found out about files, remembered for as long as they stay the same."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from latentlayers.atomic import write_atomic
from latentlayers.errors import LatentLayersError


@dataclass(frozen=True)
class Stamp:
    """Size in bytes and date of a file at one moment; while they stay the same, so does the file."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Raises OSError."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)


class FileFacts:
    """One text about each of some files, forgotten once the file has changed or is gone. Thread-safe.

    Args:
        file: where it is kept as JSON, for other processes too. What cannot be written there, this object knows alone.
        version: what was kept under another version is forgotten.
    """

    def __init__(self, file: Path, version: str = "") -> None:
        self._file, self._version, self._mutex = file, version, threading.Lock()
        self._read_at: Stamp | None = None
        self._facts: dict[str, tuple[Stamp, str]] = {}

    def get(self, path: Path, stamp: Stamp) -> str | None:
        """What was put for the file as it was at `stamp`."""
        with self._mutex:
            self._refresh()
            known, fact = self._facts.get(str(path), (None, None))
        return fact if known == stamp else None

    def put(self, path: Path, stamp: Stamp, fact: str) -> None:
        """Remembers `fact` about the file as it was at `stamp`."""
        with self._mutex:
            self._refresh()
            self._facts[str(path)] = (stamp, fact)
            self._facts = {name: known for name, known in self._facts.items() if Path(name).exists()}
            files = {name: [stamp.size, stamp.mtime_ns, fact] for name, (stamp, fact) in self._facts.items()}
            with suppress(LatentLayersError, OSError):
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomic(self._file, json.dumps({"version": self._version, "files": files}).encode())
                self._read_at = Stamp.of(self._file)

    def clear(self) -> None:
        """Forgets everything."""
        with self._mutex, suppress(OSError):
            self._facts = {}
            self._file.unlink(missing_ok=True)

    def _refresh(self) -> None:
        """Reads the file if it was never read, or another process has written it."""
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):  # not there, or not as we write it
            stamp = Stamp.of(self._file)
            if stamp == self._read_at:
                return
            self._read_at = stamp
            content = json.loads(self._file.read_bytes())
            if content["version"] == self._version:
                self._facts = {name: (Stamp(*stamp), str(fact)) for name, (*stamp, fact) in content["files"].items()}
