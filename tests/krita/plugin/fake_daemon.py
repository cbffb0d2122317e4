"""A daemon that does what a test says, with the same face as wire's: it answers nothing by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from latentlayers.qt import QObject, QtCore, Signal
from latentlayers.wire import Call, CallError, ConnectionState
from latentlayers.wire import messages as pb

ROWS, WIDTH = 10, 8
RESOLUTION = 16
DIGEST = "d" * 64
MODEL = pb.Model(
    name="portraits-128",
    family="stylegan2",
    resolution=64,
    num_ws=ROWS,
    w_dim=WIDTH,
    digest=DIGEST,
    licence="CC0",
    directions=["smile", "age"],
)
SAMPLES = {pb.PIXEL_FORMAT_BGRA8: np.dtype("u1"), pb.PIXEL_FORMAT_BGRA16: np.dtype("<u2")}
RED = (0, 0, 1, 1)  # blue, green, red, alpha: what the daemon draws


def latent(value: float = 0.0, digest: str = DIGEST) -> Any:
    return pb.Latent(ws=np.full((ROWS, WIDTH), value, "<f4").tobytes(), rows=ROWS, width=WIDTH, model_digest=digest)


def picture(width: int, height: int, form: int = pb.PIXEL_FORMAT_BGRA8, colour: tuple[float, ...] = RED) -> Any:
    """A picture of one colour."""
    samples = np.ones((height, width, 4)) * np.array(colour) * np.iinfo(SAMPLES[form]).max
    raw = pb.RawPixels(width=width, height=height, format=form, data=samples.astype(SAMPLES[form]).tobytes())
    return pb.Picture(raw=raw)


def sources(request: Any) -> dict[str, Any]:
    """Role -> pb.Source of an editing request."""
    if isinstance(request, pb.EmbedRequest):
        return {"source": pb.Source(picture=request.source)}
    named = {field.name: value for field, value in request.ListFields()}
    return {role: value for role, value in named.items() if isinstance(value, pb.Source)}


def weights(request: Any) -> list[float]:
    """lambda of each picture that a request asks for."""
    if isinstance(request, pb.MorphRequest):
        return list(request.weights.values)
    return list(getattr(request, "strengths", ())) or [1.0]


class FakeCall(Call):
    """A call, and what the test makes the daemon do about it.

    Attributes:
        service, name, request: what was asked.
        cancelled: the plugin has cancelled it.
    """

    def __init__(self, service: str, name: str, request: Any) -> None:
        super().__init__(self._on_cancel)
        self.service, self.name, self.request = service, name, request
        self.cancelled = False

    def _on_cancel(self) -> None:
        self.cancelled = True
        QtCore.QTimer.singleShot(0, self.finish_cancelled)

    def progress(self, **fields: Any) -> None:
        self.deliver(pb.EditEvent(progress=pb.Progress(**fields)))

    def embedded(self, role: str, value: float = 0.0, **fields: Any) -> None:
        """The picture of `role` has a code now; its frame is the one that was given, else the whole picture."""
        source = sources(self.request)[role].picture
        frame = source.frame.affine
        if not source.frame.HasField("affine"):
            side = source.picture.raw.width
            frame = pb.Affine(xu=side, yv=side)
        found = pb.Embedding(
            model=MODEL.name, model_digest=DIGEST, frame=frame, latent=latent(value), psnr=30, likeness=1, **fields
        )
        self.deliver(pb.EditEvent(embedded=pb.Embedded(role=role, embedding=found)))

    def image(self, index: int = 0, colour: tuple[float, ...] = RED) -> None:
        """A picture as large as the one that is pasted into, or the model's own."""
        output, asked = self.request.output, weights(self.request)
        first = next(iter(sources(self.request).values()))
        pasted = output.paste in (pb.PASTE_MODE_REPLACE, pb.PASTE_MODE_RESIDUAL)
        raw = first.picture.picture.raw if pasted else pb.RawPixels(width=RESOLUTION, height=RESOLUTION)
        drawn = picture(raw.width, raw.height, output.format, colour)
        codes = latent(0.5) if output.latents else None
        image = pb.Image(picture=drawn, index=index, count=len(asked), weight=asked[index], latent=codes)
        self.deliver(pb.EditEvent(image=image))

    def embed_all(self) -> None:
        """Finds a code for every picture that came without one, each another."""
        for number, (role, source) in enumerate(sources(self.request).items()):
            if source.WhichOneof("source") == "picture" and not source.picture.HasField("latent"):
                self.embedded(role, float(number + 1))

    def serve(self) -> None:
        """All that the daemon would do."""
        self.embed_all()
        for index in range(len(weights(self.request))):
            self.image(index)
        self.finish(None)

    def fail(self, reason: str = "WORKER_DIED", message: str = "The worker died.", remedy: str = "Try again.") -> None:
        self.finish(CallError("INTERNAL", reason, message, remedy))


class FakeDaemon(QObject):
    """Has wire.Daemon's face; `calls` are all that were made, `last` the newest."""

    state_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.state = ConnectionState("idle", "Not connected yet.")
        self.calls: list[FakeCall] = []
        self.connects = self.starts = 0
        self.closed = False

    def connect_(self) -> None:
        self.connects += 1

    def start(self) -> None:
        self.starts += 1

    def close(self) -> None:
        self.closed = True

    def call(self, service: str, name: str, request: Any, timeout: float | None = None) -> FakeCall:
        made = FakeCall(service, name, type(request).FromString(request.SerializeToString()))
        self.calls.append(made)
        return made

    @property
    def last(self) -> FakeCall:
        return self.calls[-1]

    @property
    def edits(self) -> list[FakeCall]:
        return [call for call in self.calls if call.service == "EditingService"]

    @property
    def open_calls(self) -> list[FakeCall]:
        return [call for call in self.calls if not call.finished]

    def named(self, name: str) -> list[FakeCall]:
        return [call for call in self.calls if call.name == name]

    def become(self, kind: str, message: str = "", **fields: Any) -> None:
        """The connection's state changes."""
        self.state = ConnectionState(kind, message, **fields)
        self.state_changed.emit(self.state)

    def tell_models(self, *models: Any) -> None:
        """Answers the call that watches the models folder."""
        answer = pb.WatchModelsResponse(models=models or [MODEL], default_model=MODEL.name)
        self.named("WatchModels")[-1].deliver(answer)
