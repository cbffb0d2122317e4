"""Edits under way: one at a time, the others waiting."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any, Callable

from ..qt import QObject, Signal
from ..values import refusal
from .edit import Edit, Job, Progress, Settings
from .memories import Memories
from .models import Models
from .operations import Operation


def _ends_the_edit(method: Callable[..., None]) -> Callable[..., None]:
    """Whatever goes wrong in a step of the edit ends it, and never in Krita's error dialog."""

    @functools.wraps(method)
    def guarded(self: Jobs, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except Exception as error:
            self._end("failed", refusal(error))

    return guarded


class Jobs(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Runs edits in the order they were asked for.

    Args:
        daemon, pb: wire's Daemon and messages.

    Signals:
        changed(Job): its state or progress is another.
        ended(Job): it is done, failed or cancelled.
    """

    changed = Signal(object)
    ended = Signal(object)

    def __init__(self, daemon: Any, pb: Any, memories: Memories, models: Models, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._daemon, self._pb, self._memories, self._models = daemon, pb, memories, models
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._call: Any = None

    @property
    def current(self) -> Job | None:
        """The edit that is running."""
        return self._current

    @property
    def waiting(self) -> int:
        """How many come after it."""
        return len(self._waiting)

    def start(self, operation: Operation, document: Any, layer: str, settings: Settings) -> Job:
        """Begins an edit, or puts it behind the one that is running."""
        job = Job(operation, document, layer, operation.kind, settings)
        self._waiting.append(job)
        self.changed.emit(job)
        self._next()
        return job

    def cancel(self) -> None:
        """Ends the running edit; what it has embedded so far is kept."""
        if self._current is not None:
            self._end("cancelled")

    def cancel_all(self) -> None:
        """Ends every edit."""
        while self._waiting:
            job = self._waiting.popleft()
            job.state = "cancelled"
            self.ended.emit(job)
        self.cancel()

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        job = self._current = self._waiting.popleft()
        job.state = "running"
        if self._models.known:
            self._begin(job)
        else:  # which of the document's codes count is only known with the model
            job.progress = Progress("connecting")
            self.changed.emit(job)
            self._follow(self._models.ask(), lambda: self._begin(job))

    @_ends_the_edit
    def _begin(self, job: Job) -> None:
        job.progress = Progress("reading")
        self.changed.emit(job)
        edit = Edit(job, self._pb, self._memories.of(job.document), self._models.digest(job.settings.model))
        call = self._daemon.call("EditingService", job.operation.method, edit.request())
        self._follow(call, lambda: self._finish(edit), lambda event: self._take(edit, event))

    def _follow(self, call: Any, done: Callable[[], None], take: Callable[[Any], None] | None = None) -> None:
        """Makes it the call of the running edit. What an earlier one still says is of no interest."""
        self._call = call

        def current(act: Callable[..., None]) -> Callable[..., None]:
            return lambda *arguments: act(*arguments) if call is self._call else None

        if take is not None:
            call.event.connect(current(take))
        call.done.connect(current(done))
        call.failed.connect(current(self._fail))

    @_ends_the_edit
    def _take(self, edit: Edit, event: Any) -> None:
        if edit.take(event):
            self._memories.save(edit.job.document)
        self.changed.emit(edit.job)

    @_ends_the_edit
    def _finish(self, edit: Edit) -> None:
        edit.finish()
        self._memories.save(edit.job.document)
        self._end("done")

    def _fail(self, error: Any) -> None:
        self._end("cancelled" if error.reason == "CANCELLED" else "failed", error)

    def _end(self, state: str, error: Any = None) -> None:
        job, call = self._current, self._call
        self._current = self._call = None
        if call is not None:
            call.cancel()  # does nothing to a call that has ended
        if job is not None:
            job.state, job.error = state, error
            self.changed.emit(job)
            self.ended.emit(job)
        self._next()
