"""One running call as its handler sees it: events out, cancellation in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import Message

from latentlayers.errors import Cancelled
from latentlayers.v1 import editing_service_pb2 as pb

M = TypeVar("M", bound=Message)


@dataclass
class Job:
    """What a START frame asked for.

    Attributes:
        emit: sends one serialised message as an EVENT frame.
        between_steps: called at every `checkpoint`; the worker serves slider previews there.
    """

    number: int
    method: str
    request: bytes
    interactive: bool
    emit: Callable[[bytes], None]
    between_steps: Callable[[], None]
    cancelled: threading.Event = field(default_factory=threading.Event)

    def parse(self, kind: type[M]) -> M:
        """The request as a message."""
        message = kind()
        message.ParseFromString(self.request)
        return message

    def checkpoint(self) -> None:
        """To be called at least once per optimiser step or rendered batch.

        Raises:
            Cancelled: the caller asked to stop or went away.
        """
        if self.cancelled.is_set():
            raise Cancelled("CANCELLED", "The call was cancelled.", "Nothing was kept; call again to start over.")
        if not self.interactive:
            self.between_steps()

    def send(self, event: pb.EditEvent) -> None:
        """Sends one event of an editing call."""
        self.emit(event.SerializeToString())

    def notice(self, reason: str, message: str, remedy: str) -> None:
        """Tells the caller something that does not stop the work."""
        self.send(pb.EditEvent(notice=pb.Notice(reason=reason, message=message, remedy=remedy)))


class Throttle:
    """Lets something happen at most every `interval` seconds; the first time at once."""

    def __init__(self, interval: float) -> None:
        self._interval, self._next = interval, 0.0

    def ready(self) -> bool:
        """True, and counted as done, if it is time again."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._interval
        return True
