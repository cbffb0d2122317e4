"""Events on their way to one caller: progress that a slow caller cannot take is replaced by newer, pictures wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from google.protobuf.message import Message

from latentlayers.errors import LatentLayersError
from latentlayers.v1 import editing_service_pb2 as editing


class Outbox:
    """What was sent for one call and its caller has not taken yet; one reader.

    Of successive progress events only the newest waits, and the newest that has a preview; everything else is kept
    in order. `room` lets the sender wait while more than `limit` bytes are pending.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: deque[Message] = deque()
        self._bytes = 0
        self._error: LatentLayersError | None = None
        self._closed, self._ready, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    @property
    def full(self) -> bool:
        """Whether the sender should wait for `room`."""
        return not self._room.is_set()

    async def wait_closed(self) -> None:
        """Returns once the call is over, for whatever reason."""
        await self._closed.wait()

    async def room(self) -> None:
        """Returns once the caller has taken enough, or the outbox is closed."""
        await self._room.wait()

    def offer(self, event: Message) -> None:
        """Adds an event; does nothing once the outbox is closed."""
        if self.closed:
            return
        if _is_progress(event):
            while self._pending and _replaces(event, self._pending[-1]):
                self._bytes -= self._pending.pop().ByteSize()
        self._pending.append(event)
        self._bytes += event.ByteSize()
        if self._bytes > self._limit:
            self._room.clear()
        self._ready.set()

    def close(self, error: LatentLayersError | None = None) -> None:
        """No more events come: the caller still gets what is pending, then `error`. The first close counts."""
        if not self.closed:
            self._error = error
            self._closed.set()
            self._ready.set()
            self._room.set()

    def abandon(self, error: LatentLayersError) -> None:
        """As `close`, but what is pending is thrown away."""
        if not self.closed:
            self._pending.clear()
            self.close(error)

    async def __aiter__(self) -> AsyncIterator[Message]:
        """The events until the outbox is closed. Raises the error it was closed with."""
        while True:
            while self._pending:
                event = self._pending.popleft()
                self._bytes -= event.ByteSize()
                if self._bytes <= self._limit:
                    self._room.set()
                yield event
            if self.closed:
                break
            self._ready.clear()
            await self._ready.wait()
        if self._error is not None:
            raise self._error


def _is_progress(event: Message) -> bool:
    return isinstance(event, editing.EditEvent) and event.WhichOneof("event") == "progress"


def _replaces(new: Message, old: Message) -> bool:
    """Whether a progress event makes a pending one superfluous: not if that would lose the only preview."""
    if not (_is_progress(old) and isinstance(new, editing.EditEvent) and isinstance(old, editing.EditEvent)):
        return False
    return new.progress.HasField("preview") or not old.progress.HasField("preview")
