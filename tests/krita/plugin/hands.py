"""What hands do to widgets, and pictures of these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conftest import BINDING, QtCore, QtGui, QtTest, application, settle
from latentlayers.qt import Qt
from latentlayers.ui.docker import Panel
from latentlayers.values import LayerInfo

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
QTest = QtTest.QTest
DEFERRED_DELETE = 52  # of QEvent.Type, which PyQt5 has as a number and PyQt6 as an enum


def click(widget: Any) -> None:
    QTest.mouseClick(widget, LEFT)


def double_click(widget: Any) -> None:
    """All four events of one: `QTest.mouseDClick` leaves out the last, with which a button is pressed again."""
    click(widget)
    centre = QtCore.QPointF(widget.rect().center())
    where = QtCore.QPointF(widget.mapToGlobal(widget.rect().center()))
    kind = QtCore.QEvent.Type.MouseButtonDblClick
    application.sendEvent(widget, QtGui.QMouseEvent(kind, centre, where, LEFT, LEFT, NONE))
    QTest.mouseRelease(widget, LEFT)


def press(widget: Any, key: Any) -> None:
    QTest.keyClick(widget, key)


def wheel(widget: Any, notches: int) -> None:
    centre = QtCore.QPointF(widget.rect().center())
    event = QtGui.QWheelEvent(
        centre,
        QtCore.QPointF(widget.mapToGlobal(widget.rect().center())),
        QtCore.QPoint(),
        QtCore.QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    application.sendEvent(widget, event)


def choose(box: Any, text: str) -> None:
    """Chooses an entry of a combo box with the keyboard."""
    box.setFocus()
    wanted = next(index for index in range(box.count()) if box.itemText(index).strip() == text)
    while box.currentIndex() != wanted:
        press(box, Qt.Key.Key_Down if box.currentIndex() < wanted else Qt.Key.Key_Up)


def tab(panel: Panel, title: str) -> Any:
    """Brings the page of that title to the front with the mouse; returns it."""
    click(next(button for button in panel.tabs.buttons.buttons() if button.text() == title))
    assert panel.page.title == title
    return panel.page


def apply(panel: Panel) -> None:
    """Presses the button of the page in front."""
    click(panel.apply_buttons[panel.tabs.index])


def picture_of(widget: Any, name: str, screenshots: Path | None) -> None:
    """Saves what a widget looks like, for people to look at."""
    if screenshots is not None:
        settle()
        screenshots.mkdir(parents=True, exist_ok=True)
        assert widget.grab().save(str(screenshots / f"{name}-{BINDING}.png"))


def infos(*names: str) -> list[LayerInfo]:
    return [LayerInfo(name.lower(), name, "paintlayer") for name in names]


def blank(_layer: str) -> Any:
    image = QtGui.QImage(4, 4, QtGui.QImage.Format.Format_ARGB32)
    image.fill(0)
    return image
