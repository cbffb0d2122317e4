"""The worker thread with its event loop, and the way back from it into the GUI thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import Any, Callable, Coroutine

from ..qt import QObject, Qt, Signal

# Tasks that are cancelled have this long to tell the daemon so; then the thread ends all the same.
_GRACE_S = 0.5


class LoopThread:
    """An asyncio event loop in a thread of its own. It costs nothing while no task has anything to do."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="latentlayers", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Runs `coroutine` in the thread. Cancelling the returned future cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Runs `function` in the thread; not at all once the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Cancels every task and ends the thread, soon after this returns."""
        self.call_soon(self._loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._cancel_all()
        finally:
            self._loop.close()

    def _cancel_all(self) -> None:
        """Ends all tasks, also those that others start while they end; they have `_GRACE_S` for it."""
        deadline = self._loop.time() + _GRACE_S
        while (tasks := asyncio.all_tasks(self._loop)) and self._loop.time() < deadline:
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=deadline - self._loop.time()))


class Mailbox(QObject):
    """Runs functions in the thread that made it (the GUI's), in the order in which they were posted."""

    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, function: Callable[[], object]) -> None:
        """Has `function` run soon; from any thread. Does nothing after `close`."""
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # Qt has deleted it: Krita is quitting
                self._posted.emit(function)

    def close(self) -> None:
        """Drops what is posted and not run yet, and all that is posted later."""
        self._closed = True

    def _run(self, function: Callable[[], object]) -> None:
        if not self._closed:
            function()
