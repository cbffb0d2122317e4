"""What there is of a download: the bytes so far, and beside them which version of the file they belong to."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

LEFTOVER_AGE_S = 14 * 24 * 3600.0


@dataclass(frozen=True)
class Version:
    """How a server tells one version of a file from the next.

    Attributes:
        etag, modified: its `ETag` (a strong one) and `Last-Modified`; "" if it sent none.
        total: bytes of the whole file; 0: not known.
    """

    etag: str = ""
    modified: str = ""
    total: int = 0

    @property
    def validator(self) -> str:
        """What `If-Range` takes; "" if nothing can tell versions apart."""
        return self.etag or self.modified

    def contradicts(self, other: Version) -> bool:
        """Whether the two cannot be the same version."""
        mine, theirs = asdict(self), asdict(other)
        return any(mine[key] and theirs[key] and mine[key] != theirs[key] for key in mine)


class Partial:
    """The unfinished (or just finished) download of one address, kept in `folder` between runs of the daemon.

    Attributes:
        file: the bytes so far; there is none before `begin`.
    """

    def __init__(self, folder: Path, address: str) -> None:
        key = hashlib.sha256(address.encode()).hexdigest()[:32]
        self.file, self._note = folder / f"{key}.part", folder / f"{key}.json"

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def version(self) -> Version:
        """That of the bytes; an empty one if it is not known."""
        with suppress(OSError, ValueError, TypeError):
            version = Version(**json.loads(self._note.read_bytes()))
            if [type(value) for value in asdict(version).values()] == [str, str, int]:
                return version
        return Version()

    def begin(self, version: Version) -> BinaryIO:
        """An empty file for `version`. The note is written last: bytes without one are not gone on with."""
        self.discard()
        file = self.file.open("wb")
        self._note.write_text(json.dumps(asdict(version)))
        return file

    def go_on(self) -> BinaryIO:
        """The file, to append to."""
        return self.file.open("ab")

    def discard(self) -> None:
        """Forgets what there is."""
        self._note.unlink(missing_ok=True)
        self.file.unlink(missing_ok=True)


def sweep(folder: Path, spare: Collection[Path] = ()) -> None:
    """Removes downloads that nobody went on with for two weeks, except the files in `spare`."""
    for file in folder.glob("*.part"):
        with suppress(OSError):
            if file not in spare and file.stat().st_mtime < time.time() - LEFTOVER_AGE_S:
                file.unlink()
                file.with_suffix(".json").unlink(missing_ok=True)
