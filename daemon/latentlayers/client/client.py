"""The blocking client: one object, one daemon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from latentlayers.client import operations as ops
from latentlayers.client.address import Endpoint
from latentlayers.client.connection import connect
from latentlayers.client.embeddings import Embeddings
from latentlayers.client.events import EditResult, EmbedResult
from latentlayers.client.files import too_large
from latentlayers.client.info import Status
from latentlayers.client.launch import wait_for_end
from latentlayers.client.models import Models
from latentlayers.client.options import EMBED_DEFAULTS, OUTPUT_DEFAULTS, EmbedOptions, NoiseMode, OutputOptions
from latentlayers.client.pictures import PictureLike, PictureSource
from latentlayers.client.sources import SourceLike
from latentlayers.client.stream import CancelToken, EventStream, OnEvent, collect, collect_embedding
from latentlayers.client.wire_errors import typed
from latentlayers.paths import Paths
from latentlayers.v1 import daemon_service_pb2, daemon_service_pb2_grpc, editing_service_pb2_grpc


class Client:
    """A connection to the daemon, for use from any number of threads.

    Args:
        address: "unix:/path" or "host:port"; None takes `LATENTLAYERS_ADDRESS`, else this user's own daemon.
        start: start this user's daemon if it is not running (never one that was named by its address).
        timeout: seconds within which every call must be done unless it says otherwise; None: no limit.

    Raises:
        Unavailable: DAEMON_UNREACHABLE, DAEMON_NOT_RUNNING, DAEMON_START_FAILED.
        InvalidInput: ADDRESS_INVALID.

    Attributes:
        models, embeddings: the daemon's models and library.

    All methods raise the errors of `latentlayers.errors`, each with a stable `reason` and a `remedy`.

    The editing methods take sources in any form (`SourceLike`): the path of a picture, an embedding or its id, an
    array, a Pillow image, bytes of an image file, a `Latent`, or a `PictureSource` that says which part counts. They
    tell `on_event` about progress, and end with `Cancelled` once `cancel` is cancelled.
    """

    def __init__(self, address: str | None = None, *, start: bool = True, timeout: float | None = None) -> None:
        self._connection = connect(address, start=start, paths=Paths.default())
        self._timeout = timeout
        self._daemon = self._connection.stub(daemon_service_pb2_grpc.DaemonServiceStub)
        self._editing = self._connection.stub(editing_service_pb2_grpc.EditingServiceStub)
        self._health: Any = self._connection.stub(health_pb2_grpc.HealthStub)
        self.models = Models(self._connection, timeout)
        self.embeddings = Embeddings(self._connection, timeout)

    @property
    def endpoint(self) -> Endpoint:
        """Where the daemon listens."""
        return self._connection.endpoint

    @property
    def address(self) -> str:
        """ "unix:/path" or "host:port"."""
        return self.endpoint.target

    def close(self) -> None:
        """Ends all running calls; the daemon stays."""
        self._connection.channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def status(self) -> Status:
        with typed():
            answer = self._daemon.GetStatus(daemon_service_pb2.GetStatusRequest(), timeout=self._timeout)
        return Status.from_wire(answer)

    def stop(self) -> None:
        """Stops the daemon; running calls end with `Unavailable`. Returns when a daemon on this machine has gone."""
        pid = self.status().front_pid
        with typed():
            self._daemon.Stop(daemon_service_pb2.StopRequest(), timeout=self._timeout)
        if self.endpoint.local:
            wait_for_end(pid)

    def health_check(self, service: str = "") -> str:
        """ "SERVING", "NOT_SERVING" or "UNKNOWN" for the daemon, or for one gRPC service of it."""
        with typed():
            answer = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=self._timeout)
        return _health_name(answer)

    def watch(self, service: str = "") -> Iterator[str]:
        """As `health_check`: the state now, and every change; closing the iterator ends the call."""
        call = self._health.Watch(health_pb2.HealthCheckRequest(service=service))
        try:
            with typed():
                for answer in call:
                    yield _health_name(answer)
        finally:
            call.cancel()

    def stream(
        self, operation: ops.Operation, *, cancel: CancelToken | None = None, timeout: float | None = None
    ) -> EventStream:
        """Starts a call and returns its events as they come; for those who want more than an `on_event`.

        Raises:
            InvalidInput: sources or settings that cannot be sent. Exhausted: IMAGE_TOO_LARGE.
        """
        limit = self._connection.request_limit
        request = operation.to_wire(limit)
        if request.ByteSize() > limit:
            raise too_large("The call", request.ByteSize(), limit)
        method = getattr(self._editing, operation.rpc)
        return EventStream(method(request, timeout=self._timeout if timeout is None else timeout), cancel)

    def run(
        self,
        operation: ops.Operation,
        *,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EditResult:
        """Runs a call to its end."""
        return collect(self.stream(operation, cancel=cancel, timeout=timeout), on_event)

    def embed(
        self,
        picture: PictureLike | PictureSource,
        options: EmbedOptions = EMBED_DEFAULTS,
        output: OutputOptions = OUTPUT_DEFAULTS,
        *,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EmbedResult:
        """Finds the latent code of a picture and keeps it in the library."""
        stream = self.stream(ops.Embed(picture, options, output), cancel=cancel, timeout=timeout)
        return collect_embedding(stream, on_event)

    def morph(
        self,
        a: SourceLike,
        b: SourceLike,
        *,
        frames: int = ops.DEFAULT_FRAMES,
        weights: Sequence[float] = (),
        options: EmbedOptions = EMBED_DEFAULTS,
        output: OutputOptions = OUTPUT_DEFAULTS,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EditResult:
        """`w = lambda*w1 + (1-lambda)*w2`: a picture for each lambda in `weights`, or `frames` from a to b."""
        operation = ops.Morph(a, b, weights, frames, options=options, output=output)
        return self.run(operation, on_event=on_event, cancel=cancel, timeout=timeout)

    def crossover(
        self,
        content: SourceLike,
        style: SourceLike,
        *,
        rows: str | Sequence[float] = "",
        mask: PictureLike | None = None,
        options: EmbedOptions = EMBED_DEFAULTS,
        output: OutputOptions = OUTPUT_DEFAULTS,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EditResult:
        """Rows of `w+` from two codes; see `Crossover` for `rows` and `mask`."""
        operation = ops.Crossover(content, style, rows, mask, options=options, output=output)
        return self.run(operation, on_event=on_event, cancel=cancel, timeout=timeout)

    def transfer_expression(
        self,
        target: SourceLike,
        neutral: SourceLike,
        expressive: SourceLike,
        *,
        strengths: Sequence[float] = (1.0,),
        rows: str = "",
        noise_threshold: float | None = None,
        options: EmbedOptions = EMBED_DEFAULTS,
        output: OutputOptions = OUTPUT_DEFAULTS,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EditResult:
        """`w = w1 + lambda*(w3 - w2)`, a picture for each lambda in `strengths`."""
        operation = ops.TransferExpression(
            target, neutral, expressive, strengths, rows, noise_threshold, options=options, output=output
        )
        return self.run(operation, on_event=on_event, cancel=cancel, timeout=timeout)

    def apply_direction(
        self,
        source: SourceLike,
        name: str,
        strengths: Sequence[float] = (1.0,),
        *,
        rows: str = "",
        options: EmbedOptions = EMBED_DEFAULTS,
        output: OutputOptions = OUTPUT_DEFAULTS,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EditResult:
        """`w = w1 + lambda*direction`, a picture for each lambda in `strengths`."""
        operation = ops.ApplyDirection(source, name, strengths, rows, options=options, output=output)
        return self.run(operation, on_event=on_event, cancel=cancel, timeout=timeout)

    def render(
        self,
        source: SourceLike,
        *,
        truncation: float = 1.0,
        noise_mode: NoiseMode = "const",
        options: EmbedOptions = EMBED_DEFAULTS,
        output: OutputOptions = OUTPUT_DEFAULTS,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        timeout: float | None = None,
    ) -> EditResult:
        """One picture of a latent code."""
        operation = ops.Render(source, truncation, noise_mode, options=options, output=output)
        return self.run(operation, on_event=on_event, cancel=cancel, timeout=timeout)


def _health_name(answer: health_pb2.HealthCheckResponse) -> str:
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
