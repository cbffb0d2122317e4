"""gRPC statuses back into the typed errors they were on the daemon's side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from latentlayers import errors

DOMAIN = "latentlayers"
DETAILS_KEY = "grpc-status-details-bin"

_CLASSES: dict[errors.Kind, type[errors.LatentLayersError]] = {
    kind.kind: kind
    for kind in (
        errors.InvalidInput,
        errors.NotFound,
        errors.PreconditionFailed,
        errors.Exhausted,
        errors.Cancelled,
        errors.Superseded,
        errors.DeadlineExceeded,
        errors.Unavailable,
    )
}

# What a status means that carries no details of ours: it comes from gRPC itself, not from the daemon.
_BARE: dict[errors.Kind, tuple[str, str, str]] = {
    errors.Kind.UNAVAILABLE: (
        "DAEMON_UNREACHABLE",
        "The daemon cannot be reached",
        "See whether it runs with `latentlayers status`; `latentlayers serve` starts it.",
    ),
    errors.Kind.CANCELLED: ("CANCELLED", "The call was cancelled", "Call again to start over."),
    errors.Kind.DEADLINE: ("DEADLINE_EXCEEDED", "The daemon did not answer in time", "Allow more time."),
    errors.Kind.EXHAUSTED: ("MESSAGE_TOO_LARGE", "The message is too large", "Send a smaller picture."),
    errors.Kind.UNAUTHENTICATED: (
        "TOKEN_REFUSED",
        "The daemon did not accept the token",
        "Set LATENTLAYERS_TOKEN to the content of the daemon's token file.",
    ),
    errors.Kind.UNIMPLEMENTED: (
        "METHOD_UNKNOWN",
        "The daemon does not know this call",
        "Update Latent Layers, then run `latentlayers stop` so that the new daemon is used.",
    ),
}


def make(
    kind: errors.Kind, reason: str, message: str, remedy: str, retry_after: float | None = None
) -> errors.LatentLayersError:
    """The error class of `kind` (the base class for kinds that have none of their own)."""
    error = _CLASSES.get(kind, errors.LatentLayersError)(reason, message, remedy, retry_after=retry_after)
    error.kind = kind
    return error


def from_rpc_error(rpc: grpc.RpcError) -> errors.LatentLayersError:
    """The typed error of a failed call: reason and remedy from its `ErrorInfo`, or from its code if it has none."""
    code = rpc.code() if isinstance(rpc, grpc.Call) else grpc.StatusCode.UNKNOWN
    text = (rpc.details() if isinstance(rpc, grpc.Call) else "") or code.name
    kind = _kind(code)
    details = _details(rpc)
    for detail in details:
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            remedy = info.metadata.get("remedy", "")
            # The status text ends with the remedy, for callers that show nothing but the text.
            return make(kind, info.reason, text.removesuffix(remedy).rstrip(), remedy, _retry_after(details))
    reason, message, remedy = _BARE.get(
        kind, ("INTERNAL", "The call failed", "Run `latentlayers doctor` and report what it prints.")
    )
    # gRPC's own words for a cancelled call say nothing more; those for a failed connection end with the cause.
    cause = "" if kind is errors.Kind.CANCELLED else f": {text.rsplit(': ', 1)[-1].rstrip('.')}"
    return make(kind, reason, f"{message}{cause}.", remedy)


@contextlib.contextmanager
def typed() -> Iterator[None]:
    """Within this block a failed call raises its typed error instead of `grpc.RpcError`."""
    try:
        yield
    except grpc.RpcError as rpc:
        raise from_rpc_error(rpc) from None


def _kind(code: grpc.StatusCode) -> errors.Kind:
    try:
        return errors.Kind(code.name)
    except ValueError:
        return errors.Kind.INTERNAL


def _details(rpc: grpc.RpcError) -> list[AnyMessage]:
    """The details of the status; none if there are none, or they cannot be read."""
    metadata: Iterable[tuple[str, bytes]] = (isinstance(rpc, grpc.Call) and rpc.trailing_metadata()) or ()
    for key, value in metadata:
        if key == DETAILS_KEY:
            with contextlib.suppress(DecodeError):
                return list(status_pb2.Status.FromString(value).details)
    return []


def _retry_after(details: list[AnyMessage]) -> float | None:
    for detail in details:
        retry = error_details_pb2.RetryInfo()
        if detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            return float(retry.retry_delay.ToMilliseconds() / 1000)
    return None
