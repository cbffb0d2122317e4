"""The edits of the document, newest first: again, star, forget."""

from __future__ import annotations

from typing import Any

from ..qt import Qt, QtCore, QtGui, QtWidgets, Signal
from ..state.memory import Deed, Memory

ICON = 48
STAR = "★ "


class History(QtWidgets.QListWidget):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Thumbnails of what was done.

    Signals:
        again(Deed), starred(Deed), forgotten(Deed): what the painter wants with one.
    """

    again, starred, forgotten = Signal(object), Signal(object), Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("History")
        self.setIconSize(QtCore.QSize(ICON, ICON))
        self.setMinimumHeight(2 * ICON)
        self.setWordWrap(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.itemActivated.connect(lambda item: self.again.emit(item.data(Qt.ItemDataRole.UserRole)))
        self._shown: list[Deed] = []

    def show_memory(self, memory: Memory | None) -> None:
        """Lists a document's edits; nothing for None."""
        deeds = list(memory.history) if memory is not None else []
        if deeds == self._shown:
            return
        self._shown = deeds
        self.clear()
        for deed in deeds:
            item = QtWidgets.QListWidgetItem((STAR if deed.starred else "") + deed.title)
            pixmap = QtGui.QPixmap()
            pixmap.loadFromData(deed.thumbnail)
            item.setIcon(QtGui.QIcon(pixmap))
            item.setData(Qt.ItemDataRole.UserRole, deed)
            item.setToolTip(
                "%s\nModel: %s\nPress Enter to do it again." % (deed.title, deed.model or "the default one")
            )
            self.addItem(item)

    def keyPressEvent(self, event: Any) -> None:
        item = self.currentItem()
        if item is not None and event.key() == Qt.Key.Key_Delete:
            self.forgotten.emit(item.data(Qt.ItemDataRole.UserRole))
        else:
            super().keyPressEvent(event)

    def event(self, event: Any) -> bool:
        # Krita has a shortcut for Delete; while the list has the focus it is the list's.
        if event.type() == QtCore.QEvent.Type.ShortcutOverride and event.key() == Qt.Key.Key_Delete:
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
