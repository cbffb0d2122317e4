"""Settings of the front process, and where it listens."""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from latentlayers.errors import InvalidInput
from latentlayers.paths import HOME_VARIABLE, Paths

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class ServiceConfig:
    """Everything `serve` can be told.

    Attributes:
        home: folder for all of the daemon's files; None: `LATENTLAYERS_HOME`, else the platform's places.
        listen: "" for the platform's private default (a unix socket; on Windows loopback TCP with a token),
            "HOST:PORT" for TCP with a token (port 0: any free one).
        tls_certificate, tls_key: PEM files; without them TCP is refused beyond loopback.
        idle_unload_s: seconds without work after which the worker exits; negative: never.
        queue_limit: most calls that wait for the worker, and most slider previews at once.
        queue_bytes: most bytes of requests that wait.
        max_message_bytes: largest message in either direction; one 4096x4096 RGBA picture fits.
        outbox_bytes: pictures kept for one slow caller before the worker is held back.
        stall_timeout_s: how long a caller may take nothing while the worker is held back.
        worker_command: argument vector of the worker; "--home HOME" is appended if `home` is known.
        worker_start_timeout_s: longest time from the worker's start until it can take jobs.
        cancel_grace_s: the worker is killed if it has not stopped a cancelled job after this time.
        stop_grace_s: the worker is killed if it has not exited this long after being asked to.
        download_proxy: "http://HOST:PORT" for downloads; "": LATENTLAYERS_PROXY, else HTTPS_PROXY and the like.
        download_mirror: where files of the catalogue are taken from; "": LATENTLAYERS_MIRROR, else their owners.
        download_pause_s: before a download that broke is tried again; doubled each time.
        download_idle_s: how long a server may send nothing.
    """

    home: Path | None = field(default_factory=lambda: _home_of_environment())
    listen: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    idle_unload_s: float = 300.0
    queue_limit: int = 16
    queue_bytes: int = 512 * MIB
    max_message_bytes: int = 64 * MIB + 64 * KIB
    outbox_bytes: int = 128 * MIB
    stall_timeout_s: float = 60.0
    worker_command: tuple[str, ...] = (sys.executable, "-m", "latentlayers.engine")
    worker_start_timeout_s: float = 120.0
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 5.0
    download_proxy: str = field(default_factory=lambda: os.environ.get("LATENTLAYERS_PROXY", ""))
    download_mirror: str = field(default_factory=lambda: os.environ.get("LATENTLAYERS_MIRROR", ""))
    download_pause_s: float = 1.0
    download_idle_s: float = 30.0

    @property
    def paths(self) -> Paths:
        return Paths.under(self.home) if self.home else Paths.default()


@dataclass(frozen=True)
class Endpoint:
    """Where the daemon listens and what a caller has to bring.

    Attributes:
        target: as gRPC writes it: "unix:/path" or "host:port".
        token: callers must send `authorization: Bearer TOKEN`.
        tls: the connection is encrypted.
    """

    target: str
    token: bool
    tls: bool


def endpoint(config: ServiceConfig, paths: Paths) -> Endpoint:
    """Where to listen.

    Raises:
        InvalidInput: ADDRESS_INVALID; ADDRESS_UNSAFE if others could read what goes over it; TLS_INCOMPLETE.
    """
    tls = config.tls_certificate is not None
    if tls != (config.tls_key is not None):
        raise InvalidInput("TLS_INCOMPLETE", "TLS needs a certificate and its key.", "Give both PEM files, or neither.")
    if not config.listen:
        if os.name == "nt":
            return Endpoint("127.0.0.1:0", token=True, tls=tls)
        return Endpoint(f"unix:{paths.socket}", token=False, tls=False)
    host = _host(config.listen)
    if not tls and not _is_loopback(host):
        raise InvalidInput(
            "ADDRESS_UNSAFE",
            f"Listening on {config.listen} without encryption would let others read and change your pictures.",
            "Give a TLS certificate and key, or listen on 127.0.0.1.",
        )
    return Endpoint(config.listen, token=True, tls=tls)


def _host(address: str) -> str:
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(
            "ADDRESS_INVALID", f"{address!r} is not an address to listen on.", "Write HOST:PORT, e.g. 127.0.0.1:50061."
        )
    return host.strip("[]")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _home_of_environment() -> Path | None:
    home = os.environ.get(HOME_VARIABLE)
    # Absolute, because the worker gets it too and runs in another folder.
    return Path(home).expanduser().absolute() if home else None
