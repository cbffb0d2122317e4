"""One connection to the daemon: found or started, authenticated, with message limits set on this side too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import grpc

from latentlayers.client.address import Endpoint, announced_endpoint, given_endpoint
from latentlayers.client.info import Status
from latentlayers.client.launch import start_and_wait
from latentlayers.client.wire_errors import typed
from latentlayers.errors import Unavailable
from latentlayers.paths import Paths
from latentlayers.v1 import daemon_service_pb2, daemon_service_pb2_grpc

# The daemon's own limit decides what may be sent; these are above any it could be configured with.
MAX_MESSAGE_BYTES = 1 << 30
CONNECT_TIMEOUT_S = 10.0
# A daemon that is announced but gone is noticed at once; this is for one that hangs.
_PROBE_TIMEOUT_S = 3.0


S = TypeVar("S")


class Connection:
    """An open channel and what the daemon said when it was opened.

    Attributes:
        endpoint: whom we talk to.
        status: the daemon's answer to the first call; its `max_message_bytes` is the limit for requests.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self.endpoint = endpoint
        self.channel = _open(endpoint)
        try:
            stub = self.stub(daemon_service_pb2_grpc.DaemonServiceStub)
            with typed():
                answer = stub.GetStatus(daemon_service_pb2.GetStatusRequest(), timeout=timeout)
            self.status = Status.from_wire(answer)
        except BaseException:
            self.channel.close()
            raise

    def stub(self, kind: Callable[[grpc.Channel], S]) -> S:
        """The generated client of one gRPC service."""
        return kind(self.channel)

    @property
    def request_limit(self) -> int:
        """Most bytes of picture data in one request; a little is left for the other fields."""
        return max(0, (self.status.max_message_bytes or MAX_MESSAGE_BYTES) - 4096)


def connect(address: str | None, *, start: bool, paths: Paths) -> Connection:
    """Connects to the daemon at `address`, else in `LATENTLAYERS_ADDRESS`, else this user's, started if `start`.

    Raises:
        Unavailable: DAEMON_UNREACHABLE; DAEMON_NOT_RUNNING if there is none and `start` is False;
            DAEMON_START_FAILED.
        InvalidInput: ADDRESS_INVALID.
    """
    given = given_endpoint(address, paths)
    if given is not None:
        return Connection(given, CONNECT_TIMEOUT_S)
    running = _connect_announced(paths)
    if running is not None:
        return running
    if start:
        return start_and_wait(paths, lambda: _connect_announced(paths))
    raise Unavailable("DAEMON_NOT_RUNNING", "No daemon is running.", "Start it with `latentlayers serve`.")


def _connect_announced(paths: Paths) -> Connection | None:
    """A connection to the daemon that announced itself; None if there is none or it is gone."""
    endpoint = announced_endpoint(paths)
    if endpoint is None:
        return None
    try:
        return Connection(endpoint, _PROBE_TIMEOUT_S)
    except Unavailable:
        return None


def _open(endpoint: Endpoint) -> grpc.Channel:
    options: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A daemon that restarts is back within a second; gRPC's own first pause is as long as that.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
    ]
    if endpoint.target.startswith("unix:") or endpoint.local:
        options.append(("grpc.enable_http_proxy", 0))
    if endpoint.server_name:
        options.append(("grpc.ssl_target_name_override", endpoint.server_name))
    if endpoint.certificate is None:
        channel = grpc.insecure_channel(endpoint.target, options)
    else:
        credentials = grpc.ssl_channel_credentials(endpoint.certificate)
        channel = grpc.secure_channel(endpoint.target, credentials, options)
    return grpc.intercept_channel(channel, _Bearer(endpoint.token)) if endpoint.token else channel


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token to every call. (gRPC's own call credentials refuse to work without TLS, even on loopback.)"""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(_with_metadata(client_call_details, self._header), request)

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(_with_metadata(client_call_details, self._header), request)


class _Details(NamedTuple):
    """The fields gRPC looks for in the details of a call."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


def _with_metadata(details: grpc.ClientCallDetails, header: tuple[str, str]) -> _Details:
    metadata = [*(details.metadata or ()), header]
    return _Details(
        details.method,
        details.timeout,
        metadata,
        details.credentials,
        details.wait_for_ready,
        details.compression,
    )
