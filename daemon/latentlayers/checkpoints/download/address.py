"""Addresses to download from: checked, and rewritten where a service links to a page about the file."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from latentlayers.checkpoints.file_names import plain_name
from latentlayers.errors import InvalidInput

_DRIVE_HOSTS = {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}
_DRIVE_FILE = re.compile(r"/file/d/([\w-]+)")
_DRIVE_ID = re.compile(r"[\w-]+")


def to_fetch(address: str) -> str:
    """The address under which the file itself is: Google Drive's links are to pages about it.

    Raises:
        InvalidInput: SOURCE_INVALID, not an http or https address with a host.
    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInput(
            "SOURCE_INVALID", f"{address!r:.200} is not an http or https address.", "Write https://HOST/PATH."
        )
    id_ = _drive_id(parts)
    return f"https://drive.usercontent.google.com/download?id={id_}&export=download&confirm=t" if id_ else address


def shown(address: str) -> str:
    """The address for messages and records: without password, query and fragment, which may hold secrets."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def model_name(address: str) -> str:
    """A model's name made from the last part of the address."""
    parts = urlsplit(address)
    if id_ := _drive_id(parts):
        return f"drive-{id_[:8]}"
    last = unquote(parts.path).rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    return plain_name(stem)


def _drive_id(parts: SplitResult) -> str:
    """What Google Drive calls the file; "" if it is not there."""
    if parts.hostname not in _DRIVE_HOSTS:
        return ""
    in_path = _DRIVE_FILE.search(parts.path)
    id_ = in_path[1] if in_path else parse_qs(parts.query).get("id", [""])[0]
    return id_ if _DRIVE_ID.fullmatch(id_) else ""
