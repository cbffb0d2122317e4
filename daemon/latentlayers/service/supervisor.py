"""Keeps at most one worker: starts it for the first job, unloads it when idle, replaces it after a crash."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from pathlib import Path

from latentlayers.engine.frames import Frame, FrameKind, Start, error_from_json
from latentlayers.errors import Exhausted, LatentLayersError, Unavailable
from latentlayers.service.config import ServiceConfig
from latentlayers.service.job import Job
from latentlayers.service.memory import give_back_freed
from latentlayers.service.process import WorkerProcess
from latentlayers.service.tasks import background
from latentlayers.v1 import daemon_service_pb2 as daemon
from latentlayers.v1 import editing_service_pb2 as editing

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 30.0
# Until the last pictures have been sent and freed.
FAREWELL_S = 1.0
# A response is an event and a few bytes around it.
ENVELOPE = 64


@dataclass(frozen=True)
class WorkerStatus:
    """What is known about the worker; device and torch are those of the last one."""

    state: daemon.WorkerState = daemon.WORKER_STATE_UNLOADED
    pid: int = 0
    device: str = ""
    torch: str = ""
    models: tuple[str, ...] = ()
    device_memory: int = 0
    restarts: int = 0


class Supervisor:
    """The worker as the scheduler sees it: something that runs jobs.

    Args:
        folder: the worker's working directory.
    """

    def __init__(self, config: ServiceConfig, folder: Path) -> None:
        self._config, self._folder = config, folder
        # Held while a worker is started or stopped, so that no job meets one that is about to go.
        self._gate = asyncio.Lock()
        self._worker: WorkerProcess | None = None
        self._retiring: WorkerProcess | None = None
        self._listener: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._active: dict[int, Job] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._held_back = False
        self._failures, self._crashed_at = 0, 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_unload: asyncio.Task[None] | None = None
        self._status = WorkerStatus()

    @property
    def status(self) -> WorkerStatus:
        return self._status

    @property
    def idle_unload_in_s(self) -> float:
        """Seconds until the idle worker exits; negative: not counting."""
        if self._idle_timer is None:
            return -1.0
        return max(0.0, self._idle_timer.when() - asyncio.get_running_loop().time())

    async def run(self, job: Job) -> None:
        """Has the worker do the job; returns once the worker is done with it. The outcome is in the job's outbox."""
        try:
            async with self._gate:
                if self._worker is None:
                    await self._start_for(job)
                worker = self._worker
                if worker is None or job.outbox.closed:
                    return
                self._begin(worker, job)
        except LatentLayersError as error:
            job.outbox.close(error)
            return
        released = asyncio.ensure_future(job.released.wait())
        over = asyncio.ensure_future(job.outbox.wait_closed())
        try:
            await asyncio.wait({released, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            released.cancel()
            over.cancel()
        if not job.released.is_set():
            worker.send(Frame(FrameKind.CANCEL, job.number))
            await self._stopped(worker, job)

    async def unload(self) -> None:
        """Ends the worker process after the jobs it is doing; later jobs wait and then get a new one."""
        async with self._gate:
            await self._quiet.wait()
            await self._stop_worker()

    async def stop(self) -> None:
        """Ends the worker process now; jobs must have been withdrawn."""
        self._cancel_idle_timer()
        await self._stop_worker()

    async def _start_for(self, job: Job) -> None:
        job.progress(editing.PHASE_LOADING)
        await self._gone()
        if not await _within(self._pause_s(), job.outbox.wait_closed()):
            await self._start()

    def _pause_s(self) -> float:
        """Seconds to wait before the next start: 0 after the first crash in a row, then 1, 2, 4 ... 30."""
        if self._failures < 2:
            return 0.0
        pause = min(LONGEST_PAUSE_S, 2.0 ** (self._failures - 2))
        return max(0.0, self._crashed_at + pause - asyncio.get_running_loop().time())

    async def _start(self) -> None:
        config = self._config
        restarts = self._status.restarts + (self._status.state == daemon.WORKER_STATE_CRASHED)
        home = ("--home", str(config.home.absolute())) if config.home else ()
        try:
            worker = await WorkerProcess.spawn([*config.worker_command, *home], self._folder)
        except OSError as error:
            raise Unavailable(
                "WORKER_START_FAILED",
                f"The worker process cannot be started: {error.strerror}.",
                "Install Latent Layers again.",
            ) from error
        log.info("worker %d starts", worker.pid)
        self._worker = worker
        self._status = replace(self._status, state=daemon.WORKER_STATE_STARTING, pid=worker.pid, restarts=restarts)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._listener = background(self._listen(worker, ready))
        try:
            await asyncio.wait_for(ready, config.worker_start_timeout_s)
        except asyncio.TimeoutError:
            fault = f"it was not ready after {config.worker_start_timeout_s:.0f} s"
            self._kill(worker, fault)
            raise Unavailable(
                "WORKER_START_FAILED",
                f"The worker process had to be killed: {fault}.",
                "Try again; the first start after an update takes longest.",
            ) from None
        self._settle()

    async def _listen(self, worker: WorkerProcess, ready: asyncio.Future[None]) -> None:
        try:
            while (frame := await worker.receive()) is not None:
                if frame.kind is FrameKind.HELLO:
                    self._greet(json.loads(frame.payload))
                    if not ready.done():
                        ready.set_result(None)
                elif frame.kind is FrameKind.STATE:
                    fields = json.loads(frame.payload)
                    self._status = replace(
                        self._status, models=tuple(fields["models"]), device_memory=fields["device_memory"]
                    )
                elif (job := self._active.get(frame.job)) is not None:
                    await self._deliver(job, frame)
        except Exception:
            # Whatever it is, jobs must not hang on a worker that is not listened to.
            log.exception("worker %d sent what cannot be understood", worker.pid)
            self._kill(worker, "it sent what cannot be understood")
        await self._bury(worker, ready)

    def _greet(self, hello: dict[str, str]) -> None:
        log.info("worker %d is ready on %s", self._status.pid, hello["device"])
        self._status = replace(
            self._status, state=daemon.WORKER_STATE_READY, device=hello["device"], torch=hello["torch"]
        )

    async def _deliver(self, job: Job, frame: Frame) -> None:
        if frame.kind is not FrameKind.EVENT:
            error = error_from_json(frame.payload) if frame.kind is FrameKind.ERROR else None
            if error is None:
                self._failures = 0
            job.outbox.close(error)
            self._release(job)
        elif len(frame.payload) + ENVELOPE > self._config.max_message_bytes:
            job.outbox.abandon(
                Exhausted(
                    "RESULT_TOO_LARGE",
                    f"The result has {len(frame.payload)} bytes; the limit is {self._config.max_message_bytes}.",
                    "Ask for PNG instead of raw pixels, or for a smaller picture.",
                )
            )
        elif not job.outbox.closed:
            job.outbox.offer(job.event_type.FromString(frame.payload))
            if job.outbox.full:
                await self._hold_back(job)

    async def _hold_back(self, job: Job) -> None:
        """Reads nothing more from the worker until the caller has taken some of its pictures."""
        self._held_back = True
        if not await _within(self._config.stall_timeout_s, job.outbox.room()):
            job.outbox.abandon(
                Exhausted("CALLER_TOO_SLOW", "The caller does not take its pictures.", "Ask for fewer at a time.")
            )
        self._held_back = False

    async def _stopped(self, worker: WorkerProcess, job: Job) -> None:
        """Waits until the worker has stopped a cancelled job; kills it if it does not."""
        while not await _within(self._config.cancel_grace_s, job.released.wait()):
            # It may be another job's turn (a preview between two steps), or its answer is not being read.
            busy = any(not other.outbox.closed for other in self._active.values())
            if not busy and not self._held_back:
                log.warning("worker %d did not stop job %d and is killed", worker.pid, job.number)
                self._retiring = worker
                self._kill(worker, "it did not stop a cancelled call")

    def _kill(self, worker: WorkerProcess, fault: str) -> None:
        worker.kill(fault)
        # No job may be given to it any more, although its end is noticed a little later.
        self._worker = None

    def _begin(self, worker: WorkerProcess, job: Job) -> None:
        self._cancel_idle_timer()
        self._active[job.number] = job
        self._quiet.clear()
        self._status = replace(self._status, state=daemon.WORKER_STATE_BUSY)
        worker.send(Frame(FrameKind.START, job.number, Start(job.method, job.request, job.interactive).encode()))
        job.request = b""

    def _release(self, job: Job) -> None:
        del self._active[job.number]
        job.released.set()
        self._settle()

    def _settle(self) -> None:
        """Starts to count towards the idle unload if the worker has nothing to do."""
        if self._active or self._worker is None:
            return
        self._quiet.set()
        self._status = replace(self._status, state=daemon.WORKER_STATE_READY)
        if self._config.idle_unload_s >= 0:
            self._cancel_idle_timer()
            loop = asyncio.get_running_loop()
            self._idle_timer = loop.call_later(self._config.idle_unload_s, self._start_idle_unload)

    def _cancel_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _start_idle_unload(self) -> None:
        self._idle_timer = None
        self._idle_unload = background(self._unload_if_idle())

    async def _unload_if_idle(self) -> None:
        async with self._gate:
            if not self._active:
                log.info("worker is unloaded after %.0f s without work", self._config.idle_unload_s)
                await self._stop_worker()

    async def _stop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._retiring = worker
            self._stopping = background(worker.stop(self._config.stop_grace_s))
            # The caller may go away, the worker goes down all the same.
            await asyncio.shield(self._stopping)
        await self._gone()

    async def _gone(self) -> None:
        """Returns once the last worker is gone for good: two would fight for the device."""
        if self._listener is not None:
            await asyncio.wait([self._listener])

    async def _bury(self, worker: WorkerProcess, ready: asyncio.Future[None]) -> None:
        expected = worker is self._retiring
        lost, self._active = list(self._active.values()), {}
        self._worker = None
        self._cancel_idle_timer()
        state = daemon.WORKER_STATE_UNLOADED if expected else daemon.WORKER_STATE_CRASHED
        self._status = replace(self._status, state=state, pid=0, models=(), device_memory=0)
        how = await worker.bury(self._config.stop_grace_s)
        if expected:
            log.info("worker %d is gone", worker.pid)
        else:
            log.error("worker %d %s", worker.pid, how)
            self._failures += 1
            self._crashed_at = asyncio.get_running_loop().time()
        if not ready.done():
            ready.set_exception(
                Unavailable(
                    "WORKER_START_FAILED",
                    f"The worker process {how} before it was ready.",
                    "See `latentlayers doctor` and the worker's log.",
                )
            )
        for job in lost:
            job.outbox.close(
                Unavailable(
                    "WORKER_DIED",
                    f"The worker process {how}.",
                    "Call again; if it happens again, see the worker's log (`latentlayers doctor` says where).",
                    retry_after=self._pause_s(),
                )
            )
            job.released.set()
        self._quiet.set()
        asyncio.get_running_loop().call_later(FAREWELL_S, give_back_freed)


async def _within(seconds: float, waiting: Awaitable[object]) -> bool:
    """Whether what is waited for happens within so many seconds."""
    try:
        await asyncio.wait_for(waiting, seconds)
    except asyncio.TimeoutError:
        return False
    return True
