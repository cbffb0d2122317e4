"""Where the daemon listens, and what it takes to talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentlayers.errors import InvalidInput
from latentlayers.paths import Paths

ADDRESS_VARIABLE = "LATENTLAYERS_ADDRESS"
TOKEN_VARIABLE = "LATENTLAYERS_TOKEN"
CERTIFICATE_VARIABLE = "LATENTLAYERS_TLS_CERTIFICATE"


@dataclass(frozen=True)
class Endpoint:
    """A daemon's address.

    Attributes:
        target: as gRPC wants it: "unix:/path" or "host:port".
        token: for TCP; "" where none is needed.
        certificate: the PEM certificate to trust, for TLS; None: no TLS.
        server_name: what the certificate is for, where that is not the host in `target`; "" if it is.
        token_file: where the token was read; None if it came from elsewhere.
    """

    target: str
    token: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    server_name: str = ""
    token_file: Path | None = None

    @property
    def local(self) -> bool:
        """True if the daemon certainly runs on this machine, so that file paths mean the same to it."""
        host = self.target.rpartition(":")[0]
        return self.target.startswith("unix:") or host in ("127.0.0.1", "localhost", "[::1]")


def parse_address(text: str) -> str:
    """The gRPC target of "unix:/path", "/path" or "host:port".

    Raises:
        InvalidInput: ADDRESS_INVALID for anything else.
    """
    text = text.strip()
    if text.startswith("/"):
        return f"unix:{text}"
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text
    host, _, port = text.rpartition(":")
    if host and "/" not in text and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return text
    raise InvalidInput(
        "ADDRESS_INVALID",
        f"{text!r} is not the address of a daemon.",
        "Write unix:/path/to/daemon.sock, or host:port.",
    )


def given_endpoint(address: str | None, paths: Paths, environ: Mapping[str, str] | None = None) -> Endpoint | None:
    """The daemon the caller or the environment names; None if neither names one.

    A daemon of this user on this machine needs no more than its address. For another machine's, the token and
    the certificate to trust come from the environment.

    Raises:
        InvalidInput: ADDRESS_INVALID; FILE_UNREADABLE for the certificate.
    """
    environ = os.environ if environ is None else environ
    address = address or environ.get(ADDRESS_VARIABLE)
    if not address:
        return None
    target = parse_address(address)
    token, certificate = environ.get(TOKEN_VARIABLE, ""), environ.get(CERTIFICATE_VARIABLE)
    announced = announced_endpoint(paths)
    if announced is not None and announced.target == target and not token:
        return announced
    if not token and not target.startswith("unix:") and Endpoint(target).local:
        token = _token(paths.token_file)
    return Endpoint(target, token, _certificate(Path(certificate)) if certificate else None)


def announced_endpoint(paths: Paths) -> Endpoint | None:
    """The daemon that `Paths.address_file` speaks of, which may be gone; None if there is no such file."""
    try:
        announcement = json.loads(_read(paths.address_file))
        token_file, certificate = announcement["token_file"], announcement["tls_certificate"]
        pem = _certificate(Path(certificate)) if certificate else None
        return Endpoint(
            parse_address(announcement["address"]),
            token=_token(Path(token_file)) if token_file else "",
            certificate=pem,
            # It is exactly this certificate that is trusted, whatever the address: 0.0.0.0 is in none.
            server_name=_name_in(pem) if pem else "",
            token_file=Path(token_file) if token_file else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidInput):
        return None


def _certificate(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            "FILE_UNREADABLE",
            f"The certificate {path} cannot be read: {error.strerror}.",
            f"Set {CERTIFICATE_VARIABLE} to a PEM file that you may read.",
        ) from None


def _name_in(pem: bytes) -> str:
    """A host that a self-signed certificate is for; "" if it names none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLError, ValueError):
        context.load_verify_locations(cadata=pem.decode("ascii"))
    for certificate in context.get_ca_certs():
        names: Any = certificate.get("subjectAltName", ())
        for kind, name in names:
            if kind in ("DNS", "IP Address"):
                return str(name)
    return ""


def _token(file: Path) -> str:
    return _read(file).decode("ascii", "ignore").strip()


def _read(path: Path) -> bytes:
    """The file's content, or nothing if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
