"""The plugin's icons, drawn once and tinted to the theme, so that they are seen on dark and on light."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

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
    """Gives a window's actions their icons, and again in other colours when the theme changes; is never seen itself.

    It knows actions by their names and never keeps one. PyQt shows Python's garbage collector what is connected to an
    object's signals, but not that C++ still needs the object: window, icons, actions and what they do would look like
    a circle that nobody holds, and be cleared, and Krita would crash at the next click.

    Args:
        window: whose palette counts, and which it lives as long as.
        find: gives the action of a name, or None.
    """

    def __init__(self, window: QtWidgets.QWidget, find: Callable[[str], Any]) -> None:
        super().__init__(window)
        self._find = find
        self._names: dict[str, str] = {}
        self.hide()

    def add(self, action: Any, name: str) -> None:
        """`name` as `icon` takes it."""
        self._names[action.objectName()] = name
        action.setIcon(icon(name, self.palette()))

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange:
            for name, drawing in self._names.items():
                action = self._find(name)
                if action is not None:
                    action.setIcon(icon(drawing, self.palette()))
