"""Whose turn it is: one bounded queue over all callers, slider previews past it, the newest of a key wins."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from latentlayers.errors import Cancelled, DeadlineExceeded, Exhausted, LatentLayersError, Superseded, Unavailable
from latentlayers.service.job import Job
from latentlayers.service.tasks import background
from latentlayers.v1 import editing_service_pb2 as editing

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0


class Runner(Protocol):
    """What does the jobs: the supervisor."""

    async def run(self, job: Job) -> None: ...


class Scheduler:
    """Gives jobs to the worker: those without a key one after the other, those with a key at once.

    Args:
        limit: most jobs that wait, and most previews under way.
        most_bytes: most bytes of requests that wait.
    """

    def __init__(self, runner: Runner, *, limit: int, most_bytes: int) -> None:
        self._runner, self._limit, self._most_bytes = runner, limit, most_bytes
        self._waiting: deque[Job] = deque()
        self._chores: deque[Job] = deque()
        self._running: Job | None = None
        self._previews: dict[str, Job] = {}
        self._queue: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def queue_length(self) -> int:
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Accepts a job; everything after that is told through its outbox.

        Raises:
            Exhausted: QUEUE_FULL. Superseded: SUPERSEDED. Unavailable: DAEMON_STOPPING.
        """
        if self._stopped:
            raise stopping()
        if job.key:
            self._submit_preview(job)
        else:
            self._enqueue(job)

    def submit_chore(self, job: Job) -> None:
        """As `submit`, for work of the daemon's own: it is begun only while no caller's job waits.

        Raises:
            Unavailable: DAEMON_STOPPING.
        """
        if self._stopped:
            raise stopping()
        self._chores.append(job)
        self._begin()

    def withdraw(self, job: Job, error: LatentLayersError | None = None) -> None:
        """Ends a job from the caller's side, wherever it is; does nothing if it is over."""
        job.outbox.abandon(error or Cancelled("CANCELLED", "The call was cancelled.", "Call again to start over."))
        if job in self._waiting:
            self._waiting.remove(job)
            self._announce()
        elif job in self._chores:
            self._chores.remove(job)

    def stop(self) -> None:
        """Accepts no more, and ends all jobs with DAEMON_STOPPING."""
        self._stopped = True
        running = [self._running] if self._running else []
        for job in [*self._waiting, *self._chores, *running, *self._previews.values()]:
            self.withdraw(job, stopping())

    def _enqueue(self, job: Job) -> None:
        size = sum(len(waiting.request) for waiting in self._waiting)
        if len(self._waiting) >= self._limit or (self._waiting and size + len(job.request) > self._most_bytes):
            raise _full(f"{len(self._waiting)} calls are waiting already")
        self._waiting.append(job)
        self._announce()
        self._begin()

    def _begin(self) -> None:
        if self._queue is None:
            self._queue = background(self._work_off())

    async def _work_off(self) -> None:
        while self._waiting or self._chores:
            job = self._running = (self._waiting or self._chores).popleft()
            self._announce()
            await self._run(job)
            self._running = None
        self._queue = None

    def _announce(self) -> None:
        """Tells the waiting callers how many jobs are ahead of them."""
        ahead = 0 if self._running is None else 1
        for position, job in enumerate(self._waiting):
            if job.ahead != position + ahead:
                job.ahead = position + ahead
                job.progress(editing.PHASE_QUEUED, job.ahead)

    def _submit_preview(self, job: Job) -> None:
        older = self._previews.get(job.key)
        if older is None and len(self._previews) >= self._limit:
            raise _full(f"{len(self._previews)} previews are under way already")
        superseded = Superseded("SUPERSEDED", "A newer call took this one's place.", "Use the newer call's result.")
        if older is not None:
            if older.number > job.number:  # it overtook this one on its way here
                raise superseded
            self.withdraw(older, superseded)
        self._previews[job.key] = job
        task = background(self._preview(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _preview(self, job: Job) -> None:
        await self._run(job)
        if self._previews.get(job.key) is job:
            del self._previews[job.key]

    async def _run(self, job: Job) -> None:
        if job.deadline is not None and asyncio.get_running_loop().time() >= job.deadline:
            late = "The call's deadline passed before its turn came."
            job.outbox.abandon(DeadlineExceeded("DEADLINE_EXCEEDED", late, "Call again with a later deadline."))
        if job.outbox.closed:
            return
        log.log(job.log_level, "job %d starts", job.number)
        try:
            await self._runner.run(job)
        except Exception:
            # One job's trouble must not stop the queue.
            log.exception("job %d failed in the front", job.number)
            job.outbox.close(
                LatentLayersError("INTERNAL", f"{job.method} failed unexpectedly.", "See `latentlayers doctor`.")
            )
        log.log(job.log_level, "job %d ends", job.number)


def stopping() -> Unavailable:
    """What every call gets while the daemon goes down."""
    return Unavailable("DAEMON_STOPPING", "The daemon is stopping.", "Call again once it runs again.")


def _full(why: str) -> Exhausted:
    return Exhausted("QUEUE_FULL", f"The queue is full: {why}.", "Try again later.", retry_after=RETRY_AFTER_S)
