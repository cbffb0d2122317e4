"""The daemon's library of embeddings, and taking one into the document as a layer."""

from __future__ import annotations

import functools
from typing import Any

from ..host.pixels import Pixels
from ..qt import QObject, Signal
from ..values import Bounds, Refused, Square, View, refusal
from .memory import Code

PAGE = 100


class Shelf(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Lists embeddings, newest first.

    Signals:
        changed(): `entries` are others.
        failed(error): a call went wrong; has a message, and a remedy.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(self, daemon: Any, pb: Any, memories: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._daemon, self._pb, self._memories = daemon, pb, memories
        self.entries: list[Any] = []

    def load(self) -> None:
        """Asks for all of them anew."""
        self.entries = []
        self._ask("")

    def delete(self, embedding: Any) -> None:
        """Removes one from the library; layers made of it stay."""
        call = self._daemon.call(
            "EmbeddingService", "DeleteEmbedding", self._pb.DeleteEmbeddingRequest(id=embedding.id)
        )
        call.done.connect(self.load)
        call.failed.connect(self._fail)

    def insert(self, embedding: Any, document: Any, layer: str) -> None:
        """Draws one as a layer above another, in the selection or in the middle of the canvas; it can be edited at
        once, as its code comes along."""
        pb = self._pb
        request = pb.RenderRequest(
            source=pb.Source(embedding_id=embedding.id),
            embed=pb.EmbedOptions(model=embedding.model),
            output=pb.OutputOptions(format=pb.PIXEL_FORMAT_BGRA8, latents=True),
        )
        call = self._daemon.call("EditingService", "Render", request)
        call.event.connect(functools.partial(self._take, embedding, document, layer))
        call.failed.connect(self._fail)

    def _ask(self, token: str) -> None:
        request = self._pb.ListEmbeddingsRequest(page_size=PAGE, page_token=token)
        call = self._daemon.call("EmbeddingService", "ListEmbeddings", request)
        call.event.connect(self._add)
        call.failed.connect(self._fail)

    def _add(self, answer: Any) -> None:
        self.entries.extend(answer.embeddings)
        self.changed.emit()
        if answer.next_page_token:
            self._ask(answer.next_page_token)

    def _fail(self, error: Any) -> None:
        self.failed.emit(error)

    def _take(self, embedding: Any, document: Any, layer: str, event: Any) -> None:
        if event.WhichOneof("event") != "image":
            return
        try:
            self._insert(event.image, embedding, document, layer)
        except Exception as error:
            self.failed.emit(refusal(error))

    def _insert(self, image: Any, embedding: Any, document: Any, layer: str) -> None:
        raw = image.picture.raw
        square = _place(document, raw.width)
        bounds = square.bounds
        name = embedding.name or "From the library"
        pixels = Pixels(raw.width, raw.height, "U8", raw.data)
        made = document.insert_above(layer, name, document.to_depth(pixels), bounds)
        view = View.of(bounds, bounds.longer_side)
        seen = document.read(made, bounds, bounds.longer_side)
        code = Code(
            key=made,
            model=embedding.model,
            digest=embedding.model_digest,
            rows=image.latent.rows,
            width=image.latent.width,
            values=image.latent.ws,
            square=square,
            extent=document.layer_bounds(made),
            view=view,
            fingerprint=seen.fingerprint,
        )
        self._memories.of(document).remember(code)
        self._memories.save(document)


def _place(document: Any, side: int) -> Square:
    """Where a picture goes: the largest square in the middle of the selection, or at its own size in the canvas'."""
    selected = document.selection_bounds()
    bounds = selected if selected is not None and not selected.is_empty else document.bounds
    most = min(bounds.width, bounds.height)
    side = most if selected is not None else min(most, side)
    if side < 1:
        raise Refused("There is no room for the picture.", "Make a larger selection.")
    return Square.around(
        Bounds(bounds.x + (bounds.width - side) // 2, bounds.y + (bounds.height - side) // 2, side, side)
    )
