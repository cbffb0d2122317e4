"""One page per operation: its controls, and the operation they describe. The docker and the dialogs show the same."""

from __future__ import annotations

from typing import Any

from ..qt import QtGui, QtWidgets, Signal
from ..state import operations
from ..values import LayerInfo, Refused
from .choices import narrow
from .controls import LayerPicker, ValueSlider, prose

ROWS = (
    ("Colours and texture", ""),
    ("Coarse: pose, shape, hair", "coarse"),
    ("Middle: features, expression", "middle"),
    ("Fine: colours, light", "fine"),
    ("Everything", "all"),
)
NOTHING_CHOSEN = "Choose a layer first."


class Page(QtWidgets.QWidget):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Controls of one operation.

    Attributes:
        title, icon: of its tab; action: on its button.
        pickers: its layer pickers, which the owner keeps up to date.

    Signals:
        changed(): the operation is another, also while dragging.
    """

    title = icon = ""
    action = "Apply"
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.form = QtWidgets.QFormLayout(self)
        self.form.setContentsMargins(0, 4, 0, 4)
        self.form.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.WrapAllRows)
        self.pickers: list[LayerPicker] = []

    def operation(self) -> operations.Operation:
        """What the controls say.

        Raises:
            Refused: something has not been chosen yet.
        """
        raise NotImplementedError

    def preview(self) -> operations.Operation | None:
        """The operation with one picture, for the slider's preview; None where there is nothing to slide."""
        return None

    def show_layers(self, layers: list[LayerInfo], thumbnail: Any) -> None:
        """The layers that the pickers offer."""
        for picker in self.pickers:
            picker.show_layers(layers, thumbnail)

    def show_model(self, model: Any) -> None:
        """The model that is chosen now; None if there is none."""

    def add_picker(self, label: str) -> LayerPicker:
        picker = LayerPicker(label)
        picker.picked.connect(lambda _layer: self.changed.emit())
        self.pickers.append(picker)
        self.form.addRow(label, picker)
        return picker

    def add_slider(self, label: str, low: float, high: float, start: float, **how: Any) -> ValueSlider:
        slider = ValueSlider(label, low, high, start, **how)
        slider.changed.connect(lambda _value: self.changed.emit())
        self.form.addRow(label, slider)
        return slider

    def add_count(self) -> QtWidgets.QSpinBox:
        """How many pictures: one layer, or a strip of them in a group."""
        count = QtWidgets.QSpinBox()
        count.setRange(1, 30)
        count.setSpecialValueText("1 layer")
        count.setSuffix(" layers in a group")
        count.setAccessibleName("Number of results")
        self.form.addRow("How many", count)
        return count


def _layer(picker: LayerPicker) -> str:
    if not picker.layer:
        raise Refused(NOTHING_CHOSEN, "Pick it under “%s”." % picker.accessibleName())
    return picker.layer


class EmbedPage(Page):
    title, icon, action = "Embed", "embed", "Embed layer"

    def __init__(self) -> None:
        super().__init__()
        self.form.addRow(prose("Finds the layer's latent code. Select the face first if it does not fill the layer."))

    def operation(self) -> operations.Operation:
        return operations.Embed()


class MorphPage(Page):
    title, icon, action = "Morph", "morph", "Morph"

    def __init__(self) -> None:
        super().__init__()
        self.other = self.add_picker("Morph into")
        self.amount = self.add_slider("How far", 0, 1, 0.5)
        self.count = self.add_count()

    def operation(self) -> operations.Operation:
        count = self.count.value()
        amounts = (self.amount.value,) if count == 1 else operations.strip(0.0, 1.0, count)
        return operations.Morph(_layer(self.other), amounts)

    def preview(self) -> operations.Operation | None:
        return operations.Morph(_layer(self.other), (self.amount.value,))


class StylePage(Page):
    title, icon, action = "Style", "crossover", "Give style"

    def __init__(self) -> None:
        super().__init__()
        self.style_layer = self.add_picker("Style from")
        self.rows = narrow(QtWidgets.QComboBox())
        self.rows.setAccessibleName("What to take")
        for text, rows in ROWS:
            self.rows.addItem(text, rows)
        self.rows.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.form.addRow("What to take", self.rows)

    def operation(self) -> operations.Operation:
        return operations.Crossover(_layer(self.style_layer), str(self.rows.currentData()))

    def preview(self) -> operations.Operation | None:
        return self.operation()


class ExpressionPage(Page):
    title, icon, action = "Face", "expression", "Transfer expression"

    def __init__(self) -> None:
        super().__init__()
        self.neutral = self.add_picker("Neutral face")
        self.expressive = self.add_picker("Face with the expression")
        self.strength = self.add_slider("Strength", -2, 2, 1)
        self.count = self.add_count()

    def operation(self) -> operations.Operation:
        count, strength = self.count.value(), self.strength.value
        strengths = (strength,) if count == 1 else operations.strip(0.0, strength, count)
        return operations.Expression(_layer(self.neutral), _layer(self.expressive), strengths)

    def preview(self) -> operations.Operation | None:
        return operations.Expression(_layer(self.neutral), _layer(self.expressive), (self.strength.value,))


class DirectionPage(Page):
    title, icon, action = "Direction", "direction", "Apply direction"
    UNSUPERVISED = 10  # of each kind; they have no names of their own

    def __init__(self) -> None:
        super().__init__()
        self.name = narrow(QtWidgets.QComboBox())
        self.name.setAccessibleName("Direction")
        self.name.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.form.addRow("Direction", self.name)
        self.strength = self.add_slider("Strength", -3, 3, 1, suffix="", shown=1)
        self.count = self.add_count()

    def show_model(self, model: Any) -> None:
        chosen = self.name.currentText()
        names = list(model.directions) if model is not None else []
        if model is not None:
            names += ["%s-%d" % (kind, n + 1) for kind in ("pca", "sefa") for n in range(self.UNSUPERVISED)]
        if names != [self.name.itemText(i) for i in range(self.name.count())]:
            self.name.clear()
            self.name.addItems(names)
            self.name.setCurrentIndex(max(0, self.name.findText(chosen)))

    def operation(self) -> operations.Operation:
        count, strength = self.count.value(), self.strength.value
        return operations.Direction(
            self._name(), (strength,) if count == 1 else operations.strip(-abs(strength), abs(strength), count)
        )

    def preview(self) -> operations.Operation | None:
        return operations.Direction(self._name(), (self.strength.value,))

    def _name(self) -> str:
        if not self.name.currentText():
            raise Refused("No direction is chosen.", "Connect to the daemon, and pick one.")
        return str(self.name.currentText())


PAGES = (EmbedPage, MorphPage, StylePage, ExpressionPage, DirectionPage)


def raw_image(raw: Any) -> QtGui.QImage:
    """pb.RawPixels of a preview (RGB8 or BGRA8) as an image of its own."""
    four = len(raw.data) == raw.width * raw.height * 4
    form = QtGui.QImage.Format.Format_ARGB32 if four else QtGui.QImage.Format.Format_RGB888
    stride = raw.stride or raw.width * (4 if four else 3)
    return QtGui.QImage(raw.data, raw.width, raw.height, stride, form).copy()
