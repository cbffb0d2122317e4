"""The docker, the dialogs and the actions, with real events, in the fake Krita with a scripted daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BINDING, Painter, QtCore, QtGui, QtTest, QtWidgets, application, plugin, settle, until
from fake_daemon import DIGEST, MODEL, FakeDaemon
from latentlayers import host
from latentlayers.qt import Qt
from latentlayers.state.operations import Crossover, Direction, Embed, Expression, Morph
from latentlayers.state.studio import Studio
from latentlayers.ui.controls import LayerPicker, ValueSlider
from latentlayers.ui.dialog import PageDialog
from latentlayers.ui.docker import Panel
from latentlayers.ui.library import LibraryDialog
from latentlayers.ui.pages import ExpressionPage, MorphPage
from latentlayers.ui.settings import SettingsDialog
from latentlayers.values import LayerInfo
from latentlayers.wire import messages as pb

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
QTest = QtTest.QTest
DEFERRED_DELETE = 52  # of QEvent.Type, which PyQt5 has as a number and PyQt6 as an enum


def click(widget: Any) -> None:
    QTest.mouseClick(widget, LEFT)


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


@pytest.fixture
def two_layers(painter: Painter) -> tuple[str, str]:
    """Ids of Ada, which is active, and Ben."""
    painter.open()
    ben = painter.add_layer("Ben", colour=(0.7, 0.4, 0.2, 1))
    return painter.add_layer("Ada"), ben


# Controls


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


def infos(*names: str) -> list[LayerInfo]:
    return [LayerInfo(name.lower(), name, "paintlayer") for name in names]


def blank(_layer: str) -> Any:
    image = QtGui.QImage(4, 4, QtGui.QImage.Format.Format_ARGB32)
    image.fill(0)
    return image


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
    picker.showPopup()
    until(lambda: len(drawn) == 200)
    settle()
    assert not picker._drawing.isActive()
    assert not picker.itemIcon(150).isNull()
    picker.hidePopup()
    picker.close()


# The docker


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
    assert "Update the daemon" in panel.connection.text()
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
    assert texts == ["Default (portraits-64)", "portraits-64", "cats", "broken"]
    assert not panel.model.model().item(3).isEnabled()
    assert panel.model.itemData(3, Qt.ItemDataRole.ToolTipRole) == "The file is damaged."
    choose(panel.model, "cats")
    assert studio.settings.model == "cats"
    daemon.tell_models(MODEL)
    assert panel.model.currentIndex() == 0


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
    assert "portraits-64" in panel.missing.text()
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


# Dialogs and actions


@pytest.fixture
def actions(painter: Painter, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The plugin's actions in a window, by name."""
    monkeypatch.setattr(plugin, "Daemon", lambda _parent: daemon)
    extension = plugin.LatentLayers(painter.krita)
    window = painter.krita.new_window()
    window.actions.clear()
    extension.createActions(window)
    extension.studio.models._take(pb.ListModelsResponse(models=[MODEL], default_model=MODEL.name))
    yield {name.replace("latentlayers_", ""): action for name, action in window.actions.items()}
    for dialog in list(extension._dialogs):
        dialog.close()
    settle()


def dialog_in_front(kind: type) -> Any:
    return next(widget for widget in application.topLevelWidgets() if isinstance(widget, kind) and widget.isVisible())


def test_the_plugin_has_registered_itself(painter: Painter) -> None:
    assert plugin.extension in painter.krita.extensions
    assert [factory.name for factory in painter.krita.dockers] == [plugin.DOCKER]
    docker = painter.krita.dockers[0].make()
    assert docker.windowTitle() == "Latent Layers"
    docker.canvasChanged(None)
    assert plugin.extension.studio.daemon.state.kind == "idle"  # nothing runs before it is shown
    docker.deleteLater()


def test_every_action_has_a_text_and_an_icon(actions: dict[str, Any]) -> None:
    names = {"embed", "morph", "crossover", "expression", "direction", "render", "cancel", "library", "settings"}
    assert names <= set(actions)
    for name in names:
        assert actions[name].text()
        assert not actions[name].icon().isNull()


def test_embedding_by_action_reports_over_the_canvas(
    actions: dict[str, Any], daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    actions["embed"].trigger()
    daemon.last.serve()
    assert painter.krita.messages == ["Ada (embedded): done"]
    actions["embed"].trigger()
    actions["cancel"].trigger()
    assert painter.krita.messages[-1] == "Ada (embedded): cancelled"
    settle()
    painter.document.setActiveNode(painter.named("Background"))
    actions["render"].trigger()
    assert painter.krita.messages[-1] == "The layer Background is empty."


def test_an_action_without_a_document_says_so_over_the_canvas_or_nowhere(
    actions: dict[str, Any], painter: Painter
) -> None:
    actions["embed"].trigger()
    assert painter.krita.messages == []


def test_morph_by_action_and_keyboard(
    actions: dict[str, Any], daemon: FakeDaemon, two_layers: tuple[str, str], screenshots: Path | None
) -> None:
    actions["morph"].trigger()
    dialog = dialog_in_front(PageDialog)
    assert isinstance(dialog.page, MorphPage)
    picture_of(dialog, "dialog-morph", screenshots)
    click(dialog.apply_button)
    assert "Choose a layer first." in dialog.trouble.text.text()
    choose(dialog.page.other, "Ben")
    press(dialog, Qt.Key.Key_Return)
    assert not dialog.isVisible()
    assert daemon.edits[-1].name == "Morph"


def test_a_dialog_that_is_closed_leaves_nothing_behind(
    actions: dict[str, Any], daemon: FakeDaemon, two_layers: tuple[str, str]
) -> None:
    for name, kind in (("library", LibraryDialog), ("settings", SettingsDialog), ("expression", PageDialog)):
        actions[name].trigger()
        press(dialog_in_front(kind), Qt.Key.Key_Escape)
    settle()
    for call in daemon.open_calls:
        if call.name == "ListEmbeddings":
            call.deliver(pb.ListEmbeddingsResponse(embeddings=[pb.Embedding(id="a")]))
            call.fail()
    daemon.become("connected", "Connected.")
    settle()
    assert [call.name for call in daemon.open_calls] == []


def test_the_librarys_window_lists_inserts_and_deletes(
    actions: dict[str, Any], daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter, screenshots: Path | None
) -> None:
    actions["library"].trigger()
    dialog = dialog_in_front(LibraryDialog)
    entry = pb.Embedding(id="abc", name="Rosa", model="portraits-64", model_digest=DIGEST)
    daemon.last.deliver(pb.ListEmbeddingsResponse(embeddings=[entry]))
    picture_of(dialog, "dialog-library", screenshots)
    dialog.list.setFocus()
    dialog.list.setCurrentRow(0)
    click(dialog.insert_button)
    daemon.last.serve()
    assert painter.names[0] == "Rosa"
    click(dialog.delete_button)
    assert daemon.last.name == "DeleteEmbedding"
    daemon.last.fail("LIBRARY_WRITE_FAILED", "The library cannot be written.", "Make room.")
    assert "cannot be written" in dialog.trouble.text.text()


def test_the_settings_window_shows_and_changes_settings(
    actions: dict[str, Any], daemon: FakeDaemon, screenshots: Path | None
) -> None:
    actions["settings"].trigger()
    dialog = dialog_in_front(SettingsDialog)
    choose(dialog.paste, "Show the model's pixels")
    choose(dialog.preset, "Best")
    assert '"paste": "replace"' in host.read_setting()
    assert '"preset": "best"' in host.read_setting()
    assert dialog.fix_button.isVisible()
    click(dialog.fix_button)
    assert daemon.starts == 1
    picture_of(dialog, "dialog-settings", screenshots)


def test_quitting_krita_closes_the_connection(actions: dict[str, Any], daemon: FakeDaemon, painter: Painter) -> None:
    painter.krita.notifier().applicationClosing.emit()
    assert daemon.closed


def test_the_expression_page_has_a_strip(painter: Painter) -> None:
    page = ExpressionPage()
    page.show_layers(infos("Ada", "Ben"), blank)
    page.neutral.choose("ada")
    page.expressive.choose("ben")
    page.strength.set_value(1.5)
    page.count.setValue(4)
    assert page.operation() == Expression("ada", "ben", (0.0, 0.5, 1.0, 1.5))
