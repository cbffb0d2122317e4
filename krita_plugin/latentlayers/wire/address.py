"""Where the daemon listens and what it takes to talk to it, as the daemon's own client finds it out.

Named by the environment, or else announced by the running daemon in the address file of its state folder.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from .errors import CallError

HOME_VARIABLE = "LATENTLAYERS_HOME"
ADDRESS_VARIABLE = "LATENTLAYERS_ADDRESS"
TOKEN_VARIABLE = "LATENTLAYERS_TOKEN"
CERTIFICATE_VARIABLE = "LATENTLAYERS_TLS_CERTIFICATE"

_APP = "latentlayers"
# Written by the installer beside the plugin's folder, where importing a newer zip leaves it alone.
_INSTALLATION = Path(__file__).resolve().parents[2] / "latentlayers-daemon.json"


@dataclass(frozen=True)
class Endpoint:
    """A daemon's address.

    Attributes:
        target: "unix:/path" or "host:port".
        token: for TCP; "" where none is needed.
        certificate: the PEM certificate to trust, for TLS; None: no TLS.
        server_name: what the certificate is for, where that is not the host in `target`; "" if it is.
    """

    target: str
    token: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    server_name: str = ""

    @property
    def local(self) -> bool:
        """True if the daemon certainly runs on this machine, so that file paths mean the same to it."""
        return self.target.startswith("unix:") or self.host_and_port[0] in ("127.0.0.1", "localhost", "::1")

    @property
    def path(self) -> str | None:
        """The unix socket; None for TCP."""
        return self.target[len("unix:") :] if self.target.startswith("unix:") else None

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Of TCP only; an IPv6 host is without its brackets."""
        host, _, port = self.target.rpartition(":")
        return host.strip("[]"), int(port)

    def tls(self) -> ssl.SSLContext | None:
        """Trusts exactly `certificate`; None without one."""
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate.decode("ascii", "ignore"))
        context.set_alpn_protocols(["h2"])
        return context


@dataclass(frozen=True)
class Installation:
    """What the installer left for the plugin.

    Attributes:
        command: argument vector that runs the daemon; empty if unknown.
        state: the daemon's state folder; None if unknown. Krita's own environment may point elsewhere, in a sandbox.
    """

    command: tuple[str, ...] = ()
    state: Path | None = None

    @classmethod
    def read(cls, file: Path = _INSTALLATION) -> Installation:
        """What `file` says; an empty one where it cannot be read."""
        try:
            content = json.loads(file.read_text("utf-8"))
            return cls(tuple(str(word) for word in content["command"]), Path(content["state"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()


def state_folder(installation: Installation, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the daemon keeps its address, its token and its logs."""
    home = environ.get(HOME_VARIABLE)
    if home:
        return Path(os.path.abspath(os.path.expanduser(home))) / "state"
    return installation.state or default_state_folder(environ)


def default_state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The platform's place for it (XDG, Library, AppData)."""
    if sys.platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / _APP
    state_home = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state_home):
        return Path(state_home) / _APP
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / _APP
    return Path.home() / ".local" / "state" / _APP


def given_endpoint(state: Path, environ: Mapping[str, str] = os.environ) -> Endpoint | None:
    """The daemon that the environment names; None if it names none.

    Raises:
        CallError: ADDRESS_INVALID; FILE_UNREADABLE for the certificate.
    """
    address = environ.get(ADDRESS_VARIABLE)
    if not address:
        return None
    target = parse_address(address)
    token, certificate = environ.get(TOKEN_VARIABLE, ""), environ.get(CERTIFICATE_VARIABLE)
    announced = announced_endpoint(state)
    if announced is not None and announced.target == target and not token:
        return announced
    if not token and not target.startswith("unix:") and Endpoint(target).local:
        token = _token(state / "token")
    return Endpoint(target, token, _certificate(Path(certificate)) if certificate else None)


def announced_endpoint(state: Path) -> Endpoint | None:
    """The daemon that the address file speaks of, which may be gone; None if there is no such file."""
    try:
        announcement = json.loads(_read(state / "daemon.json"))
        token_file, certificate = announcement["token_file"], announcement["tls_certificate"]
        pem = _certificate(Path(certificate)) if certificate else None
        return Endpoint(
            parse_address(announcement["address"]),
            token=_token(Path(token_file)) if token_file else "",
            certificate=pem,
            # It is exactly this certificate that is trusted, whatever the address: 0.0.0.0 is in none.
            server_name=_name_in(pem) if pem else "",
        )
    except (ValueError, KeyError, TypeError, AttributeError, CallError):
        return None


def parse_address(text: str) -> str:
    """The target of "unix:/path", "/path" or "host:port".

    Raises:
        CallError: ADDRESS_INVALID for anything else.
    """
    text = text.strip()
    if text.startswith("/"):
        return f"unix:{text}"
    if text.startswith("unix:") and len(text) > len("unix:"):
        return text
    host, _, port = text.rpartition(":")
    if host and "/" not in text and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return text
    raise CallError(
        "INVALID_ARGUMENT",
        "ADDRESS_INVALID",
        f"{text!r} is not the address of a daemon.",
        f"Set {ADDRESS_VARIABLE} to unix:/path/to/daemon.sock or host:port, or unset it, and restart Krita.",
    )


def _certificate(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CallError(
            "INVALID_ARGUMENT",
            "FILE_UNREADABLE",
            f"The certificate {path} cannot be read: {error.strerror}.",
            f"Set {CERTIFICATE_VARIABLE} to a PEM file that you may read.",
        ) from None


def _name_in(pem: bytes) -> str:
    """A host that a self-signed certificate is for; "" if it names none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        return ""
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
