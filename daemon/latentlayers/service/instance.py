"""One daemon per user: the lock, the file that tells callers where it listens, and the token for TCP."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from latentlayers.atomic import write_atomic
from latentlayers.paths import Paths

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class InstanceLock:
    """An operating system lock: held by the running daemon and gone with it, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Takes the lock; False if another process holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform == "win32":
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Gives the lock back. The file stays: removing it would let two daemons hold two locks."""
        os.close(self._descriptor)


@dataclass(frozen=True)
class Announcement:
    """What `Paths.address_file` says, as JSON.

    Attributes:
        address: "unix:/path" or "host:port".
        token_file: file with the secret that callers must send; None: none needed.
        tls_certificate: PEM file callers should trust; None: no TLS.
    """

    address: str
    pid: int
    version: str
    token_file: str | None
    tls_certificate: str | None

    def publish(self, paths: Paths) -> None:
        """Writes the file, readable by this user only. Raises as `write_atomic`."""
        write_atomic(paths.address_file, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, paths: Paths) -> Announcement | None:
        """What the running daemon announced, or None if there is nothing that can be read."""
        try:
            return cls(**json.loads(paths.address_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


def withdraw(paths: Paths) -> None:
    """Removes the announcement and the socket; to be called by the holder of the lock only."""
    paths.address_file.unlink(missing_ok=True)
    paths.socket.unlink(missing_ok=True)


def token(paths: Paths) -> str:
    """The secret TCP callers must present; made on first use, readable by this user only. Raises as `write_atomic`."""
    with contextlib.suppress(OSError):
        kept = paths.token_file.read_text(encoding="ascii").strip()
        if kept:
            return kept
    made = secrets.token_urlsafe(32)
    write_atomic(paths.token_file, made.encode())
    return made
