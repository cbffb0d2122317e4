"""Writing files so that a reader, or a crash at any moment, finds the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from latentlayers.errors import Exhausted, LatentLayersError

# Names of unfinished files begin like this; what a killed process leaves behind is recognised by it.
TEMPORARY_PREFIX = ".tmp-"

# EFBIG: the file system's or the process's limit on the size of one file; not on Windows: EDQUOT.
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
# What folders on some network file systems answer, and folders that may be written to but not listed.
_NEVER_SYNCHRONISED = {errno.EINVAL, errno.ENOTSUP, errno.EACCES}

Failure = Callable[[Path, OSError], LatentLayersError]


def no_room(error: OSError) -> bool:
    """Whether a disk, a quota or a limit on file sizes is what stopped a write."""
    return error.errno in _NO_ROOM


def disk_full(path: Path, error: OSError) -> Exhausted | None:
    """DISK_FULL if that is why `path` could not be written."""
    if not no_room(error):
        return None
    return Exhausted(
        "DISK_FULL",
        f"There is no room to write {path}: {error.strerror}.",
        f"Free some space on the disk that holds {path.parent} and try again.",
    )


def write_error(path: Path, error: OSError) -> LatentLayersError:
    """The typed error for a failed write of the daemon's own file `path`: DISK_FULL or LIBRARY_WRITE_FAILED."""
    return disk_full(path, error) or LatentLayersError(
        "LIBRARY_WRITE_FAILED",
        f"{path} cannot be written: {error.strerror or type(error).__name__}.",
        f"Check that {path.parent} exists and that you may write to it.",
    )


@contextlib.contextmanager
def atomic_writer(path: Path, *, private: bool = True, failure: Failure = write_error) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when the block ends, and vanishes if the block raises.

    Args:
        private: the file is its owner's alone; else it keeps the permissions of the one it replaces, or gets those that
            the umask allows.

    Raises:
        LatentLayersError: what `failure` makes of `path` and an OSError.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    mode = 0o600 if private else 0o666
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not private:
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise failure(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_atomic(path: Path, data: bytes, *, private: bool = True, failure: Failure = write_error) -> None:
    """Puts `data` at `path`; arguments and errors are those of `atomic_writer`."""
    with atomic_writer(path, private=private, failure=failure) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Makes renames and deletions in `folder` survive a power cut, where the system can (Windows cannot)."""
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NEVER_SYNCHRONISED:
            raise
