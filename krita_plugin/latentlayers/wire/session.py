"""The connection to the daemon as the worker thread keeps it: found or started when somebody needs it, then watched."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping

from .._vendor import VERSION
from .address import Installation, announced_endpoint, given_endpoint, state_folder
from .connection import Connection, Deliver
from .errors import CallError, from_exception, lost
from .launch import Launch, require_startable
from .messages import Method

_CONNECT_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 3.0  # for a daemon that hangs; one that is gone is noticed at once
_START_TIMEOUT_S = 30.0
_START_POLL_S = 0.05
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class ConnectionState:
    """How the plugin stands with the daemon.

    Attributes:
        kind: "idle" (nobody needed it yet), "connecting", "starting" (the daemon is), "connected" or "failed".
        message: a sentence for people.
        remedy: what to do about it; "" if nothing.
        code: reason code of a failure, e.g. "DAEMON_NOT_RUNNING"; "" otherwise.
        status: the daemon's `GetStatusResponse` from when it was connected to; None while it is not.
        local: the daemon certainly runs on this machine, so that file paths mean the same to it.
    """

    kind: str
    message: str
    remedy: str = ""
    code: str = ""
    status: Any = None
    local: bool = False


class Session:
    """At most one connection, shared by all calls. All methods run in the worker thread.

    Args:
        report: told every new state, in the worker thread.
    """

    def __init__(self, report: Callable[[ConnectionState], None], environ: Mapping[str, str] = os.environ) -> None:
        self._report = report
        self._environ = environ
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[Connection] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._start_wanted = False
        self._failures = 0
        self._failure: CallError | None = None
        self._failed_to_start = False
        self._not_before = 0.0

    async def run(self, rpc: Method, request: Any, deliver: Deliver, timeout: float | None, *, start: bool) -> None:
        """Makes a call, connecting first if need be, and starting the daemon if need be and `start`.

        Raises:
            CallError: whatever went wrong.
        """
        connection = await self.connect(start=start, insist=False)
        try:
            await connection.call(rpc, request, deliver, timeout)
        except CallError as error:
            if error.reason == lost().reason:
                self._drop(connection)
            raise

    async def connect(self, *, start: bool, insist: bool) -> Connection:
        """The connection, which is made if there is none.

        Args:
            insist: a person asks: try even if it failed a moment ago. Otherwise the pause grows with every failure.

        Raises:
            CallError: whatever keeps it from being made.
        """
        if self._connection is not None:
            return self._connection
        loop = asyncio.get_event_loop()
        self._start_wanted |= start
        if self._attempt is None:
            # That nobody was there before does not keep a call from starting the daemon.
            tried = self._failed_to_start or not start
            if self._failure is not None and tried and not insist and loop.time() < self._not_before:
                raise self._failure
            self._attempt = loop.create_task(self._connect())
        # Shielded: others may wait for the same attempt, so that a cancelled call must not end it.
        return await asyncio.shield(self._attempt)

    async def _connect(self) -> Connection:
        loop = asyncio.get_event_loop()
        self._report(ConnectionState("connecting", "Looking for the daemon."))
        try:
            self._connection = await self._find_or_start()
        except Exception as exception:
            error = self._failure = from_exception(exception)
            self._failed_to_start = self._start_wanted
            self._not_before = loop.time() + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._failures)
            self._failures += 1
            self._report(ConnectionState("failed", error.message, error.remedy, error.reason))
            raise error from None
        finally:
            self._attempt = None
            self._start_wanted = False
        self._failures, self._failure = 0, None
        self._watch = loop.create_task(self._report_loss(self._connection))
        self._report(_connected(self._connection))
        return self._connection

    async def _find_or_start(self) -> Connection:
        installation = Installation.read()
        state = state_folder(installation, self._environ)
        given = given_endpoint(state, self._environ)
        if given is not None:
            return await Connection.open(given, _CONNECT_TIMEOUT_S)
        running = await _open_announced(state)
        if running is not None:
            return running
        if not self._start_wanted:
            require_startable(installation, self._environ)
            raise CallError(
                "UNAVAILABLE",
                "DAEMON_NOT_RUNNING",
                "No daemon is running.",
                "Start it with the Fix button, or with `latentlayers serve`.",
            )
        self._report(ConnectionState("starting", "Starting the daemon."))
        return await self._start(installation, state)

    async def _start(self, installation: Installation, state: Path) -> Connection:
        launch = Launch(installation, state, self._environ)
        loop = asyncio.get_event_loop()
        deadline = loop.time() + _START_TIMEOUT_S
        while loop.time() < deadline:
            running = await _open_announced(state)
            if running is not None:
                return running
            launch.require_alive()
            await asyncio.sleep(_START_POLL_S)
        raise launch.failure(f"The daemon did not answer within {_START_TIMEOUT_S:.0f} seconds")

    async def _report_loss(self, connection: Connection) -> None:
        await connection.wait_until_lost()
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        """Forgets a connection that is gone; the next call makes a new one."""
        if connection is self._connection:
            self._connection = None
            connection.close()
            error = lost()
            self._report(ConnectionState("failed", error.message, error.remedy, error.reason))


async def _open_announced(state: Path) -> Connection | None:
    """A connection to the daemon that announced itself; None if there is none or it is gone."""
    endpoint = announced_endpoint(state)
    if endpoint is None:
        return None
    try:
        return await Connection.open(endpoint, _PROBE_TIMEOUT_S)
    except CallError as error:
        if error.code == "UNAVAILABLE":
            return None
        raise


def _connected(connection: Connection) -> ConnectionState:
    version, message, remedy = connection.status.version, "Connected", ""
    if connection.newer:
        message = f"The daemon ({version}) is newer than this plugin ({VERSION})"
        remedy = "Update the plugin to use everything that the daemon can do."
    return ConnectionState("connected", f"{message}.", remedy, "", connection.status, connection.endpoint.local)
