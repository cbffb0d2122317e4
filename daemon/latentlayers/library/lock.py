"""A lock between the processes that share a library."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from latentlayers.atomic import write_error


@contextlib.contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Holds a lock between processes for the block, waiting for it; the system frees it if the process dies.

    Raises:
        LatentLayersError: as `write_error`, if the lock file cannot be made.
    """
    try:
        file = lock_file.open("a+b")
    except OSError as error:
        raise write_error(lock_file, error) from error
    with file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            while True:
                with contextlib.suppress(OSError):  # LK_LOCK gives up after ten seconds
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
            try:
                yield
            finally:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            yield
