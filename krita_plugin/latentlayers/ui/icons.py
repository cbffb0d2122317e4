"""The plugin's icons, drawn once and tinted to the theme, so that they are seen on dark and on light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..qt import QtCore, QtGui, QtWidgets

FOLDER = Path(__file__).resolve().parents[1] / "icons"
DRAWN_IN = "#777777"
SIDE = 48  # twice what toolbars show, for dense screens


def icon(name: str, palette: QtGui.QPalette | None = None) -> QtGui.QIcon:
    """The icon of that name in the colour of the palette's text (by default, the application's)."""
    palette = palette if palette is not None else QtWidgets.QApplication.palette()
    made = QtGui.QIcon()
    source = (FOLDER / (name + ".svg")).read_text("ascii")
    groups = QtGui.QPalette.ColorGroup.Normal, QtGui.QPalette.ColorGroup.Disabled
    for group, mode in zip(groups, (QtGui.QIcon.Mode.Normal, QtGui.QIcon.Mode.Disabled)):
        colour = palette.color(group, QtGui.QPalette.ColorRole.WindowText).name()
        svg = source.replace(DRAWN_IN, colour).replace(
            'width="24" height="24"', 'width="%d" height="%d"' % (SIDE, SIDE)
        )
        pixmap = QtGui.QPixmap()
        pixmap.loadFromData(svg.encode("ascii"), "SVG")
        made.addPixmap(pixmap, mode)
    return made


class ActionIcons(QtWidgets.QWidget):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Gives actions their icons, and again in other colours when the theme changes; is never seen itself.

    Args:
        window: whose palette counts, and which it lives as long as.
    """

    def __init__(self, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self._actions: list[tuple[Any, str]] = []
        self.hide()

    def add(self, action: Any, name: str) -> None:
        """`name` as `icon` takes it."""
        self._actions.append((action, name))
        action.setIcon(icon(name, self.palette()))

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange:
            for action, name in self._actions:
                action.setIcon(icon(name, self.palette()))
