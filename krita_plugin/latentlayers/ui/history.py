"""The edits of the document, newest first: again, star, forget."""

from __future__ import annotations

from typing import Any

from ..qt import Qt, QtCore, QtGui, QtWidgets, Signal
from ..state.memory import Deed, Memory
from .controls import HintedList

ICON = 48
STAR = "★ "
KEYS = (Qt.Key.Key_Delete, Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class History(HintedList):
    """Thumbnails of what was done. Enter or a double click does it again, Space stars it, Delete removes it.

    Signals:
        again(Deed), starred(Deed), forgotten(Deed): what the painter wants with one.
    """

    again, starred, forgotten = Signal(object), Signal(object), Signal(object)

    def __init__(self) -> None:
        super().__init__("The history of this document: every edit will be listed here.")
        self.setAccessibleName("History")
        self.setIconSize(QtCore.QSize(ICON, ICON))
        self.setMinimumHeight(2 * ICON)
        self.setWordWrap(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.itemDoubleClicked.connect(lambda item: self.again.emit(item.data(Qt.ItemDataRole.UserRole)))
        self._shown: list[Deed] = []

    def show_memory(self, memory: Memory | None) -> None:
        """Lists a document's edits; nothing for None."""
        deeds = list(memory.history) if memory is not None else []
        if deeds == self._shown:
            return
        self._shown, row = deeds, self.currentRow()
        self.clear()
        for deed in deeds:
            item = QtWidgets.QListWidgetItem((STAR if deed.starred else "") + deed.title)
            pixmap = QtGui.QPixmap()
            pixmap.loadFromData(deed.thumbnail)
            item.setIcon(QtGui.QIcon(pixmap))
            item.setData(Qt.ItemDataRole.UserRole, deed)
            item.setToolTip(
                "%s\nModel: %s\nEnter: do it again. Space: star. Delete: remove."
                % (deed.title, deed.model or "the default one")
            )
            self.addItem(item)
        self.setCurrentRow(min(row, self.count() - 1))

    def keyPressEvent(self, event: Any) -> None:
        item = self.currentItem()
        if item is None or event.key() not in KEYS:
            super().keyPressEvent(event)
            return
        signals = {Qt.Key.Key_Delete: self.forgotten, Qt.Key.Key_Space: self.starred}
        signals.get(event.key(), self.again).emit(item.data(Qt.ItemDataRole.UserRole))

    def event(self, event: Any) -> bool:
        # Krita has shortcuts for these keys; while the list has the focus they are the list's.
        if event.type() == QtCore.QEvent.Type.ShortcutOverride and event.key() in KEYS:
            event.accept()
            return True
        return bool(super().event(event))

    def _menu(self, position: QtCore.QPoint) -> None:
        item = self.itemAt(position)
        if item is None:
            return
        deed = item.data(Qt.ItemDataRole.UserRole)
        menu = QtWidgets.QMenu(self)
        menu.addAction("Do it again", lambda: self.again.emit(deed))
        menu.addAction("Remove the star" if deed.starred else "Star", lambda: self.starred.emit(deed))
        menu.addAction("Remove from the history", lambda: self.forgotten.emit(deed))
        menu.popup(self.mapToGlobal(position))
