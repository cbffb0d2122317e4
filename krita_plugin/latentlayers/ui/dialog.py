"""An operation's page in a window of its own, for those who work without the docker. It never blocks Krita."""

from __future__ import annotations

from ..qt import Qt, QtCore, QtWidgets
from ..state.studio import Studio
from ..values import Refused
from .controls import THUMBNAIL, Trouble, prose
from .pages import Page

WIDTH = 320  # so that the title can be read
LOOK_EVERY_MS = 500


class PageDialog(QtWidgets.QDialog):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Asks for the details of one operation, and starts it."""

    def __init__(self, studio: Studio, page: Page, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio, self.page = studio, page
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Latent Layers: %s" % page.action)
        self.setMinimumWidth(WIDTH)
        self.layer = prose()
        self.trouble = Trouble()
        box = QtWidgets.QDialogButtonBox()
        self.apply_button = box.addButton(page.action, QtWidgets.QDialogButtonBox.ButtonRole.AcceptRole)
        box.addButton(QtWidgets.QDialogButtonBox.StandardButton.Cancel)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        column = QtWidgets.QVBoxLayout(self)
        for part in (self.layer, page, self.trouble, box):
            column.addWidget(part)
        self._timer = QtCore.QTimer(self)
        self._timer.timeout.connect(self.look)
        self._timer.start(LOOK_EVERY_MS)
        self.look()
        studio.models.changed.connect(self._show_model)
        studio.refused.connect(self._show_refusal)
        self._show_model()
        studio.attach()
        self.finished.connect(self._end)

    def look(self) -> None:
        """Follows the document in front, as long as the window is open."""
        document = self._studio.host.active_document()
        layers = document.layers() if document is not None else []
        self.page.show_layers(layers, lambda layer: document.thumbnail(layer, THUMBNAIL))
        active = document.active_layer() if document is not None else None
        self.layer.setText("Layer: %s" % active.name if active is not None else "No layer is active.")

    def accept(self) -> None:
        """Starts the operation; stays open if something is still missing."""
        try:
            operation = self.page.operation()
        except Refused as refusal:
            self._show_refusal(refusal)
            return
        if self._studio.apply(operation) is not None:
            super().accept()

    def _show_refusal(self, refusal: Refused) -> None:
        self.trouble.show_trouble(refusal.message, refusal.remedy)

    def _end(self, _result: int) -> None:
        self._timer.stop()
        self._studio.detach()

    def _show_model(self) -> None:
        self.page.show_model(self._studio.models.find(self._studio.settings.model))
