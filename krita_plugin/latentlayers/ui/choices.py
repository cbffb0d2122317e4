"""Boxes that choose one of a few settings."""

from __future__ import annotations

from typing import Any, Callable, Iterable, TypeVar

from ..qt import QObject, Qt, QtCore, QtWidgets

Box = TypeVar("Box", bound=QtWidgets.QComboBox)

PASTES = (("Keep the layer's texture", "residual"), ("Show the model's pixels", "replace"))
STRIPS = (("Layers in a group", "group"), ("Frames of an animation", "frames"))
PRESETS = (("Fast", ""), ("Best", "best"), ("Image2StyleGAN's (slow)", "paper"))


class _Unscrolled(QObject):  # type: ignore[misc]  # PyQt5 or PyQt6, which decides only in Krita
    """Keeps the wheel from changing a box that the mouse merely passes while the docker is scrolled."""

    def eventFilter(self, watched: QObject, event: QtCore.QEvent) -> bool:
        if event.type() == QtCore.QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()  # it is what scrolls the docker
            return True
        return False


def narrow(box: Box) -> Box:
    """Lets a box be less wide than its longest text, and leaves the wheel alone, as it must in a docker."""
    box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.installEventFilter(_Unscrolled(box))
    return box


def choice(name: str, choices: Iterable[tuple[str, str]], chosen: Callable[[str], object]) -> QtWidgets.QComboBox:
    """A box with (text, value) items, no wider than it must be; `chosen` gets the value that the painter picks."""
    box = narrow(QtWidgets.QComboBox())
    box.setAccessibleName(name)
    for text, value in choices:
        box.addItem(text, value)
    box.activated.connect(lambda _index: chosen(str(box.currentData() or "")))
    return box


def show_models(box: QtWidgets.QComboBox, models: Any, chosen: str) -> None:
    """Lists the models folder; those that cannot be used, and one that was chosen and is gone, as such.

    Args:
        models: state.models.Models; chosen: name of a model, or "" for the default one.
    """
    box.clear()
    default = models.find("")
    box.addItem("Default (%s)" % default.name if default is not None else "Default", "")
    for model in models.all:
        box.addItem(model.name, model.name)
        index = box.count() - 1
        text = "%s, %d px, %s" % (model.family, model.resolution, model.licence or "licence unknown")
        box.setItemData(index, model.problem or text, Qt.ItemDataRole.ToolTipRole)
        if model.problem:
            box.model().item(index).setEnabled(False)
    if chosen and models.known and box.findData(chosen) < 0:
        box.addItem("%s (not there)" % chosen, chosen)
        box.model().item(box.count() - 1).setEnabled(False)
    select(box, chosen)


def select(box: QtWidgets.QComboBox, value: str) -> None:
    """Shows a value, or the first one if the box does not have it."""
    box.setCurrentIndex(max(0, box.findData(value)))
