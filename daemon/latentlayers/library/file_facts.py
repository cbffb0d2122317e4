"""What was found out about files, remembered for as long as they stay the same."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from latentlayers.errors import LatentLayersError
from latentlayers.library.atomic import write_atomic


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
        file: where it is kept as JSON; what cannot be written there is remembered by this object alone.
        version: what was kept under another version is forgotten.
    """

    def __init__(self, file: Path, version: str = "") -> None:
        self._file, self._version, self._mutex = file, version, threading.Lock()
        self._kept = self._load()
        self._passing: dict[str, tuple[Stamp, str]] = {}

    def get(self, path: Path, stamp: Stamp) -> str | None:
        """What was put for the file as it was at `stamp`."""
        with self._mutex:
            for facts in (self._passing, self._kept):
                known, fact = facts.get(str(path), (None, None))
                if known == stamp:
                    return fact
        return None

    def put(self, path: Path, stamp: Stamp, fact: str, *, lasting: bool = True) -> None:
        """Remembers `fact`; unless it is `lasting`, only for as long as this object lives."""
        with self._mutex:
            if not lasting:
                self._passing[str(path)] = (stamp, fact)
                return
            self._kept[str(path)] = (stamp, fact)
            self._kept = {name: known for name, known in self._kept.items() if Path(name).exists()}
            files = {name: [stamp.size, stamp.mtime_ns, fact] for name, (stamp, fact) in self._kept.items()}
            with suppress(LatentLayersError):
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomic(self._file, json.dumps({"version": self._version, "files": files}).encode())

    def _load(self) -> dict[str, tuple[Stamp, str]]:
        try:
            content = json.loads(self._file.read_bytes())
            if content["version"] == self._version:
                return {name: (Stamp(*stamp), str(fact)) for name, (*stamp, fact) in content["files"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass  # nothing was found out yet, or it has to be found out again
        return {}
