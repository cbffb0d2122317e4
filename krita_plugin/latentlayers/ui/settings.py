"""The settings, and where the daemon is."""

from __future__ import annotations

from typing import Any

from ..qt import Qt, QtWidgets
from ..state.studio import Studio
from .choices import PASTES, PRESETS, STRIPS, choice, select, show_models

WIDTH = 400  # paths are long


class SettingsDialog(QtWidgets.QDialog):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """What the docker shows too, for those who work without it, and facts about the daemon to read and copy."""

    def __init__(self, studio: Studio, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._studio = studio
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Latent Layers: Settings")
        self.setMinimumWidth(WIDTH)
        self.model = choice("Model", (), lambda name: studio.set(model=name))
        self.preset = choice("Preset", PRESETS, lambda name: studio.set(preset=name))
        self.paste = choice("Results", PASTES, lambda name: studio.set(paste=name))
        self.strips = choice("Strips", STRIPS, lambda name: studio.set(strips=name))
        self.daemon = QtWidgets.QLabel()
        self.daemon.setTextFormat(Qt.TextFormat.PlainText)
        self.daemon.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.daemon.setWordWrap(True)
        self.fix_button = QtWidgets.QPushButton("Start the daemon")
        self.fix_button.clicked.connect(studio.fix)
        box = QtWidgets.QDialogButtonBox(QtWidgets.QDialogButtonBox.StandardButton.Close)
        box.rejected.connect(self.reject)
        form = QtWidgets.QFormLayout(self)
        form.addRow("Model", self.model)
        form.addRow("Preset", self.preset)
        form.addRow("Results", self.paste)
        form.addRow("Strips", self.strips)
        form.addRow("Daemon", self.daemon)
        form.addRow(self.fix_button)
        form.addRow(box)
        studio.daemon.state_changed.connect(self._show_daemon)
        studio.models.changed.connect(self._show_models)
        self._show_daemon(studio.daemon.state)
        self._show_models()
        select(self.preset, studio.settings.preset)
        select(self.paste, studio.settings.paste)
        select(self.strips, studio.settings.strips)
        studio.attach()
        self.finished.connect(lambda _result: studio.detach())

    def _show_models(self) -> None:
        show_models(self.model, self._studio.models, self._studio.settings.model)

    def _show_daemon(self, state: Any) -> None:
        lines = [state.message, state.remedy]
        if state.status is not None:
            status = state.status
            lines += ["Version %s" % status.version, status.address, "Models: %s/models" % status.data_folder]
        self.daemon.setText("\n".join(line for line in lines if line))
        self.fix_button.setVisible(state.kind != "connected")
