"""Boxes that choose one of a few settings."""

from __future__ import annotations

from typing import Callable, Iterable, TypeVar

from ..qt import QtWidgets

Box = TypeVar("Box", bound=QtWidgets.QComboBox)

PASTES = (("Keep the layer's texture", "residual"), ("Show the model's pixels", "replace"))
STRIPS = (("Layers in a group", "group"), ("Frames of an animation", "frames"))
PRESETS = (("Fast", ""), ("Best", "best"), ("Image2StyleGAN's (slow)", "paper"))


def narrow(box: Box) -> Box:
    """Lets a box be less wide than its longest text, as it must in a docker."""
    box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def choice(name: str, choices: Iterable[tuple[str, str]], chosen: Callable[[str], object]) -> QtWidgets.QComboBox:
    """A box with (text, value) items, no wider than it must be; `chosen` gets the value that the painter picks."""
    box = narrow(QtWidgets.QComboBox())
    box.setAccessibleName(name)
    for text, value in choices:
        box.addItem(text, value)
    box.activated.connect(lambda _index: chosen(str(box.currentData() or "")))
    return box


def select(box: QtWidgets.QComboBox, value: str) -> None:
    """Shows a value, or the first one if the box does not have it."""
    box.setCurrentIndex(max(0, box.findData(value)))
