"""What went wrong, as a code, a sentence and a remedy, wherever it was noticed."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from .._vendor.grpclib.const import Status
from .._vendor.grpclib.encoding.base import StatusDetailsCodecBase
from .._vendor.grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from . import messages

DOMAIN = "latentlayers"

# What a status means that carries no details of ours: it comes from gRPC itself, or from something that is no daemon.
_BARE = {
    "UNAVAILABLE": (
        "DAEMON_UNREACHABLE",
        "The daemon cannot be reached",
        "Start it with the Fix button, or with `latentlayers serve`.",
    ),
    "DEADLINE_EXCEEDED": ("DEADLINE_EXCEEDED", "The daemon did not answer in time", "Try again."),
    "RESOURCE_EXHAUSTED": ("MESSAGE_TOO_LARGE", "The message is too large", "Use a smaller layer or selection."),
    "UNAUTHENTICATED": (
        "TOKEN_REFUSED",
        "The daemon did not accept the token",
        "Start Krita with LATENTLAYERS_TOKEN set to the content of the daemon's token file.",
    ),
    "UNIMPLEMENTED": (
        "METHOD_UNKNOWN",
        "The daemon does not know this call",
        "Update Latent Layers, then run `latentlayers stop` so that the new daemon is used.",
    ),
}


class CallError(Exception):
    """A call, or the connection, failed.

    Attributes:
        code: gRPC's name of the status, e.g. "UNAVAILABLE".
        reason: stable code, e.g. "QUEUE_FULL".
        message: one plain sentence.
        remedy: what to do about it.
        retry_after: seconds after which trying again makes sense, or None.
    """

    def __init__(self, code: str, reason: str, message: str, remedy: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.remedy = code, reason, message, remedy
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}] {self.remedy}"


class Details(StatusDetailsCodecBase):
    """Reads the details of a failed call: a list of `google.protobuf.Any`, empty where they cannot be read."""

    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        raise NotImplementedError("only servers send details")

    def decode(self, status: Status, message: str | None, data: bytes) -> list[Any]:
        try:
            return list(messages.message("google.rpc.Status").FromString(data).details)
        except Exception:  # whatever a damaged message makes of it: the status itself still counts
            return []


def cancelled() -> CallError:
    return CallError("CANCELLED", "CANCELLED", "It was cancelled.", "Start it again if you want it after all.")


def lost() -> CallError:
    return CallError(
        "UNAVAILABLE",
        "DAEMON_LOST",
        "The connection to the daemon was lost: it ended, or was ended.",
        "Try again: it is started anew. If it happens again, run `latentlayers doctor`.",
    )


def from_exception(error: BaseException) -> CallError:
    """The error to show for anything that a call or a connection attempt can raise."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, GRPCError):
        return _from_status(error)
    if isinstance(error, asyncio.CancelledError):
        return cancelled()
    if isinstance(error, asyncio.TimeoutError):
        return _bare("DEADLINE_EXCEEDED", "")
    if isinstance(error, ssl.SSLError):
        return CallError(
            "UNAVAILABLE",
            "CERTIFICATE_REFUSED",
            f"The daemon's certificate is not the one that is trusted: {error.reason or error}.",
            "Start Krita with LATENTLAYERS_TLS_CERTIFICATE set to the daemon's certificate.",
        )
    if isinstance(error, (StreamTerminatedError, ConnectionResetError, BrokenPipeError)):
        return lost()
    # grpclib's connection deletes its transport when it is lost, also between two steps of a call that uses it.
    if isinstance(error, AttributeError) and "'_transport'" in str(error):
        return lost()
    if isinstance(error, (OSError, ProtocolError)):
        return _bare("UNAVAILABLE", getattr(error, "strerror", None) or str(error))
    return CallError(
        "INTERNAL",
        "PLUGIN_ERROR",
        f"Something went wrong in the plugin: {type(error).__name__}: {error}.",
        "Please report it, with the output of `latentlayers doctor`.",
    )


def _from_status(error: GRPCError) -> CallError:
    text, details = error.message or error.status.name, error.details or []
    info, retry = messages.message("google.rpc.ErrorInfo")(), messages.message("google.rpc.RetryInfo")()
    retry_after = None
    for detail in details:
        if detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            retry_after = retry.retry_delay.ToMilliseconds() / 1000
    for detail in details:
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            remedy = info.metadata["remedy"]
            # The status text ends with the remedy, for callers that show nothing but the text.
            message = text[: -len(remedy)].rstrip() if remedy and text.endswith(remedy) else text
            return CallError(error.status.name, info.reason, message, remedy, retry_after)
    return _bare(error.status.name, text)


def _bare(code: str, cause: str) -> CallError:
    if code == "CANCELLED":
        return cancelled()
    reason, message, remedy = _BARE.get(
        code, ("INTERNAL", "The call failed", "Run `latentlayers doctor` and report what it prints.")
    )
    cause = cause.rstrip(".")
    return CallError(code, reason, f"{message}: {cause}." if cause else f"{message}.", remedy)
