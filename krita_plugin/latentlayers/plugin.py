"""Latent Layers inside Krita: the menu, the docker, and what they share."""

from __future__ import annotations

from typing import Any, Callable

from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from . import host
from .qt import QtWidgets
from .state import operations
from .state.studio import Studio
from .ui import wording
from .ui.dialog import PageDialog
from .ui.docker import Panel, scrolled
from .ui.icons import icon
from .ui.library import LibraryDialog
from .ui.pages import DirectionPage, ExpressionPage, MorphPage, Page, StylePage
from .ui.settings import SettingsDialog
from .wire import Daemon
from .wire import messages as pb

DOCKER = "latentlayers_docker"
MENU = "latentlayers_menu"


class LatentLayers(Extension):  # type: ignore[misc]  # krita is only known inside Krita
    """The plugin for as long as Krita runs."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.studio = Studio(host, Daemon(self), pb, self)
        self.studio.refused.connect(lambda refusal: host.show_message(refusal.message))
        self.studio.jobs.ended.connect(lambda job: host.show_message(wording.brief_text(job)))
        notifier = parent.notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self.studio.close)
        self._dialogs: list[Any] = []  # each until it is closed

    def setup(self) -> None:
        """Krita calls it once the plugin is loaded; there is no window yet."""

    def createActions(self, window: Any) -> None:
        """Krita calls it for every window."""
        qwindow = window.qwindow()
        window.createAction(MENU, "Latent Layers", "tools").setMenu(QtWidgets.QMenu(MENU, qwindow))
        studio = self.studio

        def add(name: str, text: str, act: Callable[[], object]) -> Any:
            action = window.createAction("latentlayers_" + name, text, "tools/" + MENU)
            action.setIcon(icon(name))
            action.triggered.connect(lambda _checked=False: act())
            return action

        add("embed", "Embed Layer", lambda: studio.apply(operations.Embed()))
        add("morph", "Morph with…", lambda: self._ask(MorphPage(), qwindow))
        add("crossover", "Style Crossover…", lambda: self._ask(StylePage(), qwindow))
        add("expression", "Transfer Expression…", lambda: self._ask(ExpressionPage(), qwindow))
        add("direction", "Directions…", lambda: self._ask(DirectionPage(), qwindow))
        add("inpaint", "Inpaint Selection", lambda: studio.apply(operations.Inpaint()))
        add("render", "Render Again", lambda: studio.apply(operations.Render()))
        add("cancel", "Cancel", studio.jobs.cancel)
        add("library", "Open Library", lambda: self._open(LibraryDialog(studio, qwindow)))
        add("settings", "Settings", lambda: self._open(SettingsDialog(studio, qwindow)))

    def _ask(self, page: Page, qwindow: Any) -> None:
        self._open(PageDialog(self.studio, page, qwindow))

    def _open(self, dialog: Any) -> None:
        self._dialogs.append(dialog)
        dialog.finished.connect(lambda _result: self._dialogs.remove(dialog))
        dialog.show()


class LatentLayersDocker(DockWidget):  # type: ignore[misc]
    """The docker; its content is `ui.docker.Panel`."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Latent Layers")
        self.panel = Panel(extension.studio)
        self.setWidget(scrolled(self.panel))

    def canvasChanged(self, canvas: Any) -> None:
        """Krita calls it when another document comes to the front."""
        if self.panel.isVisible():
            self.panel.look()


extension = LatentLayers(Krita.instance())
Krita.instance().addExtension(extension)
Krita.instance().addDockWidgetFactory(
    DockWidgetFactory(DOCKER, DockWidgetFactoryBase.DockPosition.DockRight, LatentLayersDocker)
)
