"""The daemon, as the rest of the plugin sees it: a state and calls, never waiting, all in the GUI thread."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future
from typing import Any

from ..qt import QObject, Signal
from .call import Call
from .errors import CallError, from_exception
from .messages import Method, method
from .session import ConnectionState, Session
from .thread import LoopThread, Mailbox

UNARY_TIMEOUT_S = 60.0
# Responses that wait for a GUI thread that is busy; further ones stay with the daemon.
_MAX_UNDELIVERED = 32


class Daemon(QObject):
    """The connection to the daemon, and calls over it. Nothing runs before it is first used.

    Signals:
        state_changed(ConnectionState): `state` has a new value.

    Attributes:
        may_start: calls may start the daemon when none runs. (`start` always does.)
    """

    state_changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.may_start = True
        self._state = ConnectionState("idle", "Not connected yet.")
        self._mailbox = Mailbox(self)
        self._session = Session(lambda state: self._mailbox.post(lambda: self._set_state(state)))
        self._thread: LoopThread | None = None
        self._closed = False
        # The worker thread knows calls by number only: a QObject must not lose its last reference over there.
        self._calls: dict[int, tuple[Call, Future[None]]] = {}
        self._next_number = 0

    @property
    def state(self) -> ConnectionState:
        return self._state

    def connect_(self) -> None:
        """Connects to the daemon that runs; `state` tells what came of it. (`connect` is QObject's.)"""
        self._connect(start=False)

    def start(self) -> None:
        """Connects, and starts the daemon if none runs."""
        self._connect(start=True)

    def call(self, service: str, name: str, request: Any, timeout: float | None = None) -> Call:
        """Makes a call: `daemon.call("EditingService", "Morph", request)`. Connects first if need be.

        Args:
            timeout: seconds after which the daemon gives up; None: a minute for calls with one response, else never.

        Raises:
            KeyError: the contract has no such call.
        """
        rpc = method(service, name)
        if timeout is None and not rpc.streaming:
            timeout = UNARY_TIMEOUT_S
        number, self._next_number = self._next_number, self._next_number + 1
        call = Call(lambda: self._cancel(number))
        if self._closed:
            call.cancel()
            return call
        future = self._worker().submit(self._run(number, rpc, request, timeout, self.may_start))
        self._calls[number] = call, future
        return call

    def close(self) -> None:
        """Ends the connection and all calls, without any further signal. Returns at once; nothing can be used after.

        The daemon itself lives on.
        """
        self._closed = True
        self._mailbox.close()
        self._calls.clear()
        if self._thread is not None:
            self._thread.stop()

    # In the GUI thread

    def _worker(self) -> LoopThread:
        if self._thread is None:
            self._thread = LoopThread()
        return self._thread

    def _connect(self, start: bool) -> None:
        if not self._closed:
            self._worker().submit(self._try_to_connect(start))

    def _set_state(self, state: ConnectionState) -> None:
        self._state = state
        self.state_changed.emit(state)

    def _deliver(self, number: int, message: Any) -> None:
        if number in self._calls:
            self._calls[number][0].deliver(message)

    def _end(self, number: int, error: CallError | None) -> None:
        if number in self._calls:
            self._calls.pop(number)[0].finish(error)

    def _cancel(self, number: int) -> None:
        if number in self._calls:
            call, future = self._calls.pop(number)
            future.cancel()
            self._mailbox.post(call.finish_cancelled)

    # In the worker thread

    async def _try_to_connect(self, start: bool) -> None:
        with contextlib.suppress(CallError):  # which the session has reported
            await self._session.connect(start=start, insist=True)

    async def _run(self, number: int, rpc: Method, request: Any, timeout: float | None, start: bool) -> None:
        thread = self._worker()
        undelivered = asyncio.Semaphore(_MAX_UNDELIVERED)

        async def deliver(message: Any) -> None:
            await undelivered.acquire()
            self._mailbox.post(lambda: hand_over(message))

        def hand_over(message: Any) -> None:
            thread.call_soon(undelivered.release)
            self._deliver(number, message)

        error = None
        try:
            await self._session.run(rpc, request, deliver, timeout, start=start)
        except asyncio.CancelledError:
            raise
        except Exception as exception:
            error = from_exception(exception)
        self._mailbox.post(lambda: self._end(number, error))
