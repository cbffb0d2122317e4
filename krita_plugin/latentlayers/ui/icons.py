"""The plugin's icons, drawn once and tinted to the theme, so that they are seen on dark and on light."""

from __future__ import annotations

from pathlib import Path

from ..qt import QtGui, QtWidgets

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
