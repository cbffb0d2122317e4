"""What the docker tells the painter, and keeps in view, in the fake Krita with a scripted daemon."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Painter, application, until
from fake_daemon import MODEL, FakeDaemon
from hands import apply, choose, press, tab, wheel
from latentlayers.qt import Qt
from latentlayers.state.operations import Embed
from latentlayers.state.studio import Studio
from latentlayers.ui.docker import Panel
from latentlayers.wire import messages as pb


def test_without_any_model_the_docker_says_what_to_do(panel: Panel, daemon: FakeDaemon) -> None:
    daemon.tell_models(pb.Model(name="broken", problem="The file is damaged."))
    assert panel.missing.isVisible()
    assert "latentlayers models add" in panel.missing.text()
    daemon.tell_models(MODEL)
    assert not panel.missing.isVisible()


def test_the_wheel_on_its_way_through_the_docker_changes_no_setting(
    panel: Panel, studio: Studio, daemon: FakeDaemon
) -> None:
    panel.setFocus()
    for box in (panel.model, panel.preset, panel.paste):
        before, chosen = studio.settings, box.currentIndex()
        wheel(box, -1)
        assert (studio.settings, box.currentIndex()) == (before, chosen)
    panel.activateWindow()
    panel.preset.setFocus()
    until(panel.preset.hasFocus)
    wheel(panel.preset, -1)
    assert panel.preset.currentIndex() == 1  # the painter has clicked it, and means it


def test_the_tab_key_goes_through_the_page_in_front_and_arrows_to_the_others(panel: Panel) -> None:
    panel.activateWindow()
    panel.paste.setFocus()
    until(panel.paste.hasFocus)
    press(panel.paste, Qt.Key.Key_Tab)
    for title, first in (("Embed", panel.apply_buttons[0]), ("Morph", panel.pages[1].other)):
        button = application.focusWidget()
        assert button.text() == title == panel.page.title
        press(button, Qt.Key.Key_Tab)
        assert first.hasFocus()
        press(first, Qt.Key.Key_Backtab)
        press(application.focusWidget(), Qt.Key.Key_Right)


@pytest.mark.parametrize("height", [300, 400])
def test_in_a_low_docker_progress_cancel_and_errors_are_seen_all_the_same(
    panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str], height: int
) -> None:
    panel.resize(300, height)
    panel.look()

    def is_seen(widget: Any) -> bool:
        return bool(widget.isVisible()) and widget.visibleRegion().boundingRect() == widget.rect()

    apply(panel)
    application.processEvents()
    assert is_seen(panel.cancel_button)
    assert is_seen(panel.progress)
    assert is_seen(panel.status)
    daemon.last.fail("OUT_OF_MEMORY", "The device has not enough memory.", "Use a smaller model.")
    application.processEvents()
    assert panel.height() == height
    assert is_seen(panel.trouble)
    assert is_seen(panel.trouble.copy_button)


def test_an_old_error_goes_when_the_next_edit_is_asked_for(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str]
) -> None:
    panel.look()
    apply(panel)
    daemon.last.fail()
    studio.apply(Embed())  # by the menu
    assert not panel.trouble.isVisible()
    studio.apply(Embed())
    daemon.last.fail()  # the first; the other one begins
    assert panel.trouble.isVisible()


def test_the_preview_says_nothing_that_belongs_elsewhere(
    panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    panel.look()
    morph = tab(panel, "Morph")
    assert panel.preview.text() == "Choose a layer first."
    choose(morph.other, "Ada")
    assert panel.preview.text() == "A layer cannot be edited with itself."
    painter.document.setActiveNode(painter.node(two_layers[1]))
    panel.look()
    assert "embedded" in panel.preview.text()  # what can be said of the layer that is active now
    apply(panel)
    assert panel.preview.text() == ""
    daemon.last.fail()
    choose(morph.other, "Ben")
    tab(panel, "Embed")
    assert panel.preview.text() == ""
