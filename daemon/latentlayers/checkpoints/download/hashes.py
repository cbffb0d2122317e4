"""What files hashed to when they were first downloaded, so that a source that changes under one's feet is noticed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from latentlayers.atomic import write_atomic
from latentlayers.checkpoints.download.address import shown
from latentlayers.errors import LatentLayersError, PreconditionFailed


class KnownHashes:
    """sha256 (hex) by address, in the JSON file `path`. Not thread-safe: for the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, address: str) -> str:
        """What `address` hashed to; "" if it was never recorded."""
        return self._load().get(address, "")

    def check(self, address: str, sha256: str) -> None:
        """Raises PreconditionFailed, DOWNLOAD_CHANGED, if another hash is recorded."""
        known = self.get(address)
        if known not in ("", sha256):
            raise PreconditionFailed(
                "DOWNLOAD_CHANGED",
                f"{shown(address)} is not what it was: its sha256 was {known} and is now {sha256}.",
                f"If the change is known and meant, add it again with --sha256 {sha256}.",
            )

    def record(self, address: str, sha256: str) -> bool:
        """Remembers the hash; whether that is news. On a full disk it is not remembered, which stops nothing."""
        known = self._load()
        if known.get(address) == sha256:
            return False
        with suppress(LatentLayersError):
            write_atomic(self._path, json.dumps({**known, address: sha256}, indent=1).encode())
            return True
        return False

    def _load(self) -> dict[str, str]:
        with suppress(OSError, ValueError):
            known = json.loads(self._path.read_bytes())
            if isinstance(known, dict):
                return {key: value for key, value in known.items() if isinstance(value, str)}
        return {}
