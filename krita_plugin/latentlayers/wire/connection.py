"""One open channel to a daemon that speaks the same protocol. Everything here runs in the worker thread."""

from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable

from .._vendor import VERSION
from .._vendor.grpclib.client import Channel
from .._vendor.grpclib.config import Configuration
from .._vendor.grpclib.const import Cardinality
from .address import Endpoint
from .errors import CallError, Details, from_exception
from .messages import GetStatusRequest, Method, message, method

# The protocol that this plugin was made for; a test compares it with the daemon's.
PROTOCOL = 1

# What may be under way before the receiver says "go on": a whole 2048x2048 RGBA picture.
_WINDOW_BYTES = 16 << 20

Deliver = Callable[[Any], Awaitable[None]]


class Connection:
    """Made by `open`.

    Attributes:
        endpoint: whom we talk to.
        status: the `GetStatusResponse` to the first call; its `max_message_bytes` is the limit for requests.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.status: Any = None
        self._metadata = {"authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
        config = Configuration(
            http2_connection_window_size=_WINDOW_BYTES,
            http2_stream_window_size=_WINDOW_BYTES,
            ssl_target_name_override=endpoint.server_name or None,
        )
        host, port = (None, None) if endpoint.path else endpoint.host_and_port
        self._channel = Channel(
            host, port, path=endpoint.path, ssl=endpoint.tls(), config=config, status_details_codec=Details()
        )

    @classmethod
    async def open(cls, endpoint: Endpoint, timeout: float) -> Connection:
        """Connects and compares versions.

        Raises:
            CallError: DAEMON_UNREACHABLE and its kin; DAEMON_TOO_OLD, PLUGIN_TOO_OLD.
        """
        connection = cls(endpoint)
        try:

            async def keep(status: Any) -> None:
                connection.status = status

            await connection.call(method("DaemonService", "GetStatus"), GetStatusRequest(), keep, timeout)
            _require_same_protocol(connection.status)
        except BaseException as error:
            connection.close()
            if isinstance(error, CallError) and error.code == "UNIMPLEMENTED":
                raise _plugin_too_old() from None
            raise
        return connection

    @property
    def newer(self) -> bool:
        """The daemon can do more than this plugin knows of."""
        return bool(self.status.protocol > PROTOCOL)

    async def call(self, rpc: Method, request: Any, deliver: Deliver, timeout: float | None) -> None:
        """Makes the call and awaits `deliver` for each response. Cancelling the task cancels the call at the daemon.

        Raises:
            CallError: whatever went wrong.
        """
        self._require_fitting(request)
        cardinality = Cardinality.UNARY_STREAM if rpc.streaming else Cardinality.UNARY_UNARY
        try:
            async with self._channel.request(
                rpc.path, cardinality, rpc.request, rpc.response, timeout=timeout, metadata=self._metadata
            ) as stream:
                await stream.send_message(request, end=True)
                async for response in stream:
                    await deliver(response.event if rpc.wraps_event else response)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise from_exception(error) from error

    async def wait_until_lost(self) -> None:
        """Returns when the connection is gone. Nothing is sent to find that out: the daemon's health is watched."""

        async def ignore(_: Any) -> None:
            pass

        rpc = method("grpc.health.v1.Health", "Watch")
        try:
            await self.call(rpc, message("grpc.health.v1.HealthCheckRequest")(), ignore, None)
        except CallError as error:
            if error.code == "UNIMPLEMENTED":
                await asyncio.get_event_loop().create_future()  # for ever: the next call will notice

    def close(self) -> None:
        self._channel.close()

    def _require_fitting(self, request: Any) -> None:
        limit = self.status.max_message_bytes if self.status else 0
        size = request.ByteSize()
        if limit and size > limit:
            raise CallError(
                "RESOURCE_EXHAUSTED",
                "MESSAGE_TOO_LARGE",
                f"The picture is too large to send: {size / 1e6:.0f} MB, and the daemon takes {limit / 1e6:.0f} MB.",
                "Use a smaller layer or selection.",
            )


def _require_same_protocol(status: Any) -> None:
    if status.protocol < PROTOCOL:
        raise CallError(
            "FAILED_PRECONDITION",
            "DAEMON_TOO_OLD",
            f"The daemon that runs ({status.version}) is older than this plugin ({VERSION}) and cannot serve it.",
            "Update the daemon, and run `latentlayers stop` so that the new one is used.",
        )


def _plugin_too_old() -> CallError:
    return CallError(
        "FAILED_PRECONDITION",
        "PLUGIN_TOO_OLD",
        f"The daemon that runs does not speak this plugin's ({VERSION}) protocol any more.",
        "Update the plugin: import the zip that belongs to the daemon, and restart Krita.",
    )
