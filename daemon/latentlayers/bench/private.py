"""A daemon of the benchmark's own, so that nothing of the user's is touched or in the way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from latentlayers.client import Client
from latentlayers.errors import LatentLayersError

_VARIABLES = ("LATENTLAYERS_HOME", "LATENTLAYERS_ADDRESS")


@contextmanager
def private_daemon() -> Iterator[Client]:
    """A client of a fresh daemon over an empty library; the daemon is stopped at the end."""
    before = {name: os.environ.pop(name, None) for name in _VARIABLES}
    with tempfile.TemporaryDirectory(prefix="ll-bench-", ignore_cleanup_errors=True) as home:
        os.environ["LATENTLAYERS_HOME"] = home
        try:
            with Client() as client:
                try:
                    yield client
                finally:
                    with suppress(LatentLayersError):
                        client.stop()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
