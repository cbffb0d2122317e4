"""The archive for a bug report: findings and logs, without pictures, latents, secrets or who you are."""

from __future__ import annotations

import getpass
import io
import json
import os
import platform
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from latentlayers.client.files import write_file
from latentlayers.paths import Paths

LOG_NAMES = ("daemon.log", "worker.log", "daemon-start.log")
LOG_TAIL = 1 << 20
_PICTURE_NAME = re.compile(r"[^\s'\"]+\.(?:png|jpe?g|webp|tiff?|bmp|kra|psd)\b", re.IGNORECASE)


class Redactor:
    """Takes out of a text what says whose machine it comes from.

    Args:
        secrets: further strings to remove, such as tokens.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        folders = {str(Path.home()), os.path.realpath(Path.home())} - {"/", ""}
        self._replacements = [(secret, "<secret>") for secret in secrets if secret]
        self._replacements += [(folder, "~") for folder in sorted(folders, key=len, reverse=True)]
        self._words = [
            (name, word) for name, word in ((_user(), "<user>"), (platform.node(), "<host>")) if len(name) > 1
        ]

    def __call__(self, text: str) -> str:
        """Home folders become ~; user, machine and picture names are replaced."""
        for old, new in self._replacements:
            text = text.replace(old, new)
        for name, word in self._words:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", word, text)
        return _PICTURE_NAME.sub("<picture>", text)


def write_bundle(output: Path, report: Mapping[str, object], paths: Paths) -> None:
    """Writes a zip with report.json and the ends of the logs. Raises as `write_file`."""
    redact = Redactor([_token(paths)])
    settings = {name: value for name, value in os.environ.items() if name.startswith("LATENTLAYERS_")}
    settings.pop("LATENTLAYERS_TOKEN", None)
    files = {"report.json": json.dumps({**report, "environment": settings}, indent=2)}
    for name in LOG_NAMES:
        log = paths.state / name
        if log.is_file():
            files[name] = _tail(log)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, redact(text))
    write_file(output, buffer.getvalue())


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL))
        return file.read().decode("utf-8", "replace")


def _token(paths: Paths) -> str:
    try:
        return paths.token_file.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return ""
