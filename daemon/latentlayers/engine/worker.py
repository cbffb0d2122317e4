"""The worker process: reads frames, runs one job at a time, serves slider previews between its steps."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import BinaryIO

from latentlayers.engine.frames import Frame, FrameKind, Start, error_to_json, read_frame
from latentlayers.engine.jobs import Job
from latentlayers.errors import Cancelled, InvalidInput, LatentLayersError

log = logging.getLogger(__name__)

Handler = Callable[[Job], None]
EXIT_GRACE_S = 5.0


class Worker:
    """Runs jobs from `incoming` frames with `handlers`, one per RPC name.

    Args:
        translate: turns an exception into a typed error, or returns None if it has no better name for it.
        state: what the STATE frame should say now (JSON-ready); sent after a job when it changed.
    """

    def __init__(
        self,
        incoming: BinaryIO,
        outgoing: BinaryIO,
        handlers: Mapping[str, Handler],
        translate: Callable[[BaseException], LatentLayersError | None],
        state: Callable[[], dict[str, object]],
    ) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._handlers, self._translate, self._state = handlers, translate, state
        self._write_lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._previews: deque[Job] = deque()
        self._last_state: dict[str, object] = {}

    def run(self, hello: Mapping[str, object]) -> None:
        """Announces itself with `hello`, then works until SHUTDOWN or the end of the incoming stream."""
        threading.Thread(target=self._read, name="frames", daemon=True).start()
        self._send(FrameKind.HELLO, 0, json.dumps(dict(hello)).encode())
        while (job := self._waiting.get()) is not None:
            # A preview is announced here too, and may have been served between the steps of another job.
            if job.interactive:
                self._serve_previews()
            else:
                self._execute(job)
            self._report_state()

    def _send(self, kind: FrameKind, job: int, payload: bytes = b"") -> None:
        data = Frame(kind, job, payload).encode()
        with self._write_lock:
            self._outgoing.write(data)
            self._outgoing.flush()

    def _report_state(self) -> None:
        state = self._state()
        if state != self._last_state:
            self._last_state = state
            self._send(FrameKind.STATE, 0, json.dumps(state).encode())

    def _read(self) -> None:
        try:
            while (frame := read_frame(self._incoming)) is not None and frame.kind is not FrameKind.SHUTDOWN:
                if frame.kind is FrameKind.START:
                    self._accept(frame)
                elif frame.kind is FrameKind.CANCEL and (job := self._jobs.get(frame.job)):
                    job.cancelled.set()
        finally:
            for job in list(self._jobs.values()):
                job.cancelled.set()
            self._waiting.put(None)
            # The front is gone or wants us gone: a job that does not stop must not keep the device.
            timer = threading.Timer(EXIT_GRACE_S, os._exit, args=(0,))
            timer.daemon = True
            timer.start()

    def _accept(self, frame: Frame) -> None:
        start = Start.decode(frame.payload)
        job = Job(
            number=frame.job,
            method=start.method,
            request=start.request,
            interactive=start.interactive,
            emit=lambda payload: self._send(FrameKind.EVENT, frame.job, payload),
            between_steps=self._serve_previews,
        )
        self._jobs[job.number] = job
        if job.interactive:
            self._previews.append(job)
        self._waiting.put(job)

    def _serve_previews(self) -> None:
        while self._previews:
            self._execute(self._previews.popleft())

    def _execute(self, job: Job) -> None:
        error: LatentLayersError | None = None
        try:
            job.checkpoint()
            handler = self._handlers.get(job.method)
            if handler is None:
                raise InvalidInput("METHOD_UNKNOWN", f"The worker does not know {job.method!r}.", "Update the daemon.")
            handler(job)
        except LatentLayersError as typed:
            error = typed
        except Exception as exception:
            error = self._translate(exception)
            if error is None:
                log.exception("job %d (%s) failed", job.number, job.method)
                error = LatentLayersError(
                    "INTERNAL",
                    f"{job.method} failed unexpectedly: {type(exception).__name__}.",
                    "This is a bug: please report it with the output of `latentlayers doctor`.",
                )
        finally:
            self._jobs.pop(job.number, None)
        if error is None:
            self._send(FrameKind.DONE, job.number)
        else:
            if not isinstance(error, Cancelled):
                log.info("job %d (%s): %s", job.number, job.method, error.reason)
            self._send(FrameKind.ERROR, job.number, error_to_json(error))
