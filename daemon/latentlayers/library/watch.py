"""Telling when a folder has changed and come to rest again."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_S = 1.0  # between two looks; longer where they cost much, in a folder of thousands of files or over a network
SHARE_OF_A_CORE = 0.002  # that looking may cost
LONGEST_PAUSE_S = 20.0
SETTLE_S = 0.5  # as long as sizes and dates keep changing within this time, something is being copied
PATIENCE_S = 5.0  # a file that is copied for an hour must not hide what happens to the others

Look = dict[str, tuple[int, int, int]]


class FolderWatch:
    """Calls `changed` after something under `folder` changed and then stood still, or keeps changing for seconds.

    What changes from now on counts; the calls come after `start`. Ends with `close`, after which `changed` is not
    called any more.

    It looks for itself every second, which costs a thousandth of a core for a hundred files. The system's
    notifications come sooner, but cannot be relied on: some are lost when folders come and go quickly, network drives
    give none, and nothing tells when they have ceased.
    """

    def __init__(
        self, folder: Path, changed: Callable[[], None], settle: float = SETTLE_S, patience: float = PATIENCE_S
    ) -> None:
        self._folder, self._changed, self._settle, self._patience = folder, changed, settle, patience
        self._closing = threading.Event()
        self._seen = self._look()
        self._thread = threading.Thread(target=self._run, name="models-watch", daemon=True)

    def start(self) -> None:
        """Begins to call `changed`."""
        self._thread.start()

    def close(self) -> None:
        """Stops watching. Not to be called from `changed`."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = LOOK_S
        while not self._closing.wait(pause):
            began, worked = time.monotonic(), time.thread_time()
            now = self._look()
            pause = min(
                max(LOOK_S, time.monotonic() - began, (time.thread_time() - worked) / SHARE_OF_A_CORE), LONGEST_PAUSE_S
            )
            if now == self._seen:
                continue
            before, until = None, time.monotonic() + self._patience
            while now != before and time.monotonic() < until:
                if self._closing.wait(self._settle):
                    return
                before, now = now, self._look()
            self._seen = now
            try:
                self._changed()
            except Exception:
                log.exception("%s changed, which could not be handled", self._folder)

    def _look(self) -> Look:
        """Size and dates of the folder and of everything in it."""
        found: Look = {}
        _note(found, str(self._folder))
        for parent, folders, files in os.walk(self._folder):  # unlike Path.rglob it survives folders that vanish
            for name in (*folders, *files):
                _note(found, os.path.join(parent, name))  # noqa: PTH118, a Path costs as much as the look itself
        return found


def _note(found: Look, path: str) -> None:
    for status_of in (os.stat, os.lstat):  # of a link: what it leads to, if anything
        try:
            status = status_of(path)
        except OSError:  # deleted meanwhile, or a link that leads nowhere
            continue
        # The second date changes with the permissions too. Neither changes when a file is read.
        found[path] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return
