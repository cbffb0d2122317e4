"""An operation's page in a window of its own, for those who work without the docker. It never blocks Krita."""

from __future__ import annotations

from ..qt import Qt, QtWidgets
from ..state.studio import Studio
from ..values import Refused
from .controls import THUMBNAIL, Trouble
from .pages import Page


class PageDialog(QtWidgets.QDialog):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Asks for the details of one operation, and starts it."""

    def __init__(self, studio: Studio, page: Page, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio, self.page = studio, page
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Latent Layers: %s" % page.action)
        self.trouble = Trouble()
        box = QtWidgets.QDialogButtonBox()
        self.apply_button = box.addButton(page.action, QtWidgets.QDialogButtonBox.ButtonRole.AcceptRole)
        box.addButton(QtWidgets.QDialogButtonBox.StandardButton.Cancel)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        column = QtWidgets.QVBoxLayout(self)
        for part in (page, self.trouble, box):
            column.addWidget(part)
        document = studio.host.active_document()
        if document is not None:
            page.show_layers(document.layers(), lambda layer: document.thumbnail(layer, THUMBNAIL))
        studio.models.changed.connect(self._show_model)
        self._show_model()
        studio.attach()
        self.finished.connect(lambda _result: studio.detach())

    def accept(self) -> None:
        """Starts the operation; stays open if something is still missing."""
        try:
            operation = self.page.operation()
        except Refused as refusal:
            self.trouble.show_trouble(refusal.message, refusal.remedy)
            return
        self._studio.apply(operation)
        super().accept()

    def _show_model(self) -> None:
        self.page.show_model(self._studio.models.find(self._studio.settings.model))
