"""The plugin in a process of its own, in the fake Krita, under the Qt binding that LATENTLAYERS_TEST_QT names.

Run by tests/krita/test_plugin_in_fake_krita.py, which has the plugin and the fake on the path.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
BINDING = os.environ.get("LATENTLAYERS_TEST_QT", "PyQt6")
QtCore, QtGui, QtWidgets, QtTest = (
    importlib.import_module(f"{BINDING}.{name}") for name in ("QtCore", "QtGui", "QtWidgets", "QtTest")
)
application = QtWidgets.QApplication([])

import krita as fake_krita  # noqa: E402  (it takes the binding that was imported)
from fake_daemon import FakeDaemon  # noqa: E402
from latentlayers import host, plugin  # noqa: E402
from latentlayers.state.studio import Studio  # noqa: E402
from latentlayers.ui.docker import Panel  # noqa: E402
from latentlayers.wire import messages as pb  # noqa: E402

PATIENCE_S = 30.0


def until(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Runs the event loop until `condition()` is true; returns what it was."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen"
        application.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.001)
    return value


def settle(ms: int = 60) -> None:
    """Runs the event loop for a while: longer than Krita takes to make a new layer active.

    In steps of its timers: however long this machine stands still in between, the others have their turns.
    """
    for _ in range(max(1, ms // 10)):
        over: list[bool] = []
        QtCore.QTimer.singleShot(min(ms, 10), partial(over.append, True))
        until(partial(bool, over))


class Painter:
    """What somebody does in Krita, and sees in the document in front."""

    def __init__(self) -> None:
        self.krita = fake_krita.Krita.instance()

    def open(self, side: int = 64, **how: Any) -> Any:
        return self.krita.open(side, side, **how)

    @property
    def document(self) -> Any:
        return self.krita.activeDocument()

    def add_layer(
        self,
        name: str = "Ada",
        bounds: tuple[int, int, int, int] = (0, 0, 64, 64),
        kind: str = "paintlayer",
        parent: Any = None,
        colour: tuple[float, ...] = (0.2, 0.4, 0.6, 1.0),
    ) -> str:
        """A layer on top with a gradient of `colour` (R, G, B, A) within `bounds`; leaves no undo step. Its id."""
        from krita.documents import _Node
        from krita.pixels import from_rgba

        document = self.document._thing
        node = _Node(document, name, kind)
        x, y, width, height = bounds
        ramp = np.linspace(0.5, 1, max(1, width))[None, :, None]
        row = np.ones((1, width, 4)) * np.array(colour)
        row[..., :3] *= ramp
        if kind.endswith("mask"):
            node.store.write(np.full((height, width, 1), round(255 * colour[3]), np.uint8), x, y)
        elif width and kind != "grouplayer":
            node.store.write(from_rgba(row, node.store.space).repeat(height, axis=0), x, y)
        node.parent = parent._thing if parent is not None else document.root
        node.parent.children.append(node)
        if not kind.endswith("mask"):
            document.active = node
        return str(node.id.toString())

    def node(self, layer: str) -> Any:
        from krita.documents import wrapped

        return wrapped(next(node for node in self.document._thing.nodes() if node.id.toString() == layer))

    def named(self, name: str) -> Any:
        from krita.documents import wrapped

        return wrapped(next(node for node in self.document._thing.nodes() if node.name == name))

    @property
    def names(self) -> list[str]:
        """Of all layers, from top to bottom, as the Layers docker lists them."""
        return [info.name for info in host.active_document().layers()]

    def rgba(self, layer: Any) -> np.ndarray:
        """The canvas as a layer shows it: float RGBA."""
        document = self.document._thing
        return layer._thing.shown(0, 0, document.width, document.height)

    def select(self, x: int, y: int, width: int, height: int, value: int = 255) -> None:
        selection = fake_krita.Selection()
        selection.select(x, y, width, height, value)
        self.document.setSelection(selection)

    def undo(self) -> None:
        self.document._thing.undo()

    def redo(self) -> None:
        self.document._thing.redo()

    @property
    def undo_steps(self) -> int:
        return len(self.document._thing.undo_stack)

    def copy_of(self, document: Any, name: str = "copy") -> Any:
        """The file saved and opened again, elsewhere or as a duplicate: the same ids and annotations."""
        made = document.clone()
        made._thing.name = name
        return self.krita.show(made)


@pytest.fixture(autouse=True)
def _no_exception_in_a_slot() -> Iterator[None]:
    """Krita shows a modal dialog for an exception that leaves a slot; here it fails the test."""
    escaped: list[str] = []
    sys.excepthook = lambda *error: escaped.append("".join(traceback.format_exception(*error)))
    yield
    sys.excepthook = sys.__excepthook__
    assert not escaped, "\n".join(escaped)


@pytest.fixture
def painter() -> Iterator[Painter]:
    """A fake Krita without documents."""
    made = Painter()
    made.krita.start_afresh()
    yield made
    settle(0)
    made.krita.start_afresh()


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def studio(painter: Painter, daemon: FakeDaemon) -> Studio:
    """Connected, with the models known, as when the docker is visible; `daemon.edits` are the calls from then on."""
    made = Studio(host, daemon, pb)
    daemon.become("connected", "Connected.")
    made.attach()
    daemon.tell_models()
    return made


@pytest.fixture
def panel(studio: Studio) -> Iterator[Panel]:
    """The docker's content, shown and 300 pixels wide."""
    made = Panel(studio)
    made.resize(300, 900)
    made.show()
    yield made
    made.hide()
    made.deleteLater()


@pytest.fixture
def two_layers(painter: Painter) -> tuple[str, str]:
    """Ids of Ada, which is active, and Ben."""
    painter.open()
    ben = painter.add_layer("Ben", colour=(0.7, 0.4, 0.2, 1))
    return painter.add_layer("Ada"), ben


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Where pictures of the widgets go for people to look at; None if nobody asked for them."""
    folder = os.environ.get("LATENTLAYERS_SCREENSHOTS")
    return Path(folder) if folder else None


__all__ = ["BINDING", "Painter", "QtCore", "QtGui", "QtTest", "QtWidgets", "application", "plugin", "settle", "until"]
