"""Sliders and layer pickers, with real events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Painter, QtCore, QtGui, QtWidgets, application, settle, until
from hands import LEFT, NONE, QTest, blank, choose, click, infos, press, wheel
from latentlayers.qt import Qt
from latentlayers.ui.controls import LayerPicker, ValueSlider
from latentlayers.values import LayerInfo


@pytest.fixture
def slider(painter: Painter) -> Iterator[ValueSlider]:
    made = ValueSlider("How far", 0, 1, 0.5)
    made.resize(280, 30)
    made.show()
    yield made
    made.close()


def test_a_slider_takes_arrows_wheel_typing_and_reset(slider: ValueSlider) -> None:
    seen: list[float] = []
    slider.changed.connect(seen.append)
    press(slider.slider, Qt.Key.Key_Right)
    assert slider.value == pytest.approx(0.51)
    press(slider.slider, Qt.Key.Key_PageUp)
    assert slider.value == pytest.approx(0.61)
    wheel(slider.slider, 1)
    assert slider.value > 0.61
    slider.spin.selectAll()
    QTest.keyClicks(slider.spin, "25")
    press(slider.spin, Qt.Key.Key_Return)
    assert slider.value == 0.25
    assert slider.slider.value() == 25
    press(slider.spin, Qt.Key.Key_Up)
    assert slider.value == pytest.approx(0.26)
    click(slider.reset_button)
    assert slider.value == 0.5
    press(slider.slider, Qt.Key.Key_Home)
    assert slider.value == 0
    QTest.mouseDClick(slider.slider, LEFT)
    assert slider.value == 0.5
    assert seen[-1] == 0.5


def test_dragging_a_slider_tells_every_value(slider: ValueSlider) -> None:
    seen: list[float] = []
    slider.changed.connect(seen.append)
    knob = slider.slider
    option = QtWidgets.QStyleOptionSlider()
    knob.initStyleOption(option)
    part = QtWidgets.QStyle.SubControl.SC_SliderHandle
    handle = knob.style().subControlRect(QtWidgets.QStyle.ComplexControl.CC_Slider, option, part, knob).center()
    QTest.mousePress(knob, LEFT, NONE, handle)
    for step in range(1, 6):
        position = QtCore.QPointF(handle + QtCore.QPoint(8 * step, 0))
        move = QtGui.QMouseEvent(
            QtCore.QEvent.Type.MouseMove,
            position,
            QtCore.QPointF(knob.mapToGlobal(position.toPoint())),
            LEFT,
            LEFT,
            NONE,
        )
        application.sendEvent(knob, move)
    QTest.mouseRelease(knob, LEFT, NONE, handle + QtCore.QPoint(40, 0))
    assert len(seen) >= 4
    assert seen == sorted(seen)


def test_a_picker_keeps_its_layer_while_others_come_and_go(painter: Painter) -> None:
    picker, picked = LayerPicker("Other"), []
    picker.picked.connect(picked.append)
    picker.show_layers(infos("Ada", "Ben", "Cy"), blank)
    assert picker.layer == ""
    choose(picker, "Ben")
    assert picked[-1] == "ben"
    picked.clear()
    picker.show_layers(infos("Cy", "Ben", "Dora", "Ada"), blank)  # moved, added
    picker.show_layers([LayerInfo("ben", "Benjamin", "paintlayer", 1), *infos("Ada")], blank)  # renamed, removed
    assert picker.layer == "ben"
    assert picker.currentText() == "  Benjamin"
    assert picked == []
    picker.show_layers(infos("Ada"), blank)
    assert picker.layer == ""
    assert picked == [""]


def test_a_pickers_thumbnails_are_drawn_when_it_is_opened(painter: Painter) -> None:
    picker, drawn = LayerPicker("Other"), []

    def thumbnail(layer: str) -> Any:
        drawn.append(layer)
        return blank(layer)

    picker.show_layers(infos(*(f"Layer{number}" for number in range(200))), thumbnail)
    picker.show()
    settle()
    assert drawn == []
    size = picker.iconSize()
    assert all(not picker.itemIcon(row).pixmap(size).isNull() for row in range(200))  # the list keeps its height
    picker.showPopup()
    until(lambda: len(drawn) == 200)
    settle()
    assert not picker._drawing.isActive()
    assert not picker.itemIcon(150).isNull()
    picker.hidePopup()
    picker.close()
