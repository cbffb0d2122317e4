"""Errors that people read: a stable reason code, a plain sentence, and what to do about it.

Every error that leaves the daemon is one of these; the front turns them into gRPC statuses with
`google.rpc.ErrorInfo` details, the CLI into two lines and an exit code.
"""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What sort of failure it is; the value is the gRPC status name and decides the CLI's exit code."""

    INVALID = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    PRECONDITION = "FAILED_PRECONDITION"
    EXHAUSTED = "RESOURCE_EXHAUSTED"
    CANCELLED = "CANCELLED"
    ABORTED = "ABORTED"
    DEADLINE = "DEADLINE_EXCEEDED"
    UNAVAILABLE = "UNAVAILABLE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    DATA_LOSS = "DATA_LOSS"
    INTERNAL = "INTERNAL"


class LatentLayersError(Exception):
    """Base of all typed errors.

    Args:
        reason: UPPER_SNAKE_CASE code that programs may rely on, e.g. "IMAGE_TRUNCATED".
        message: one plain sentence saying what is wrong, with the offending value.
        remedy: one plain sentence saying what to do.
        retry_after: seconds after which trying again makes sense, or None.
    """

    kind: Kind = Kind.INTERNAL

    def __init__(self, reason: str, message: str, remedy: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.remedy = remedy
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} [{self.reason}] {self.remedy}"


class InvalidInput(LatentLayersError):
    """The caller sent something that cannot be used (a picture, a latent, a parameter)."""

    kind = Kind.INVALID


class NotFound(LatentLayersError):
    """An embedding, model or direction of that name does not exist."""

    kind = Kind.NOT_FOUND


class PreconditionFailed(LatentLayersError):
    """The input is valid but does not go with the rest, e.g. a latent of another model."""

    kind = Kind.PRECONDITION


class Exhausted(LatentLayersError):
    """Queue full, memory or disk exhausted, or a picture above the configured limit."""

    kind = Kind.EXHAUSTED


class Cancelled(LatentLayersError):
    """The caller went away or asked to stop."""

    kind = Kind.CANCELLED


class Superseded(LatentLayersError):
    """A newer preview request with the same key replaced this one."""

    kind = Kind.ABORTED


class DeadlineExceeded(LatentLayersError):
    """The caller's deadline passed before the work was done."""

    kind = Kind.DEADLINE


class Unavailable(LatentLayersError):
    """The worker died, or the daemon is stopping; the same call may succeed later."""

    kind = Kind.UNAVAILABLE


class DataLoss(LatentLayersError):
    """Something the daemon itself had kept cannot be read any more."""

    kind = Kind.DATA_LOSS


class CorruptCheckpoint(InvalidInput):
    """A checkpoint that is damaged or lies about itself. Names what was found."""


class UnsupportedCheckpoint(InvalidInput):
    """A file that is not a checkpoint we read, or that asks to execute something. Names what was found."""
