"""The connection a command works with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentlayers.client import Client


def open_client(address: str | None, *, start: bool = True) -> Client:
    """A client to be used in a `with`; see `Client` for what it raises."""
    from latentlayers.client import Client

    return Client(address, start=start)
