"""Small controls that the pages are made of."""

from __future__ import annotations

import contextlib
from typing import Any, Callable

from ..qt import QObject, Qt, QtCore, QtGui, QtWidgets, Signal
from ..values import LayerInfo, Refused
from .choices import narrow

THUMBNAIL = 24
HINT = "Choose a layer…"


def prose(text: str = "") -> QtWidgets.QLabel:
    """Text in lines as long as there is room, plain, as it may quote a file name; long words do not make it wider."""
    label = QtWidgets.QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    policy = label.sizePolicy()  # with its height for width, which a new one would not have
    policy.setHorizontalPolicy(QtWidgets.QSizePolicy.Policy.Ignored)
    label.setSizePolicy(policy)
    return label


class ValueSlider(QtWidgets.QWidget):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """A number by slider, by typing, by wheel or by arrow keys; a double click on the slider resets it.

    Args:
        low, high: its range; it moves in hundredths of `unit`.
        suffix: behind the typed number, e.g. " %".
        shown: what the spin box shows for a value of 1, e.g. 100 for per cent.

    Signals:
        changed(float): another value, also while dragging.
    """

    changed = Signal(float)

    def __init__(
        self, name: str, low: float, high: float, start: float, suffix: str = " %", shown: float = 100
    ) -> None:
        super().__init__()
        self._start, self._shown = start, shown
        self.setAccessibleName(name)
        self.slider = QtWidgets.QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(round(low * 100), round(high * 100))
        self.slider.setPageStep(10)
        self.slider.setAccessibleName(name)
        self.slider.setToolTip("Drag, scroll or use the arrow keys. Double-click to reset.")
        self.slider.installEventFilter(self)
        self.spin = QtWidgets.QDoubleSpinBox()
        self.spin.setDecimals(0 if shown >= 100 else 2)
        self.spin.setRange(low * shown, high * shown)
        self.spin.setSingleStep(shown / 100 if shown >= 100 else 0.05)
        self.spin.setSuffix(suffix)
        self.spin.setAccessibleName(name)
        self.reset_button = QtWidgets.QToolButton()
        self.reset_button.setText("↺")
        self.reset_button.setToolTip("Reset to %g%s" % (start * shown, suffix))
        self.reset_button.setAutoRaise(True)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.slider, 1)
        row.addWidget(self.spin)
        row.addWidget(self.reset_button)
        self.set_value(start)
        self.slider.valueChanged.connect(self._on_slider)
        self.spin.valueChanged.connect(self._on_spin)
        self.reset_button.clicked.connect(self.reset)

    @property
    def value(self) -> float:
        return float(self.spin.value()) / self._shown

    def set_value(self, value: float) -> None:
        self.spin.setValue(value * self._shown)
        self.slider.setValue(round(value * 100))

    def reset(self) -> None:
        self.set_value(self._start)

    def eventFilter(self, watched: QObject, event: QtCore.QEvent) -> bool:
        if watched is self.slider and event.type() == QtCore.QEvent.Type.MouseButtonDblClick:
            self.reset()
            return True
        return False

    def _on_slider(self, position: int) -> None:
        if round(self.value * 100) != position:
            self.spin.setValue(position / 100 * self._shown)

    def _on_spin(self, shown: float) -> None:
        self.slider.setValue(round(shown / self._shown * 100))
        self.changed.emit(self.value)


class HintedList(QtWidgets.QListWidget):  # type: ignore[misc]
    """A list that says what will be in it as long as nothing is.

    Args:
        hint: a sentence.
    """

    def __init__(self, hint: str) -> None:
        super().__init__()
        self.hint = hint

    def paintEvent(self, event: Any) -> None:
        super().paintEvent(event)
        if self.count() or not self.hint:
            return
        painter = QtGui.QPainter(self.viewport())
        painter.setPen(self.palette().color(QtGui.QPalette.ColorGroup.Disabled, QtGui.QPalette.ColorRole.Text))
        room = QtCore.QRectF(self.viewport().rect().adjusted(12, 4, -12, -4))
        painter.drawText(room, self.hint, QtGui.QTextOption(Qt.AlignmentFlag.AlignCenter))
        painter.end()


class LayerPicker(QtWidgets.QComboBox):  # type: ignore[misc]
    """Chooses a layer of the document; keeps it while layers are renamed, moved, added and removed.

    Thumbnails are drawn of the layer that is chosen, and of all when the list is opened, one in each turn of the event
    loop: a document may have hundreds of layers, and each takes Krita some milliseconds.

    Signals:
        picked(str): id of another layer, or "" for none.
    """

    picked = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setIconSize(QtCore.QSize(THUMBNAIL, THUMBNAIL))
        narrow(self)
        self._shown: list[LayerInfo] = []
        self._thumbnail: Callable[[str], QtGui.QImage] | None = None
        self._without_icon: list[int] = []
        # As large as a thumbnail, so that an opened list does not outgrow its window while they are drawn.
        empty = QtGui.QPixmap(THUMBNAIL, THUMBNAIL)
        empty.fill(Qt.GlobalColor.transparent)
        self._empty = QtGui.QIcon(empty)
        self._drawing = QtCore.QTimer(self)
        self._drawing.timeout.connect(self._draw_next)
        self.currentIndexChanged.connect(self._on_chosen)

    @property
    def layer(self) -> str:
        """Id of the layer that is chosen; "" if none is."""
        return str(self.currentData() or "")

    def choose(self, layer: str) -> None:
        self.setCurrentIndex(self.findData(layer))

    def show_layers(self, layers: list[LayerInfo], thumbnail: Callable[[str], QtGui.QImage]) -> None:
        """Takes the document's layers, and what draws one of them."""
        self._thumbnail = thumbnail
        if layers == self._shown:
            return
        chosen, icons = self.layer, {info.id: self.itemIcon(i) for i, info in enumerate(self._shown)}
        self._shown = list(layers)
        self._drawing.stop()
        self.blockSignals(True)
        self.clear()
        for info in layers:
            self.addItem(icons.get(info.id, self._empty), "%s%s" % ("  " * info.depth, info.name), info.id)
        self.setCurrentIndex(self.findData(chosen))
        self.blockSignals(False)
        if self.layer != chosen:
            self.picked.emit(self.layer)

    def paintEvent(self, event: Any) -> None:
        super().paintEvent(event)
        if self.currentIndex() >= 0:
            return
        # Qt's own placeholder came with 5.15, and that does not draw it.
        option = QtWidgets.QStyleOptionComboBox()
        self.initStyleOption(option)
        option.currentText = HINT
        painter = QtWidgets.QStylePainter(self)
        painter.setOpacity(0.6)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()

    def showPopup(self) -> None:
        super().showPopup()
        self._without_icon = list(range(self.count() - 1, -1, -1))
        self._drawing.start(0)

    def hidePopup(self) -> None:
        self._drawing.stop()
        super().hidePopup()

    def _on_chosen(self, index: int) -> None:
        if index >= 0:
            self._draw(index)
        self.picked.emit(self.layer)

    def _draw_next(self) -> None:
        if self._without_icon:
            self._draw(self._without_icon.pop())
        else:
            self._drawing.stop()

    def _draw(self, index: int) -> None:
        with contextlib.suppress(Refused):  # it has just been deleted
            image = self._thumbnail(self.itemData(index)) if self._thumbnail is not None else QtGui.QImage()
            self.setItemIcon(index, QtGui.QIcon(QtGui.QPixmap.fromImage(image)))


DOT_COLOURS = {"idle": "#888888", "connecting": "#d8a020", "starting": "#d8a020", "connected": "#3fa34d"}
FAILED_COLOUR = "#d04040"


class Dot(QtWidgets.QWidget):  # type: ignore[misc]
    """A coloured dot for the state of something; the text beside it says the same in words."""

    def __init__(self) -> None:
        super().__init__()
        self._kind = "idle"
        self.setFixedSize(12, 12)

    def show_state(self, kind: str) -> None:
        self._kind = kind
        self.update()

    def paintEvent(self, event: Any) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(DOT_COLOURS.get(self._kind, FAILED_COLOUR)))
        painter.drawEllipse(1, 1, 10, 10)
        painter.end()


class EditButton(QtWidgets.QPushButton):  # type: ignore[misc]
    """Starts an edit; a double click, as painters are used to, starts one and not two."""

    def mouseDoubleClickEvent(self, event: Any) -> None:
        event.accept()


class Trouble(QtWidgets.QFrame):  # type: ignore[misc]
    """An error as a plain sentence, what to do, and its code to copy; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.text = prose()
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.copy_button = QtWidgets.QPushButton("Copy")
        self.close_button = QtWidgets.QPushButton("Dismiss")
        self.copy_button.clicked.connect(self._copy)
        self.close_button.clicked.connect(self.hide)
        buttons = QtWidgets.QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.close_button)
        column = QtWidgets.QVBoxLayout(self)
        column.addWidget(self.text)
        column.addLayout(buttons)
        self.hide()

    def show_trouble(self, message: str, remedy: str = "", code: str = "") -> None:
        parts = [message, remedy, "[%s]" % code if code else ""]
        self.text.setText("\n".join(part for part in parts if part))
        self.show()

    def _copy(self) -> None:
        QtWidgets.QApplication.clipboard().setText(self.text.text())
