"""The library in a window: look, take into the document, delete."""

from __future__ import annotations

from typing import Any

from ..qt import Qt, QtCore, QtGui, QtWidgets
from ..state.shelf import Shelf
from ..state.studio import Studio
from ..values import Refused
from .controls import HintedList, Trouble

ICON = 96
DELETE, SURELY = "Delete", "Really delete it?"


class LibraryDialog(QtWidgets.QDialog):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Thumbnails of every embedding the daemon keeps."""

    def __init__(self, studio: Studio, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self.shelf = Shelf(studio.daemon, studio.pb, studio.memories, self)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Latent Layers: Library")
        self.resize(520, 420)
        self.list = HintedList("")
        self.list.setViewMode(QtWidgets.QListView.ViewMode.IconMode)
        self.list.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        self.list.setIconSize(QtCore.QSize(ICON, ICON))
        self.list.setAccessibleName("Embeddings")
        self.list.itemActivated.connect(lambda _item: self.insert())
        self.list.itemSelectionChanged.connect(self._show_buttons)
        self.trouble = Trouble()
        box = QtWidgets.QDialogButtonBox()
        self.insert_button = box.addButton("Insert as layer", QtWidgets.QDialogButtonBox.ButtonRole.ActionRole)
        self.delete_button = box.addButton(DELETE, QtWidgets.QDialogButtonBox.ButtonRole.DestructiveRole)
        box.addButton(QtWidgets.QDialogButtonBox.StandardButton.Close)
        self.insert_button.clicked.connect(self.insert)
        self.delete_button.clicked.connect(self.delete)
        box.rejected.connect(self.reject)
        column = QtWidgets.QVBoxLayout(self)
        for part in (self.list, self.trouble, box):
            column.addWidget(part)
        self.shelf.changed.connect(self._show)
        self.shelf.failed.connect(self._show_error)
        self._show_buttons()
        self.shelf.load()

    @property
    def chosen(self) -> Any:
        """The embedding that is marked; None if none is."""
        item = self.list.currentItem()
        return item.data(Qt.ItemDataRole.UserRole) if item is not None else None

    def insert(self) -> None:
        """Takes the marked one into the document."""
        try:
            document, layer = self._studio.target()
        except Refused as refusal:
            self.trouble.show_trouble(refusal.message, refusal.remedy)
            return
        if self.chosen is not None:
            self.shelf.insert(self.chosen, document, layer.id)

    def delete(self) -> None:
        """Removes the marked one from the library, at the second press: there is no undo."""
        if self.chosen is None:
            return
        if self.delete_button.text() == DELETE:
            self.delete_button.setText(SURELY)
            return
        self.delete_button.setText(DELETE)
        self.shelf.delete(self.chosen)

    def _show_error(self, error: Any) -> None:
        self.trouble.show_trouble(error.message, error.remedy, getattr(error, "reason", ""))

    def _show_buttons(self) -> None:
        for button in (self.insert_button, self.delete_button):
            button.setEnabled(bool(self.list.selectedItems()))
        self.delete_button.setText(DELETE)

    def _show(self) -> None:
        self.list.hint = "The library is empty: every layer that is embedded will be listed here."
        self.list.clear()
        for embedding in self.shelf.entries:
            pixmap = QtGui.QPixmap()
            pixmap.loadFromData(embedding.thumbnail)
            item = QtWidgets.QListWidgetItem(QtGui.QIcon(pixmap), embedding.name or embedding.id[:8])
            item.setToolTip("%s\n%s" % (embedding.model, embedding.likeness_text))
            item.setData(Qt.ItemDataRole.UserRole, embedding)
            self.list.addItem(item)
