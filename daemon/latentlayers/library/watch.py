"""Telling when a folder has changed and come to rest again."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 20.0  # notifications are lost at times, when a folder is renamed while it is being added to the watch
SETTLE_S = 0.5  # as long as sizes and dates keep changing within this time, something is being copied
PATIENCE_S = 5.0  # a file that is copied for an hour must not hide what happens to the others


class FolderWatch:
    """Calls `changed` after something under `folder` changed and then stood still, or keeps changing for seconds.

    Uses the system's notifications, or looks every few seconds where it has none left to give. What changes from now
    on counts; the calls come after `start`. Ends with `close`, after which `changed` is not called any more.
    """

    def __init__(
        self, folder: Path, changed: Callable[[], None], settle: float = SETTLE_S, patience: float = PATIENCE_S
    ) -> None:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer
        from watchdog.observers.polling import PollingObserver

        self._folder, self._changed, self._settle, self._patience = folder, changed, settle, patience
        self._event, self._closing = threading.Event(), threading.Event()
        event = self._event

        class Handler(FileSystemEventHandler):
            def on_any_event(self, what: FileSystemEvent) -> None:
                # Reading the files, which `changed` does, must not count.
                if what.event_type not in ("opened", "closed_no_write"):
                    event.set()

        self._observer = Observer()
        try:
            self._observer.schedule(Handler(), str(folder), recursive=True)
            self._observer.start()
        except OSError as error:  # no inotify instance or watch is left
            log.warning("%s is polled: %s", folder, error)
            self._observer = PollingObserver(timeout=5)
            self._observer.schedule(Handler(), str(folder), recursive=True)
            self._observer.start()
        self._seen = self._snapshot()
        self._thread = threading.Thread(target=self._run, name="models-watch", daemon=True)

    def start(self) -> None:
        """Begins to call `changed`."""
        self._thread.start()

    def close(self) -> None:
        """Stops watching. Not to be called from `changed`."""
        self._closing.set()
        self._event.set()
        self._observer.stop()
        self._observer.join()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            notified = self._event.wait(LOOK_AGAIN_S)
            self._event.clear()
            if self._closing.is_set():
                return
            if not notified and self._snapshot() == self._seen:
                continue
            before, until = None, time.monotonic() + self._patience
            while (now := self._snapshot()) != before and time.monotonic() < until:
                before = now
                if self._closing.wait(self._settle):
                    return
            self._seen = now
            try:
                self._changed()
            except Exception:
                log.exception("%s changed, which could not be handled", self._folder)

    def _snapshot(self) -> dict[Path, tuple[int, int]]:
        """Size and date of every file in the folder."""
        found = {}
        for parent, folders, files in os.walk(self._folder):  # unlike Path.rglob it survives folders that vanish
            for path in (Path(parent, name) for name in (*folders, *files)):
                with suppress(OSError):  # deleted meanwhile
                    status = path.stat()
                    found[path] = (status.st_size, status.st_mtime_ns)
        return found
