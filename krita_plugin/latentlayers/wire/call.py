"""One call to the daemon, as the GUI thread sees it."""

from __future__ import annotations

from typing import Any, Callable

from ..qt import QObject, Signal
from .errors import CallError, cancelled


class _Signals(QObject):
    response = Signal(object)
    done = Signal()
    failed = Signal(object)


class Call:
    """A call that is under way; made by `Daemon.call`. Lives on without being referenced until it has ended.

    All signals come in the GUI thread, never before control returns to the event loop, and exactly one of `done` and
    `failed` comes, as the last. (Not a QObject itself: there, `event` is how Qt delivers everything.)

    Signals:
        event(message): a response; for editing calls the `EditEvent` in it.
        done(): the call ended well.
        failed(CallError): it did not.
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._signals = _Signals()
        self.event, self.done, self.failed = self._signals.response, self._signals.done, self._signals.failed
        self._cancel = cancel
        self._finished = False

    @property
    def finished(self) -> bool:
        """`done` or `failed` has been emitted, or is on its way after `cancel`."""
        return self._finished

    def cancel(self) -> None:
        """Ends this call only, at the daemon too: no more events, and `failed` with reason CANCELLED follows.

        Does nothing once the call has ended.
        """
        if not self._finished:
            self._finished = True
            self._cancel()

    def deliver(self, message: Any) -> None:
        """Passes a response on, unless the call has ended."""
        if not self._finished:
            self.event.emit(message)

    def finish(self, error: CallError | None) -> None:
        """Ends the call, unless it has ended."""
        if not self._finished:
            self._finished = True
            if error is None:
                self.done.emit()
            else:
                self.failed.emit(error)

    def finish_cancelled(self) -> None:
        """What follows `cancel`."""
        self.failed.emit(cancelled())
