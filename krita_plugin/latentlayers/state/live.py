"""Pictures that follow a slider: only the newest wish counts, and only one call is under way."""

from __future__ import annotations

from typing import Any

from ..qt import QObject, Signal
from ..values import Refused
from .capture import latent
from .operations import Operation

KEY = "krita-preview"


class LivePreview(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Asks for the model's own picture of an edit, without pixels travelling: every layer must be embedded already.

    Signals:
        picture(pb.RawPixels): of the newest wish that was answered.
        unavailable(str): why there is none.
    """

    picture = Signal(object)
    unavailable = Signal(str)

    def __init__(self, daemon: Any, pb: Any, memories: Any, models: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._daemon, self._pb, self._memories, self._models = daemon, pb, memories, models
        self._call: Any = None
        self._wish: tuple[Any, str] | None = None
        self._last: Any = None
        self._answer: Any = None

    def show(self, operation: Operation, document: Any, layer: str, model: str) -> None:
        """Wishes for a picture of this edit; one that was not begun yet is dropped."""
        try:
            request = self._request(operation, document, layer, model)
        except Refused as refusal:
            self._wish = None
            self.unavailable.emit(str(refusal))
            return
        self._wish = (request, operation.method)
        self._next()

    def stop(self) -> None:
        """No more pictures."""
        self._wish = None
        if self._call is not None:
            self._call.cancel()

    def _request(self, operation: Operation, document: Any, layer: str, model: str) -> Any:
        pb, memory, digest = self._pb, self._memories.of(document), self._models.digest(model)
        sources = {}
        for role in operation.layers(layer):
            code = memory.code(operation.code_key(role, layer), digest)
            if code is None:
                raise Refused("The preview shows once every layer has been embedded: apply the edit once.")
            sources[role] = pb.Source(latent=latent(pb, code))
        output = pb.OutputOptions(paste=pb.PASTE_MODE_NONE, format=pb.PIXEL_FORMAT_BGRA8)
        request = operation.request(pb, sources, pb.EmbedOptions(model=model), output)
        request.latest_wins_key = KEY
        return request

    def _next(self) -> None:
        if self._wish is None or (self._call is not None and not self._call.finished):
            return
        (request, method), self._wish = self._wish, None
        if request == self._last:
            if self._answer is not None:
                self.picture.emit(self._answer)
            return
        self._last, self._answer = request, None
        call = self._call = self._daemon.call("EditingService", method, request)
        call.event.connect(self._on_event)
        call.done.connect(self._next)
        call.failed.connect(self._on_failed)

    def _on_event(self, event: Any) -> None:
        if event.WhichOneof("event") == "image":
            self._answer = event.image.picture.raw
            self.picture.emit(self._answer)

    def _on_failed(self, error: Any) -> None:
        self._last = None
        if error.reason not in ("CANCELLED", "SUPERSEDED"):
            self.unavailable.emit(error.message)
        self._next()
