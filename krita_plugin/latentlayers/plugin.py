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
from .ui.docker import Panel
from .ui.icons import ActionIcons
from .ui.library import LibraryDialog
from .ui.pages import DirectionPage, ExpressionPage, MorphPage, Page, StylePage
from .ui.settings import SettingsDialog
from .values import Refused
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
        self._dialogs: dict[str, Any] = {}  # by action, each until it is closed

    def setup(self) -> None:
        """Krita calls it once the plugin is loaded; there is no window yet."""

    def createActions(self, window: Any) -> None:
        """Krita calls it for every window."""
        qwindow = window.qwindow()
        window.createAction(MENU, "Latent Layers", "tools").setMenu(QtWidgets.QMenu(MENU, qwindow))
        studio, icons = self.studio, ActionIcons(qwindow, Krita.instance().action)

        def add(name: str, text: str, act: Callable[[], object]) -> Any:
            action = window.createAction("latentlayers_" + name, text, "tools/" + MENU)
            icons.add(action, name)
            action.triggered.connect(lambda _checked=False: act())
            return action

        add("embed", "Embed Layer", lambda: studio.apply(operations.Embed()))
        add("morph", "Morph with…", lambda: self._ask(MorphPage, qwindow))
        add("crossover", "Style Crossover…", lambda: self._ask(StylePage, qwindow))
        add("expression", "Transfer Expression…", lambda: self._ask(ExpressionPage, qwindow))
        add("direction", "Directions…", lambda: self._ask(DirectionPage, qwindow))
        add("inpaint", "Inpaint Selection", lambda: studio.apply(operations.Inpaint()))
        add("render", "Render Again", lambda: studio.apply(operations.Render()))
        add("cancel", "Cancel", studio.jobs.cancel)
        add("library", "Open Library", lambda: self._open("library", lambda: LibraryDialog(studio, qwindow)))
        add("settings", "Settings", lambda: self._open("settings", lambda: SettingsDialog(studio, qwindow)))

    def _ask(self, page: type[Page], qwindow: Any) -> None:
        try:
            self.studio.target()
        except Refused as refusal:
            self.studio.refused.emit(refusal)
        else:
            self._open(page.title, lambda: PageDialog(self.studio, page(), qwindow))

    def _open(self, name: str, make: Callable[[], Any]) -> None:
        """Shows the window of that name, which there is but one of."""
        dialog = self._dialogs.get(name)
        if dialog is None:
            dialog = self._dialogs[name] = make()
            address = id(dialog)
            dialog.finished.connect(lambda _result: self._dialogs.pop(name, None))
            dialog.destroyed.connect(lambda: self._forget(name, address))  # with Krita's window, unfinished
            dialog.show()
        dialog.raise_()
        dialog.activateWindow()  # the keyboard goes on in it

    def _forget(self, name: str, address: int) -> None:
        if id(self._dialogs.get(name)) == address:
            del self._dialogs[name]


class LatentLayersDocker(DockWidget):  # type: ignore[misc]
    """The docker; its content is `ui.docker.Panel`."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Latent Layers")
        self.panel = Panel(extension.studio)
        self.setWidget(self.panel)

    def canvasChanged(self, canvas: Any) -> None:
        """Krita calls it when another document comes to the front."""
        if self.panel.isVisible():
            self.panel.look()


extension = LatentLayers(Krita.instance())
Krita.instance().addExtension(extension)
Krita.instance().addDockWidgetFactory(
    DockWidgetFactory(DOCKER, DockWidgetFactoryBase.DockPosition.DockRight, LatentLayersDocker)
)
