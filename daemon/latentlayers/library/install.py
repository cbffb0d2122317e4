"""Folders that appear complete or not at all, and vanish at once."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from latentlayers.atomic import TEMPORARY_PREFIX, sync_folder, write_error


def install(target: Path, fill: Callable[[Path], object]) -> None:
    """Makes the folder `target`, or replaces it, with what `fill` puts into the folder it is given.

    Raises:
        What `fill` raises; of that, OSError as Exhausted, DISK_FULL, or LatentLayersError, LIBRARY_WRITE_FAILED.
    """
    staging: Path | None = None
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=target.parent))
        fill(staging)
        for file in staging.iterdir():
            with file.open("r+b") as content:
                os.fsync(content.fileno())
        sync_folder(staging)
        if target.exists():
            discard(target)
        staging.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def discard(folder: Path) -> None:
    """Deletes a folder; whoever looks sees all of it or none. Raises OSError."""
    doomed = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder.parent))
    folder.replace(doomed / folder.name)
    shutil.rmtree(doomed)


def sweep(folder: Path, least_age_s: float = 0.0) -> None:
    """Removes what a killed process was installing or discarding in `folder` at least so many seconds ago."""
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError):
            if leftover.stat().st_mtime <= time.time() - least_age_s:
                shutil.rmtree(leftover, ignore_errors=True)
