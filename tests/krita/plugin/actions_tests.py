"""The actions and the dialogs, with real events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Painter, QtGui, application, plugin, settle, until
from fake_daemon import DIGEST, MODEL, FakeDaemon
from hands import blank, choose, click, infos, picture_of, press
from latentlayers import host
from latentlayers.qt import Qt
from latentlayers.state.operations import Expression
from latentlayers.ui.dialog import PageDialog
from latentlayers.ui.library import LibraryDialog
from latentlayers.ui.pages import ExpressionPage, MorphPage
from latentlayers.ui.settings import SettingsDialog
from latentlayers.wire import messages as pb


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
    for dialog in list(extension._dialogs.values()):
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
    edits = {"embed", "morph", "crossover", "expression", "direction", "inpaint", "render", "cancel"}
    names = edits | {"library", "settings"}
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


@pytest.mark.parametrize("name", ["embed", "morph"])
def test_an_action_without_a_document_says_so_below_the_canvas(
    actions: dict[str, Any], painter: Painter, name: str
) -> None:
    actions[name].trigger()
    assert painter.krita.activeWindow().qwindow().statusBar().currentMessage() == "No document is open."
    assert not [widget for widget in application.topLevelWidgets() if isinstance(widget, PageDialog)]


def test_icons_follow_the_theme(actions: dict[str, Any], painter: Painter) -> None:
    window = painter.krita.activeWindow().qwindow()

    def darkest() -> int:
        image = actions["morph"].icon().pixmap(24).toImage()
        pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        return min(pixel.lightness() for pixel in pixels if pixel.alpha() > 200)

    for colour, lightness in (("#ffffff", 255), ("#000000", 0)):
        palette = window.palette()
        palette.setColor(QtGui.QPalette.ColorRole.WindowText, QtGui.QColor(colour))
        window.setPalette(palette)
        application.processEvents()
        assert abs(darkest() - lightness) < 30


def test_an_action_brings_its_window_back_and_opens_no_second_one(
    actions: dict[str, Any], daemon: FakeDaemon, two_layers: tuple[str, str]
) -> None:
    for name, kind in (("library", LibraryDialog), ("settings", SettingsDialog), ("direction", PageDialog)):
        actions[name].trigger()
        actions[name].trigger()
        shown = [widget for widget in application.topLevelWidgets() if isinstance(widget, kind) and widget.isVisible()]
        assert len(shown) == 1
        press(shown[0], Qt.Key.Key_Escape)
        actions[name].trigger()
        press(dialog_in_front(kind), Qt.Key.Key_Escape)


def test_a_dialog_names_the_layer_and_follows_the_others(
    actions: dict[str, Any], daemon: FakeDaemon, two_layers: tuple[str, str], painter: Painter
) -> None:
    actions["morph"].trigger()
    dialog = dialog_in_front(PageDialog)
    assert dialog.layer.text() == "Layer: Ada"
    painter.named("Ben").setName("Benjamin")
    until(lambda: dialog.page.other.findText("Benjamin") >= 0, 3)
    choose(dialog.page.other, "Ada")
    click(dialog.apply_button)
    assert dialog.isVisible()
    assert "A layer cannot be edited with itself." in dialog.trouble.text.text()
    assert daemon.edits == []


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
    assert not dialog.insert_button.isEnabled()
    daemon.last.deliver(pb.ListEmbeddingsResponse())
    assert "empty" in dialog.list.hint
    dialog.shelf.load()
    entry = pb.Embedding(id="abc", name="Rosa", model=MODEL.name, model_digest=DIGEST)
    daemon.last.deliver(pb.ListEmbeddingsResponse(embeddings=[entry]))
    picture_of(dialog, "dialog-library", screenshots)
    dialog.list.setFocus()
    dialog.list.setCurrentRow(0)
    click(dialog.insert_button)
    daemon.last.serve()
    assert painter.names[0] == "Rosa"
    click(dialog.delete_button)
    assert daemon.last.name != "DeleteEmbedding"  # there is no undo, so it asks
    dialog.list.clearSelection()
    dialog.list.setCurrentRow(0)
    click(dialog.delete_button)
    assert daemon.last.name != "DeleteEmbedding"
    click(dialog.delete_button)
    assert daemon.last.name == "DeleteEmbedding"
    daemon.last.fail("LIBRARY_WRITE_FAILED", "The library cannot be written.", "Make room.")
    assert "cannot be written" in dialog.trouble.text.text()
    assert "[LIBRARY_WRITE_FAILED]" in dialog.trouble.text.text()


def test_the_settings_window_shows_and_changes_settings(
    actions: dict[str, Any], daemon: FakeDaemon, screenshots: Path | None
) -> None:
    actions["settings"].trigger()
    dialog = dialog_in_front(SettingsDialog)
    assert dialog.model.currentText() == f"Default ({MODEL.name})"
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
