"""Exit codes: what a script can tell from a command's end."""

from __future__ import annotations

from latentlayers.errors import Kind, LatentLayersError

DONE, FAILED, USAGE, REFUSED, NO_DAEMON, CANCELLED = range(6)

_BY_REASON = {
    "USAGE": USAGE,
    "ADDRESS_INVALID": USAGE,
    "IMAGE_TOO_LARGE": REFUSED,
    "MESSAGE_TOO_LARGE": REFUSED,
    "DAEMON_UNREACHABLE": NO_DAEMON,
    "DAEMON_NOT_RUNNING": NO_DAEMON,
    "DAEMON_START_FAILED": NO_DAEMON,
    "DAEMON_STOPPING": NO_DAEMON,
    "RUNTIME_UNSAFE": NO_DAEMON,
}
_BY_KIND = {
    Kind.INVALID: REFUSED,
    Kind.NOT_FOUND: REFUSED,
    Kind.PRECONDITION: REFUSED,
    Kind.CANCELLED: CANCELLED,
}


def exit_code(error: LatentLayersError) -> int:
    """The code of a command that ended with `error`."""
    return _BY_REASON.get(error.reason, _BY_KIND.get(error.kind, FAILED))
