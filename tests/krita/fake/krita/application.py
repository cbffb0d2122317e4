"""Krita itself: its windows, its settings, and what plugins register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._qt import QAction, QtCore, QtWidgets
from .documents import Document, _Document, create


class Extension(QtCore.QObject):
    def setup(self) -> None:
        raise NotImplementedError

    def createActions(self, window: Window) -> None:
        raise NotImplementedError


class DockWidget(QtWidgets.QDockWidget):
    def canvasChanged(self, canvas: Any) -> None:
        raise NotImplementedError


class DockWidgetFactoryBase:
    class DockPosition:
        DockRight = 1


class DockWidgetFactory(DockWidgetFactoryBase):
    def __init__(self, name: str, position: int, make: Callable[[], DockWidget]) -> None:
        self.name, self.position, self.make = name, position, make


class Notifier(QtCore.QObject):
    applicationClosing = QtCore.pyqtSignal()
    windowCreated = QtCore.pyqtSignal()

    def setActive(self, active: bool) -> None:
        pass


class View:
    def __init__(self, krita: Krita) -> None:
        self._krita = krita

    def showFloatingMessage(self, text: str, icon: Any, timeout: int, priority: int) -> None:
        self._krita.messages.append(text)


class Window:
    def __init__(self, krita: Krita) -> None:
        self._krita, self._qwindow = krita, QtWidgets.QMainWindow()
        self.actions: dict[str, Any] = {}

    def qwindow(self) -> Any:
        return self._qwindow

    def activeView(self) -> View | None:
        return View(self._krita) if self._krita._documents else None

    def createAction(self, name: str, text: str, menu: str = "tools/scripts") -> Any:
        action = self.actions[name] = QAction(text, self._qwindow)
        action.setObjectName(name)
        return action


class Krita(QtCore.QObject):
    """What a test does as the painter: `open`, `show`, `new_window`; and sees: `messages`."""

    _instance: Krita | None = None

    @classmethod
    def instance(cls) -> Krita:
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def __init__(self) -> None:
        super().__init__()
        self._notifier = Notifier(self)
        self._documents: list[_Document] = []
        self._settings: dict[tuple[str, str], str] = {}
        self._window: Window | None = None
        self.extensions: list[Extension] = []
        self.dockers: list[DockWidgetFactory] = []
        self.messages: list[str] = []  # shown over the canvas

    # What plugins call

    def notifier(self) -> Notifier:
        return self._notifier

    def addExtension(self, extension: Extension) -> None:
        self.extensions.append(extension)

    def addDockWidgetFactory(self, factory: DockWidgetFactory) -> None:
        self.dockers.append(factory)

    def documents(self) -> list[Document]:
        return [Document(document) for document in self._documents]

    def activeDocument(self) -> Document | None:
        return Document(self._documents[-1]) if self._documents else None

    def activeWindow(self) -> Window | None:
        return self._window

    def action(self, name: str) -> Any:
        return self._window.actions.get(name) if self._window is not None else None

    def readSetting(self, group: str, name: str, default: str) -> str:
        return self._settings.get((group, name), default)

    def writeSetting(self, group: str, name: str, value: str) -> None:
        self._settings[group, name] = value

    # What the painter does

    def open(
        self, width: int, height: int, name: str = "", model: str = "RGBA", depth: str = "U8", profile: str = ""
    ) -> Document:
        """A new document with one empty layer, in front."""
        return self.show(Document(create(width, height, name, model, depth, profile)))

    def show(self, document: Document) -> Document:
        """Brings a document to the front, also one that was not open."""
        self._close(document._thing)
        self._documents.append(document._thing)
        return document

    def new_window(self) -> Window:
        """A window; every plugin adds its actions."""
        self._window = Window(self)
        for extension in self.extensions:
            extension.createActions(self._window)
        return self._window

    def start_afresh(self) -> None:
        """Without documents, windows, messages and settings; plugins stay."""
        self._documents.clear()
        self._settings.clear()
        self._window = None
        self.messages.clear()

    def _close(self, document: _Document) -> None:
        if document in self._documents:
            self._documents.remove(document)
