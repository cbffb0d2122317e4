"""Edits under way: one at a time, the others waiting, each from the layer's pixels to the layers that come back."""

from __future__ import annotations

import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable

from ..qt import QObject, Signal
from ..values import Refused
from . import operations
from .capture import PIXEL_FORMATS, Capture, capture, code_from, picture
from .memory import Deed
from .results import Result

PREVIEW_EVERY_MS = 300


@dataclass(frozen=True)
class Settings:
    """How edits are done.

    Attributes:
        model: its name; "" for the daemon's default.
        preset: of the embedding; "" for the daemon's default.
        paste: "residual" keeps the layer's own texture, "replace" shows the model's pixels.
    """

    model: str = ""
    preset: str = ""
    paste: str = "residual"


@dataclass
class Progress:
    """Where an edit is; `total` 0 means that nobody can tell.

    Attributes:
        phase: "reading", "waiting", "loading", "embedding", "drawing".
        subject: name of the layer that is being embedded.
        eta: seconds; negative if not known.
    """

    phase: str = "waiting"
    subject: str = ""
    step: int = 0
    total: int = 0
    eta: float = -1.0
    preview: Any = None


@dataclass(eq=False)
class Job:
    """One edit. `state` is "queued", "running", "done", "failed" or "cancelled"."""

    operation: operations.Operation
    document: Any
    layer: str
    title: str
    settings: Settings
    state: str = "queued"
    progress: Progress = field(default_factory=Progress)
    error: Any = None
    deed: Deed | None = None
    verdict: str = ""

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")


class Jobs(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Runs edits in the order they were asked for.

    Args:
        daemon: wire's Daemon.
        pb: wire's messages.
        memories: what gives the Memory of a document and saves it again: `of(document)`, `save(document)`.
        digest: tells the sha256 of a model by name, "" where it is not known yet.

    Signals:
        changed(Job): its state or progress is another.
        ended(Job): it is done, failed or cancelled.
    """

    changed = Signal(object)
    ended = Signal(object)

    def __init__(
        self, daemon: Any, pb: Any, memories: Any, digest: Callable[[str], str], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._daemon, self._pb, self._memories, self._digest = daemon, pb, memories, digest
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._call: Any = None
        self._captures: dict[str, Capture] = {}
        self._result: Result | None = None

    @property
    def current(self) -> Job | None:
        """The edit that is running."""
        return self._current

    @property
    def waiting(self) -> int:
        """How many come after it."""
        return len(self._waiting)

    def start(self, operation: operations.Operation, document: Any, layer: str, settings: Settings) -> Job:
        """Begins an edit, or puts it behind the one that is running."""
        job = Job(operation, document, layer, operation.kind, settings)
        self._waiting.append(job)
        self.changed.emit(job)
        self._next()
        return job

    def cancel(self) -> None:
        """Ends the running edit; what it has embedded so far is kept."""
        if self._current is not None:
            self._end("cancelled")

    def cancel_all(self) -> None:
        """Ends every edit."""
        while self._waiting:
            job = self._waiting.popleft()
            job.state = "cancelled"
            self.ended.emit(job)
        self.cancel()

    # One edit

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        job = self._current = self._waiting.popleft()
        job.state, job.progress = "running", Progress("reading")
        self.changed.emit(job)
        try:
            request = self._request(job)
        except Exception as error:
            self._end("failed", refusal(error))
            return
        call = self._call = self._daemon.call("EditingService", job.operation.method, request)
        call.event.connect(lambda event: self._on_event(call, event))
        call.done.connect(lambda: self._on_done(call))
        call.failed.connect(lambda error: self._on_failed(call, error))

    def _request(self, job: Job) -> Any:
        pb, operation = self._pb, job.operation
        memory, digest = self._memories.of(job.document), self._digest(job.settings.model)
        captures = self._captures = {}
        for role, layer in operation.layers(job.layer).items():
            key = operation.code_key(role, job.layer)
            # A code sought near another is of no use once that one is sought anew.
            stale = role in operation.near and captures[operation.near[role]].code is None
            code = None if stale else memory.code(key, digest)
            captures[role] = capture(job.document, layer, key, code, main=role == operation.main)
        names = {role: captured.name for role, captured in self._captures.items()}
        job.title = operation.title(names[operation.main], names)
        main = self._captures[operation.main]
        self._result = Result(main, operation.weights)
        paste = pb.PASTE_MODE_REPLACE if job.settings.paste == "replace" else pb.PASTE_MODE_RESIDUAL
        if isinstance(operation, (operations.Embed, operations.Render)):
            # The model's own drawing is what was asked for; as a difference there would be nothing to see.
            paste = pb.PASTE_MODE_REPLACE
        form = getattr(pb, PIXEL_FORMATS[main.pixels.depth])
        output = pb.OutputOptions(paste=paste, format=form, layer=True)
        mask = job.document.selection_mask(main.view)
        if mask is not None:
            output.selection.CopyFrom(picture(pb, mask))
        options = pb.EmbedOptions(
            model=job.settings.model, preset=job.settings.preset, preview_interval_ms=PREVIEW_EVERY_MS
        )
        sources = {
            role: captured.source(pb, with_pixels=role == operation.main) for role, captured in self._captures.items()
        }
        return operation.request(pb, sources, options, output)

    def _on_event(self, call: Any, event: Any) -> None:
        job = self._current
        if call is not self._call or job is None:
            return
        kind = event.WhichOneof("event")
        if kind == "progress":
            job.progress = self._progress(event.progress)
        elif kind == "embedded":
            self._remember(job, event.embedded)
        elif kind == "image" and self._result is not None:
            self._result.add(event.image)
        self.changed.emit(job)

    def _progress(self, message: Any) -> Progress:
        pb = self._pb
        phases = {pb.PHASE_QUEUED: "waiting", pb.PHASE_LOADING: "loading", pb.PHASE_EMBEDDING: "embedding"}
        captured = self._captures.get(message.role)
        last = self._current.progress.preview if self._current is not None else None
        return Progress(
            phases.get(message.phase, "drawing"),
            captured.name if captured is not None else "",
            message.step,
            message.total,
            message.eta_seconds,
            message.preview.raw if message.HasField("preview") else last,
        )

    def _remember(self, job: Job, embedded: Any) -> None:
        captured = self._captures.get(embedded.role)
        if captured is None or captured.code is not None:
            return
        code = code_from(embedded.embedding, captured)
        if embedded.role == job.operation.main:
            job.verdict = code.verdict_text
        self._memories.of(job.document).remember(code)
        self._memories.save(job.document)

    def _on_done(self, call: Any) -> None:
        job, result = self._current, self._result
        if call is not self._call or job is None or result is None:
            return
        try:
            made = result.insert(job.document, job.layer, job.title)
        except Exception as error:
            self._end("failed", refusal(error))
            return
        model = job.settings.model
        job.deed = Deed(
            uuid.uuid4().hex, job.layer, made, job.title, job.operation, model, time.time(), result.thumbnail()
        )
        self._memories.of(job.document).add(job.deed)
        self._memories.save(job.document)
        self._end("done")

    def _on_failed(self, call: Any, error: Any) -> None:
        if call is self._call and self._current is not None:
            self._end("cancelled" if error.reason == "CANCELLED" else "failed", error)

    def _end(self, state: str, error: Any = None) -> None:
        job, call = self._current, self._call
        self._current, self._call, self._captures, self._result = None, None, {}, None
        if call is not None:
            call.cancel()  # does nothing to a call that has ended
        if job is not None:
            job.state, job.error = state, error
            self.changed.emit(job)
            self.ended.emit(job)
        self._next()


def refusal(error: Exception) -> Refused:
    """Whatever went wrong as something to tell the painter: an edit must end, and never by Krita's error dialog."""
    if isinstance(error, Refused):
        return error
    return Refused(
        "Something went wrong in the plugin: %s: %s" % (type(error).__name__, error),
        "Please report it, with the output of `latentlayers doctor`.",
    )
