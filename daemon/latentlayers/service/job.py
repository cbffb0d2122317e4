"""One call on its way through the scheduler and the worker."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from google.protobuf.message import Message

from latentlayers.service.outbox import Outbox
from latentlayers.v1 import editing_service_pb2 as editing


@dataclass(eq=False)
class Job:
    """What the worker is asked to do.

    Attributes:
        number: that of the call, see `logs.call_number`; 0: the daemon's own work, which it does one after the other.
        method: the RPC's name.
        request: the serialised request.
        event_type: what the worker's EVENT payloads are: `EditEvent`, or the response of a model call.
        outbox: where events go; the job is over for its caller once it is closed.
        key: `latest_wins_key`; a job with a key is a slider preview.
        deadline: event loop time at which the caller gives up; None: never.
        ahead: how many jobs the caller was last told are before this one.
        released: set once the worker has nothing more to do with the job.
    """

    number: int
    method: str
    request: bytes
    event_type: type[Message]
    outbox: Outbox
    key: str = ""
    deadline: float | None = None
    ahead: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def interactive(self) -> bool:
        return bool(self.key)

    @property
    def log_level(self) -> int:
        """A slider makes many jobs a second; they are not worth a line each."""
        return logging.DEBUG if self.interactive else logging.INFO

    def progress(self, phase: editing.Phase, step: int = 0) -> None:
        """Tells the caller where the job is, if its events are editing events."""
        if self.event_type is editing.EditEvent:
            progress = editing.Progress(phase=phase, step=step, eta_seconds=-1)
            self.outbox.offer(editing.EditEvent(progress=progress))
