"""Writing files so that a reader, or a crash at any moment, finds the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from latentlayers.errors import Exhausted, LatentLayersError

# Names of unfinished files begin like this; what a killed process leaves behind is recognised by it.
TEMPORARY_PREFIX = ".tmp-"

# EFBIG: the file system's or the process's limit on the size of one file; not on Windows: EDQUOT.
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def write_error(path: Path, error: OSError) -> LatentLayersError:
    """The typed error for a failed write to `path`: DISK_FULL or LIBRARY_WRITE_FAILED."""
    cause = error.strerror or type(error).__name__
    if error.errno in _NO_ROOM:
        return Exhausted(
            "DISK_FULL",
            f"There is no room to write {path}: {cause}.",
            f"Free some space on the disk that holds {path.parent} and try again.",
        )
    return LatentLayersError(
        "LIBRARY_WRITE_FAILED",
        f"{path} cannot be written: {cause}.",
        f"Check that {path.parent} exists and that you may write to it.",
    )


@contextlib.contextmanager
def atomic_writer(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when the block ends, and vanishes if the block raises.

    Raises:
        Exhausted: DISK_FULL. LatentLayersError: LIBRARY_WRITE_FAILED, any other failure of the file system.
    """
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=TEMPORARY_PREFIX, delete=False) as file:
            temporary = Path(file.name)
            yield file  # type: ignore[misc]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_atomic(path: Path, data: bytes) -> None:
    """Puts `data` at `path`; raises as `atomic_writer` does."""
    with atomic_writer(path) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Makes renames and deletions in `folder` survive a power cut; does nothing on Windows, which cannot."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive(lock_file: Path) -> Iterator[None]:
    """Holds a lock between processes for the block, waiting for it; the system frees it if the process dies.

    Raises:
        LatentLayersError: as `atomic_writer`, if the lock file cannot be made.
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
