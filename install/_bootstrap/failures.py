"""What can go wrong, told as a sentence and a remedy; and how pip's and uv's output is read for it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit


class BootstrapError(Exception):
    """Bootstrap cannot go on.

    Args:
        reason: UPPER_SNAKE_CASE code that scripts may rely on.
        message: one plain sentence saying what is wrong.
        remedy: what to do about it.
    """

    def __init__(self, reason: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.remedy = remedy


RUN_AGAIN = "then run the same command again: what is downloaded already is kept."

# Read in this order: a refused proxy also says "connection", and a dead network also says "no matching distribution".
SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("DISK_FULL", ("no space left on device", "errno 28", "not enough space on the disk", "disk quota exceeded")),
    ("CERTIFICATE_REFUSED", ("certificate_verify_failed", "certificate verify failed")),
    ("PROXY_REFUSED", ("proxyerror", "cannot connect to proxy", "407 proxy authentication")),
    (
        "NETWORK_UNREACHABLE",
        (
            "failed to establish a new connection",
            "name resolution",
            "name or service not known",
            "getaddrinfo failed",
            "nodename nor servname",
            "network is unreachable",
            "connection refused",
            "connection reset",
            "timed out",
            "max retries exceeded",
            "error sending request",
        ),
    ),
    ("PATH_TOO_LONG", ("long path", "file name too long")),
    ("PERMISSION_DENIED", ("permission denied", "access is denied", "read-only file system")),
    ("PACKAGE_NOT_FOUND", ("no matching distribution found", "could not find a version", "no solution found")),
)


def reason_in(lines: Sequence[str]) -> str:
    """The reason code that an installer's output shows, INSTALL_FAILED where it shows none of the known ones."""
    text = "\n".join(lines).lower()
    for reason, signs in SIGNS:
        if any(sign in text for sign in signs):
            return reason
    return "INSTALL_FAILED"


def installer_failure(what: str, lines: Sequence[str], environ: Mapping[str, str] = os.environ) -> BootstrapError:
    """The error to raise for an installer that printed `lines` and failed while installing `what`."""
    reason = reason_in(lines)
    last = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "nothing")
    message, remedy = {
        "DISK_FULL": (
            f"The disk filled up while installing {what}.",
            f"Free some space (also where temporary files go; TMPDIR may name another place), {RUN_AGAIN}",
        ),
        "CERTIFICATE_REFUSED": (
            f"A server's certificate was not accepted while installing {what}.",
            f"Where a proxy opens connections, set PIP_CERT and SSL_CERT_FILE to its certificate file, {RUN_AGAIN}",
        ),
        "PROXY_REFUSED": (
            f"The proxy {proxy(environ) or 'that is set'} refused the connection while installing {what}.",
            f"Correct HTTPS_PROXY (http://user:password@host:port), {RUN_AGAIN}",
        ),
        "NETWORK_UNREACHABLE": (
            f"The package index could not be reached while installing {what}.",
            (
                f"Check the network, and the proxy {proxy(environ)}, {RUN_AGAIN}"
                if proxy(environ)
                else f"Check the network (behind a proxy, set HTTPS_PROXY to it), {RUN_AGAIN}"
            ),
        ),
        "PATH_TOO_LONG": (
            f"A file name became too long for this system while installing {what}.",
            "Put the checkout into a folder with a short path, or allow long paths in Windows, " + RUN_AGAIN,
        ),
        "PERMISSION_DENIED": (
            f"A file could not be written while installing {what}: {last.strip()}",
            f"Close programs that use .venv, and make sure that the folder is yours, {RUN_AGAIN}",
        ),
        "PACKAGE_NOT_FOUND": (
            f"The package index has no {what} for this Python and this machine: {last.strip()}",
            "Use a Python that the package is built for (3.10 to 3.14), or name another index with --torch-index.",
        ),
        "INSTALL_FAILED": (
            f"Installing {what} failed: {last.strip()}",
            "Read the log; running the command again is safe. If it stays, report it with the log.",
        ),
    }[reason]
    return BootstrapError(reason, message, remedy)


def proxy(environ: Mapping[str, str]) -> str | None:
    """Host and port of the proxy in the environment, never its password; None where none is set."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        value = environ.get(name)
        if value:
            return urlsplit(value if "//" in value else f"//{value}").netloc.rpartition("@")[2]
    return None
