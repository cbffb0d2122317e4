"""The docker, with real events, in the fake Krita with a scripted daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import Painter, QtCore, QtGui, QtWidgets, application, settle, until
from fake_daemon import MODEL, FakeDaemon
from hands import DEFERRED_DELETE, LEFT, NONE, QTest, apply, choose, click, double_click, picture_of, press, tab
from latentlayers import host
from latentlayers.qt import Qt
from latentlayers.state.operations import Crossover, Direction, Embed, Expression, Morph
from latentlayers.state.studio import Studio
from latentlayers.ui.docker import Panel
from latentlayers.wire import messages as pb


def test_the_docker_is_usable_at_300_pixels(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str], screenshots: Path | None
) -> None:
    panel.look()
    daemon.become(
        "failed",
        "The daemon cannot be reached: no such file or directory.",
        remedy="Start it with the Fix button, or with `latentlayers serve`.",
        code="DAEMON_UNREACHABLE",
    )
    long_name = pb.Model(name="a-model-with-a-very-long-name-indeed-256x256", digest="e" * 64, directions=["x" * 60])
    daemon.tell_models(MODEL, long_name)
    panel.trouble.show_trouble("Something is wrong with a_very_long_file_name_without_blanks.psd.", "Try.", "CODE")
    application.processEvents()
    for page in panel.pages:
        tab(panel, page.title)
        application.processEvents()
        for child in panel.findChildren(QtWidgets.QWidget):
            if child.isVisible() and child.window() is panel.window():
                right = child.mapTo(panel, QtCore.QPoint(child.width(), 0)).x()
                assert right <= panel.width() <= 300, (page.title, child, child.width())
        for part in page.findChildren((QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox, QtWidgets.QPushButton)):
            assert part.height() >= part.minimumSizeHint().height()
        picture_of(panel.window(), f"docker-{page.title}", screenshots)


def test_a_double_click_starts_one_edit_and_two_clicks_start_two(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str]
) -> None:
    tab(panel, "Embed")
    button = panel.apply_buttons[panel.tabs.index]
    double_click(button)
    assert (studio.jobs.current is not None, studio.jobs.waiting) == (True, 0)
    click(button)
    assert studio.jobs.waiting == 1


def test_hidden_and_idle_nothing_runs(panel: Panel, studio: Studio, daemon: FakeDaemon) -> None:
    studio.detach()  # the fixture's own
    assert daemon.open_calls
    panel.hide()
    settle()
    assert daemon.open_calls == []
    active = [timer for timer in panel.findChildren(QtCore.QTimer) if timer.isActive()]
    assert active == []
    made = len(daemon.calls)
    settle()
    assert len(daemon.calls) == made
    panel.show()
    assert [call.name for call in daemon.open_calls] == ["WatchModels"]


def test_the_connection_is_shown_with_reason_and_a_button(panel: Panel, studio: Studio, daemon: FakeDaemon) -> None:
    daemon.become(
        "failed",
        "The daemon that runs (0.0.9) is older than this plugin (0.1.0) and cannot serve it.",
        remedy="Update the daemon, and run `latentlayers stop`.",
        code="DAEMON_TOO_OLD",
    )
    assert "older than this plugin" in panel.connection.text()
    assert "Update the daemon" in panel.connection_remedy.text()
    assert panel.connection.toolTip() == "DAEMON_TOO_OLD"
    assert panel.fix_button.isVisible()
    click(panel.fix_button)
    assert daemon.starts == 1
    daemon.become("starting", "Starting the daemon…")
    assert not panel.fix_button.isVisible()
    daemon.become("connected", "Connected.")
    assert not panel.fix_button.isVisible()
    assert panel.connection.text() == "Connected."


def test_the_model_box_has_what_the_folder_has(panel: Panel, studio: Studio, daemon: FakeDaemon) -> None:
    broken = pb.Model(name="broken", problem="The file is damaged.")
    daemon.tell_models(MODEL, pb.Model(name="cats", digest="c" * 64), broken)
    texts = [panel.model.itemText(index) for index in range(panel.model.count())]
    assert texts == ["Default (portraits-128)", "portraits-128", "cats", "broken"]
    assert not panel.model.model().item(3).isEnabled()
    assert panel.model.itemData(3, Qt.ItemDataRole.ToolTipRole) == "The file is damaged."
    choose(panel.model, "cats")
    assert studio.settings.model == "cats"
    daemon.tell_models(MODEL)
    assert panel.model.currentText() == "cats (not there)"  # what would be edited with, and not another one
    assert "cats" in panel.missing.text()
    assert panel.missing.isVisible()
    choose(panel.model, "portraits-128")
    assert not panel.missing.isVisible()


def test_embedding_with_the_mouse_shows_progress_preview_and_verdict(
    panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter, screenshots: Path | None
) -> None:
    panel.look()
    assert not panel.cancel_button.isEnabled()
    apply(panel)
    assert panel.cancel_button.isEnabled()
    assert (panel.progress.minimum(), panel.progress.maximum()) == (0, 0)
    call = daemon.last
    call.progress(phase=pb.PHASE_QUEUED, step=2)
    assert panel.status.text() == "Waiting for the daemon, 2 before this"
    shown = pb.Picture(raw=pb.RawPixels(width=64, height=64, format=pb.PIXEL_FORMAT_RGB8, data=b"\xe0\x60\x20" * 4096))
    call.progress(phase=pb.PHASE_EMBEDDING, role="source", step=40, total=200, eta_seconds=6, preview=shown)
    assert panel.status.text() == "Embedding Ada: step 40 of 200, 6 s left"
    assert panel.progress.value() / panel.progress.maximum() == 0.2
    assert panel.preview.image.pixelColor(3, 3).red() == 0xE0
    picture_of(panel, "docker-embedding", screenshots)
    call.embedded("source", likeness_text="The likeness is good.")
    call.image()
    call.finish(None)
    settle()
    assert panel.status.text() == "Ada (embedded): done. The likeness is good."
    assert not panel.cancel_button.isEnabled()
    assert panel.history.count() == 1
    assert painter.names[0] == "Ada (embedded)"
    picture_of(panel, "docker-embedded", screenshots)


def test_cancel_ends_the_edit_at_once(panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str]) -> None:
    apply(panel)
    click(panel.cancel_button)
    assert daemon.edits[-1].cancelled
    assert panel.status.text() == "Cancelled."
    assert not panel.cancel_button.isEnabled()
    assert not panel.trouble.isVisible()


def test_an_error_is_a_sentence_a_remedy_and_a_code_to_copy(
    panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str], screenshots: Path | None
) -> None:
    apply(panel)
    daemon.last.fail("OUT_OF_MEMORY", "The device has not enough memory.", "Use a smaller model.")
    expected = "The device has not enough memory.\nUse a smaller model.\n[OUT_OF_MEMORY]"
    assert panel.trouble.isVisible()
    assert panel.trouble.text.text() == expected
    application.clipboard().setText("")
    click(panel.trouble.copy_button)
    assert application.clipboard().text() == expected
    picture_of(panel, "docker-error", screenshots)
    click(panel.trouble.close_button)
    assert not panel.trouble.isVisible()
    panel.trouble.show_trouble("<b>as it is</b>")
    assert panel.trouble.text.textFormat() == Qt.TextFormat.PlainText


def test_what_is_missing_is_said_and_nothing_is_sent(
    panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str]
) -> None:
    for title in ("Morph", "Style", "Face"):
        tab(panel, title)
        apply(panel)
        assert "Choose a layer first." in panel.trouble.text.text()
        click(panel.trouble.close_button)
    assert daemon.edits == []


def test_every_page_says_what_its_controls_show(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    ada, ben = two_layers
    smile = painter.add_layer("Smile")
    painter.document.setActiveNode(painter.node(ada))
    panel.look()
    morph = tab(panel, "Morph")
    choose(morph.other, "Ben")
    press(morph.amount.slider, Qt.Key.Key_Right)
    assert morph.operation() == Morph(ben, (0.51,))
    morph.count.setFocus()
    for _ in range(2):
        press(morph.count, Qt.Key.Key_Up)
    assert morph.operation() == Morph(ben, (0, 0.5, 1))
    style = tab(panel, "Style")
    choose(style.style_layer, "Ben")
    choose(style.rows, "Coarse: pose, shape, hair")
    assert style.operation() == Crossover(ben, "coarse")
    face = tab(panel, "Face")
    choose(face.neutral, "Ben")
    choose(face.expressive, "Smile")
    assert face.operation() == Expression(ben, smile, (1.0,))
    direction = tab(panel, "Direction")
    choose(direction.name, "age")
    press(direction.strength.slider, Qt.Key.Key_Left)
    assert direction.operation() == Direction("age", (0.99,))
    assert tab(panel, "Embed").operation() == Embed()
    assert daemon.edits == []


def test_moving_the_morph_slider_shows_previews(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str], screenshots: Path | None
) -> None:
    panel.look()
    morph = tab(panel, "Morph")
    choose(morph.other, "Ben")
    assert "embedded" in panel.preview.text()  # and not yet
    apply(panel)
    daemon.last.serve()
    settle()
    before = len(daemon.edits)
    for _ in range(5):
        press(morph.amount.slider, Qt.Key.Key_Right)
    assert len(daemon.edits) == before + 1
    daemon.last.image(colour=(1, 0, 0, 1))
    daemon.last.finish(None)
    assert panel.preview.image.pixelColor(2, 2).blue() == 255
    assert len(daemon.edits) == before + 2
    assert daemon.last.request.weights.values[0] == pytest.approx(0.45)
    picture_of(panel, "docker-morph", screenshots)


def test_holding_the_mouse_on_the_preview_shows_the_layer(
    panel: Panel, daemon: FakeDaemon, two_layers: tuple[str, str]
) -> None:
    panel.look()
    apply(panel)
    daemon.last.serve()
    settle()

    def colour() -> Any:
        image = panel.preview.pixmap().toImage()
        return image.pixelColor(image.width() - 5, image.height() // 2)

    assert colour().red() > 200
    QTest.mousePress(panel.preview, LEFT)
    assert colour().red() < 80
    QTest.mouseRelease(panel.preview, LEFT)
    assert colour().red() > 200


def test_history_is_kept_starred_done_again_and_removed_with_the_keyboard(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    panel.look()
    for name in ("smile", "age"):
        studio.apply(Direction(name, (1.0,)))
        daemon.last.serve()
        settle()
    history = panel.history

    def titles() -> list[str]:
        return [history.item(row).text() for row in range(history.count())]

    assert titles() == ["Ada, age +1", "Ada, smile +1"]
    history.setFocus()
    press(history, Qt.Key.Key_Down)
    history.setCurrentRow(1)
    press(history, Qt.Key.Key_Space)
    assert titles() == ["Ada, age +1", "★ Ada, smile +1"]
    assert history.currentRow() == 1
    press(history, Qt.Key.Key_Space)
    assert titles()[1] == "Ada, smile +1"
    before = len(daemon.edits)
    press(history, Qt.Key.Key_Return)
    assert daemon.edits[before].request.direction == "smile"
    studio.jobs.cancel()
    press(history, Qt.Key.Key_Delete)
    assert titles() == ["Ada, age +1"]
    rect = history.visualItemRect(history.item(0))
    QTest.mouseClick(history.viewport(), LEFT, NONE, rect.center())
    QTest.mouseDClick(history.viewport(), LEFT, NONE, rect.center())
    assert daemon.edits[-1].request.direction == "age"
    saved = host.active_document().annotation("latentlayers")
    assert b"age" in saved
    assert b"Ada, smile" not in saved


@pytest.mark.parametrize("key", [Qt.Key.Key_Delete, Qt.Key.Key_Space, Qt.Key.Key_Return])
def test_the_historys_keys_are_not_kritas_shortcuts(panel: Panel, key: Any) -> None:
    event = QtGui.QKeyEvent(QtCore.QEvent.Type.ShortcutOverride, key, NONE)
    event.ignore()
    application.sendEvent(panel.history, event)
    assert event.isAccepted()
    other = QtGui.QKeyEvent(QtCore.QEvent.Type.ShortcutOverride, Qt.Key.Key_F12, NONE)
    other.ignore()
    application.sendEvent(panel.history, other)
    assert not other.isAccepted()


def test_the_docker_follows_the_document_in_front(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    first = painter.document
    panel.look()
    apply(panel)
    daemon.last.serve()
    settle()
    assert panel.history.count() == 1
    painter.open(name="second")
    panel.look()
    assert panel.history.count() == 0
    painter.copy_of(first)
    panel.look()
    assert panel.history.count() == 1
    picker = panel.pages[1].other
    assert [picker.itemText(row) for row in range(picker.count())][:1] == ["Ada (embedded)"]
    painter.krita.start_afresh()
    panel.look()
    assert panel.history.count() == 0
    assert picker.count() == 0


def test_pickers_follow_layers_while_the_docker_is_visible(
    panel: Panel, two_layers: tuple[str, str], painter: Painter
) -> None:
    panel.look()
    morph = tab(panel, "Morph")
    choose(morph.other, "Ben")
    painter.named("Ben").setName("Benjamin")
    until(lambda: morph.other.currentText() == "Benjamin", 3)
    painter.named("Benjamin").remove()
    until(lambda: morph.other.layer == "", 3)


def test_a_missing_model_is_named_when_its_layer_is_active(
    panel: Panel, studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    apply(panel)
    daemon.last.serve()
    settle()
    daemon.tell_models(pb.Model(name="cats", digest="c" * 64))
    assert panel.missing.isVisible()
    assert "portraits-128" in panel.missing.text()
    painter.document.setActiveNode(painter.node(two_layers[1]))
    panel.look()
    assert not panel.missing.isVisible()


def test_looking_at_200_layers_makes_no_thumbnails_and_takes_few_milliseconds(panel: Panel, painter: Painter) -> None:
    painter.open()
    for number in range(200):
        painter.add_layer(f"Layer {number}", (0, 0, 0, 0))
    panel.look()
    assert not hasattr(painter.document._thing, "thumbnails_made")
    assert panel.pages[1].other.count() == 201


def test_a_docker_that_is_gone_hears_nothing(studio: Studio, daemon: FakeDaemon, two_layers: tuple[str, str]) -> None:
    panel = Panel(studio)
    panel.show()
    panel.look()
    studio.apply(Embed())
    panel.hide()
    gone: list[bool] = []
    panel.destroyed.connect(lambda: gone.append(True))
    panel.deleteLater()
    application.sendPostedEvents(panel, DEFERRED_DELETE)
    assert gone
    daemon.last.serve()
    studio.live.unavailable.emit("nothing")
    daemon.become("failed", "gone")
    studio.set(preset="best")
