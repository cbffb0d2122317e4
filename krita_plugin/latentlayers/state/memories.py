"""The memory of every open document, read from its annotation once and written back when it changes."""

from __future__ import annotations

from typing import Any, Callable

from ..qt import QObject, Signal
from .memory import KEY, Memory


class Memories(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Keeps one Memory per open document.

    Args:
        same: whether two host documents are one.

    Signals:
        changed(document): its codes or its history are others.
    """

    changed = Signal(object)

    def __init__(self, same: Callable[[Any, Any], bool], parent: Any = None) -> None:
        super().__init__(parent)
        self._same = same
        self._known: list[tuple[Any, Memory]] = []

    def of(self, document: Any) -> Memory:
        """The document's memory; a document that was copied has its own from then on."""
        for known, memory in self._known:
            if self._same(known, document):
                return memory
        self._known = [(known, memory) for known, memory in self._known if known.is_open]
        memory = Memory.from_bytes(document.annotation(KEY))
        self._known.append((document, memory))
        return memory

    def save(self, document: Any) -> None:
        """Writes the memory into the document, if that is still open; it goes to the disk when the painter saves."""
        if document.is_open:
            document.set_annotation(KEY, self.of(document).to_bytes())
        self.changed.emit(document)
