"""A running call: an iterator of events that can be cancelled from anywhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Protocol

import grpc

from latentlayers.client.events import (
    EditResult,
    Embedded,
    EmbedResult,
    Event,
    Image,
    Notice,
    event_from_wire,
)
from latentlayers.client.wire_errors import from_rpc_error
from latentlayers.errors import LatentLayersError
from latentlayers.v1 import editing_service_pb2

OnEvent = Callable[[Event], None]


class CancelToken:
    """Cancels the calls it was given to, from any thread. It stays cancelled: use a new one for the next call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._calls: list[grpc.RpcContext] = []

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def cancel(self) -> None:
        """Ends all calls with `Cancelled`; the daemon stops working within one optimiser step."""
        with self._lock:
            self._cancelled = True
            calls, self._calls = self._calls, []
        for call in calls:
            call.cancel()

    def attach(self, call: grpc.RpcContext) -> None:
        """Makes `cancel` end this call too; ends it now if the token is already cancelled."""
        with self._lock:
            if not self._cancelled:
                self._calls.append(call)
                return
        call.cancel()

    def detach(self, call: grpc.RpcContext) -> None:
        """Forgets a call that has ended."""
        with self._lock, contextlib.suppress(ValueError):
            self._calls.remove(call)


class _Response(Protocol):
    """What the response messages of all editing calls have in common."""

    @property
    def event(self) -> editing_service_pb2.EditEvent: ...


class EventStream(Iterator[Event]):
    """Events of one running call, in order; the iteration ends when the work is done.

    Iterating raises the typed error the call ends with. `close` (also by `with`, or Ctrl-C during the iteration)
    cancels what is still running.
    """

    def __init__(self, call: Any, cancel: CancelToken | None = None) -> None:
        self._call = call
        self._responses: Iterator[_Response] = iter(call)
        self._token = cancel
        if cancel is not None:
            cancel.attach(call)

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        try:
            while True:
                event = event_from_wire(next(self._responses).event)
                if event is not None:
                    return event
        except grpc.RpcError as rpc:
            self.close()
            raise from_rpc_error(rpc) from None
        except BaseException:  # the end, or KeyboardInterrupt
            self.close()
            raise

    def close(self) -> None:
        """Cancels the call if it is still running."""
        self._call.cancel()
        if self._token is not None:
            self._token.detach(self._call)

    def __enter__(self) -> EventStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def collect(events: EventStream, on_event: OnEvent | None) -> EditResult:
    """Runs a call to its end, telling `on_event` about everything; the call is cancelled if `on_event` raises."""
    images: list[Image] = []
    embedded: dict[str, Embedded] = {}
    notices: list[Notice] = []
    with events:
        for event in events:
            if on_event is not None:
                on_event(event)
            if isinstance(event, Image):
                images.append(event)
            elif isinstance(event, Embedded):
                embedded[event.role] = event
            elif isinstance(event, Notice):
                notices.append(event)
    return EditResult(
        images=tuple(sorted(images, key=lambda image: image.index)),
        embeddings={role: event.embedding for role, event in embedded.items()},
        reused=frozenset(role for role, event in embedded.items() if event.reused),
        notices=tuple(notices),
    )


def collect_embedding(events: EventStream, on_event: OnEvent | None) -> EmbedResult:
    """As `collect`, for Embed calls.

    Raises:
        LatentLayersError: EMBEDDING_MISSING, the daemon ended the call without an embedding.
    """
    result = collect(events, on_event)
    if not result.embeddings:
        raise LatentLayersError(
            "EMBEDDING_MISSING", "The daemon sent no embedding.", "Update Latent Layers and restart the daemon."
        )
    role, embedding = next(iter(result.embeddings.items()))
    picture = result.images[-1].picture if result.images else None
    return EmbedResult(embedding, role in result.reused, picture, result.notices)
