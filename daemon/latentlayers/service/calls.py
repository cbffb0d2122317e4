"""From an RPC to a job and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, TypeVar, cast

import grpc.aio
from google.protobuf.message import Message

from latentlayers.errors import LatentLayersError
from latentlayers.service.job import Job
from latentlayers.service.logs import call_number
from latentlayers.service.outbox import Outbox
from latentlayers.service.scheduler import Scheduler

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)


class Calls:
    """Has RPCs done by the worker.

    Args:
        outbox_bytes: see `ServiceConfig`.
    """

    def __init__(self, scheduler: Scheduler, outbox_bytes: int) -> None:
        self._scheduler, self._outbox_bytes = scheduler, outbox_bytes

    async def stream(
        self,
        method: str,
        request: Message,
        context: grpc.aio.ServicerContext[Any, Any],
        event_type: type[M],
        key: str = "",
    ) -> AsyncIterator[M]:
        """What the worker sends for the call, until it is done. Ends the job when the caller is gone.

        Raises:
            LatentLayersError: whatever the scheduler, the supervisor or the worker has to say.
        """
        remaining = context.time_remaining()
        job = Job(
            call_number.get(),
            method,
            request.SerializeToString(),
            event_type,
            Outbox(self._outbox_bytes),
            key=key,
            deadline=None if remaining is None else asyncio.get_running_loop().time() + remaining,
        )
        self._scheduler.submit(job)
        log.log(job.log_level, "%s", method)
        # Unlike a `finally` here, this runs at once when the call ends while a response is being sent.
        # (The stubs ask for a class of their own instead of something that can be called.)
        context.add_done_callback(lambda _: self._scheduler.withdraw(job))  # type: ignore[arg-type]
        async for event in job.outbox:
            yield cast(M, event)

    async def chore(self, method: str, request: Message, event_type: type[Message]) -> None:
        """Has something done for the daemon itself, while no caller's job waits. Raises as `stream`."""
        job = Job(0, method, request.SerializeToString(), event_type, Outbox(self._outbox_bytes))
        self._scheduler.submit_chore(job)
        try:
            async for _ in job.outbox:
                pass
        finally:
            self._scheduler.withdraw(job)

    async def single(
        self, method: str, request: Message, context: grpc.aio.ServicerContext[Any, Any], response_type: type[M]
    ) -> M:
        """As `stream`, for calls with one response."""
        responses = [response async for response in self.stream(method, request, context, response_type)]
        if not responses:
            raise LatentLayersError("INTERNAL", f"The worker gave no answer to {method}.", "Update Latent Layers.")
        return responses[-1]
