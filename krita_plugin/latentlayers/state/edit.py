"""One edit between the painter's wish and the layers that come back: its request, and what the answers mean. No Qt."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from ..values import Refused
from . import operations
from .capture import PIXEL_FORMATS, Capture, capture, code_from, picture
from .memory import Deed, Memory
from .results import Result

PREVIEW_EVERY_MS = 300


@dataclass(frozen=True)
class Settings:
    """How edits are done.

    Attributes:
        model: its name; "" for the daemon's default.
        preset: of the embedding; "" for the daemon's default.
        paste: "residual" keeps the layer's own texture, "replace" shows the model's pixels.
        strips: several results become layers in a "group", or "frames" of an animated layer.
    """

    model: str = ""
    preset: str = ""
    paste: str = "residual"
    strips: str = "group"


@dataclass(frozen=True)
class Progress:
    """Where an edit is.

    Attributes:
        phase: "connecting", "reading", "waiting", "loading", "embedding", "drawing".
        subject: name of the layer that is being embedded.
        step, total: of this phase; while waiting, `step` is the number of edits before this one.
        eta: seconds; negative if not known.
        share: of the phase, all layers that are embedded taken together, 0 to 1; negative if nobody can tell.
        preview: pb.RawPixels, or None.
    """

    phase: str = "waiting"
    subject: str = ""
    step: int = 0
    total: int = 0
    eta: float = -1.0
    share: float = -1.0
    preview: Any = None


@dataclass(eq=False)
class Job:
    """What the painter sees of an edit. `state` is "queued", "running", "done", "failed" or "cancelled"."""

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


class Edit:
    """Reads the layers of a job as they are now.

    Args:
        pb: wire's messages.
        memory: of the job's document; gets the codes that are found, and the deed.
        digest: of the model that is to be used.

    Raises:
        Refused: a layer is gone or empty, or the selection does not meet it.
    """

    def __init__(self, job: Job, pb: Any, memory: Memory, digest: str) -> None:
        self.job, self._pb, self._memory = job, pb, memory
        operation = job.operation
        self._captures: dict[str, Capture] = {}
        taken: dict[str, Capture] = {}  # by key: a layer in two roles is read, and remembered, but once
        for role, layer in operation.layers(job.layer).items():
            key = operation.code_key(role, job.layer)
            if key not in taken:
                # A code sought near another is of no use once that one is sought anew.
                stale = role in operation.near and self._captures[operation.near[role]].code is None
                code = None if stale or operation.fills_selection else memory.code(key, digest)
                earlier = memory.code(layer)
                main, fills = role == operation.main, operation.fills_selection
                taken[key] = capture(job.document, layer, key, code, earlier, main=main, fills=fills)
            self._captures[role] = taken[key]
        self._main = self._captures[operation.main]
        names = {role: captured.name for role, captured in self._captures.items()}
        job.title = operation.title(self._main.name, names)
        self._replaces = job.settings.paste == "replace" or operation.drawn_by_the_model
        self._result = Result(self._main, operation.steps(names), keeps_texture=not self._replaces)
        self._to_embed = [role for role, captured in self._captures.items() if captured.code is None]
        self._embedded: set[str] = set()

    def request(self) -> Any:
        """What is sent to `job.operation.method`."""
        pb, job = self._pb, self.job
        output = pb.OutputOptions(
            paste=pb.PASTE_MODE_REPLACE if self._replaces else pb.PASTE_MODE_RESIDUAL,
            format=getattr(pb, PIXEL_FORMATS[self._main.pixels.depth]),
            layer=True,
        )
        mask = job.document.selection_mask(self._main.view)
        if mask is not None:
            output.selection.CopyFrom(picture(pb, mask))
        elif job.operation.fills_selection:
            raise Refused("Nothing is selected.", "Select what is to be painted anew.")
        options = pb.EmbedOptions(
            model=job.settings.model, preset=job.settings.preset, preview_interval_ms=PREVIEW_EVERY_MS
        )
        sources = {
            role: captured.source(pb, with_pixels=role == job.operation.main)
            for role, captured in self._captures.items()
        }
        if job.operation.fills_selection:
            sources[job.operation.main].picture.mask.CopyFrom(picture(pb, mask.inverted()))
        return job.operation.request(pb, sources, options, output)

    def take(self, event: Any) -> bool:
        """Takes a pb.EditEvent; whether `memory` has changed."""
        kind = event.WhichOneof("event")
        if kind == "progress":
            self.job.progress = self._progress(event.progress)
        elif kind == "image":
            self._result.add(event.image)
            self.job.progress = Progress("drawing", share=self._result.share, preview=self.job.progress.preview)
        elif kind == "embedded":
            return self._remember(event.embedded)
        return False

    def finish(self) -> None:
        """Puts the pictures into the document, and the deed into its history.

        Raises:
            Refused: the document was closed, or pictures are missing.
        """
        job, result = self.job, self._result
        earlier = {deed.result for deed in self._memory.history if deed.layer == job.layer}
        animated = job.settings.strips == "frames"
        made = result.insert(job.document, job.layer, job.title, earlier, animated=animated)
        job.deed = Deed(
            id=uuid.uuid4().hex,
            layer=job.layer,
            result=made,
            title=job.title,
            operation=job.operation,
            model=job.settings.model,
            when=time.time(),
            thumbnail=result.thumbnail(),
        )
        self._memory.add(job.deed)

    def _progress(self, message: Any) -> Progress:
        pb = self._pb
        phases = {pb.PHASE_QUEUED: "waiting", pb.PHASE_LOADING: "loading", pb.PHASE_EMBEDDING: "embedding"}
        phase = phases.get(message.phase, "drawing")
        share = -1.0
        if phase == "embedding" and message.total and self._to_embed:
            share = min(1.0, (len(self._embedded) + message.step / message.total) / len(self._to_embed))
        captured = self._captures.get(message.role)
        return Progress(
            phase,
            captured.name if captured is not None else "",
            message.step,
            message.total,
            message.eta_seconds,
            share,
            message.preview.raw if message.HasField("preview") else self.job.progress.preview,
        )

    def _remember(self, embedded: Any) -> bool:
        captured = self._captures.get(embedded.role)
        if captured is None or captured.code is not None or self.job.operation.fills_selection:
            return False  # known already, or not that of the layer as it is
        self._embedded.add(embedded.role)
        code = code_from(embedded.embedding, captured)
        if embedded.role == self.job.operation.main:
            self.job.verdict = code.verdict_text
        self._memory.remember(code)
        return True
