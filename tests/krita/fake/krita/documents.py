"""Documents, their layers, and the selection. `_Node` and `_Document` are the things; the others wrap them anew at
each call, as Krita's bindings do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ._qt import QtCore, QtGui
from .pixels import GRAY, LINEAR, MASK, SRGB, Space, Store, from_rgba, over, to_rgba

ACTIVE_AFTER_MS = 20
MASKS = ("transparencymask", "filtermask", "selectionmask")
# Their own pixels are not to be had; `_Node.store` is what they show, as the test painted it.
WITHOUT_PIXELS = ("grouplayer", "vectorlayer", "clonelayer", "filelayer")


class WouldCrash(BaseException):
    """Krita would have crashed."""


class _Node:
    def __init__(self, document: _Document, name: str, kind: str) -> None:
        self.document, self.name, self.kind = document, name, kind
        self.id = QtCore.QUuid.createUuid()
        self.parent: _Node | None = None
        self.children: list[_Node] = []  # the lowest first
        self.visible, self.locked, self.opacity = True, False, 255
        self.store = Store(MASK if kind in MASKS else document.space)

    def walk(self) -> list[_Node]:
        return [self, *(found for child in self.children for found in child.walk())]

    def copy(self, document: _Document) -> _Node:
        """With the same ids, as in a clone of a document."""
        made = copy.copy(self)
        made.document, made.store = document, self.store.copy()
        made.children = [child.copy(document) for child in self.children]
        for child in made.children:
            child.parent = made
        return made

    def shown(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """What it shows, masks applied, as float RGBA."""
        if self.kind == "grouplayer":
            image = np.zeros((height, width, 4))
            for child in self.children:
                if child.visible and child.kind not in MASKS:
                    layer = child.shown(x, y, width, height)
                    layer[..., 3] *= child.opacity / 255
                    image = over(layer, image)
        else:
            image = to_rgba(self.store.read(x, y, width, height), self.store.space)
        for mask in self.children:
            if mask.kind == "transparencymask" and mask.visible:
                image[..., 3:] *= mask.store.read(x, y, width, height) / 255
        return image

    def bounds(self) -> QtCore.QRect:
        if self.kind != "grouplayer":
            return QtCore.QRect(*self.store.bounds())
        united = QtCore.QRect()
        for child in self.children:
            united = united.united(child.bounds())
        return united


class _Document:
    def __init__(self, width: int, height: int, name: str, space: Space) -> None:
        self.width, self.height, self.name, self.space = width, height, name, space
        self.root = _Node(self, "root", "grouplayer")
        self.active: _Node | None = None
        self.selection: np.ndarray | None = None  # [height, width] of the whole canvas
        self.annotations: dict[str, tuple[str, bytes]] = {}
        self.modified = False
        self.undo_stack: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.redo_stack: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.refreshed = 0  # how often refreshProjection was called since the pixels last changed

    def nodes(self) -> list[_Node]:
        return self.root.walk()[1:]

    def do(self, act: Callable[[], None], undo: Callable[[], None]) -> None:
        act()
        self.undo_stack.append((act, undo))
        self.redo_stack.clear()
        self.modified = True

    def undo(self) -> None:
        step = self.undo_stack.pop()
        step[1]()
        self.redo_stack.append(step)

    def redo(self) -> None:
        step = self.redo_stack.pop()
        step[0]()
        self.undo_stack.append(step)


class _Wrapper(QtCore.QObject):
    """Equal to other wrappers of the same thing; not hashable."""

    def __init__(self, thing: Any) -> None:
        super().__init__()
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Wrapper) and self._thing is other._thing

    __hash__ = None  # type: ignore[assignment]


def wrapped(node: _Node | None) -> Node | None:
    return None if node is None else (GroupLayer if node.kind == "grouplayer" else Node)(node)


class Node(_Wrapper):
    _thing: _Node

    def name(self) -> str:
        return self._thing.name

    def setName(self, name: str) -> None:
        self._thing.name = name

    def type(self) -> str:
        return self._thing.kind

    def uniqueId(self) -> Any:
        return self._thing.id

    def visible(self) -> bool:
        return self._thing.visible

    def setVisible(self, visible: bool) -> None:
        self._thing.visible = visible

    def setLocked(self, locked: bool) -> None:
        self._thing.locked = locked

    def parentNode(self) -> Node | None:
        return wrapped(self._thing.parent)

    def childNodes(self) -> list[Node]:
        return [wrapped(child) for child in self._thing.children]

    def addChildNode(self, child: Node, above: Node | None) -> bool:
        parent, made, document = self._thing, child._thing, self._thing.document

        def add() -> None:
            made.parent = parent
            for node in made.walk():
                node.document = document
            index = len(parent.children) if above is None else parent.children.index(above._thing) + 1
            parent.children.insert(index, made)

            def activate() -> None:
                if made in document.nodes():
                    document.active = made

            QtCore.QTimer.singleShot(ACTIVE_AFTER_MS, activate)

        document.do(add, lambda: _detach(made))
        return True

    def duplicate(self) -> Node:
        """With its children, in no tree, and with ids of its own."""
        made = self._thing.copy(self._thing.document)
        made.parent = None
        for node in made.walk():
            node.id = QtCore.QUuid.createUuid()
        return wrapped(made)

    def remove(self) -> bool:
        made, parent = self._thing, self._thing.parent
        index = parent.children.index(made)

        def put_back() -> None:
            parent.children.insert(index, made)
            made.parent = parent

        made.document.do(lambda: _detach(made), put_back)
        return True

    def move(self, x: int, y: int) -> None:
        """Krita's is relative to where the layer was made; here, as there, (0, 0) for a new one."""
        left, top, _, _ = self._thing.store.bounds()
        self._thing.store.x += x - left
        self._thing.store.y += y - top

    def colorModel(self) -> str:
        return self._thing.store.space.model

    def colorDepth(self) -> str:
        return self._thing.store.space.depth

    def colorProfile(self) -> str:
        return self._thing.store.space.profile

    def setColorSpace(self, model: str, depth: str, profile: str) -> bool:
        space, node = Space(model, depth, profile), self._thing
        if not space.exists:
            return False
        before = node.store.copy()

        def back() -> None:
            node.store = before

        node.document.do(lambda: node.store.convert(space), back)
        return True

    def bounds(self) -> Any:
        return self._thing.bounds()

    def pixelData(self, x: int, y: int, width: int, height: int) -> Any:
        if self._thing.kind in WITHOUT_PIXELS:
            return QtCore.QByteArray()
        return QtCore.QByteArray(self._thing.store.read(x, y, width, height).tobytes())

    def projectionPixelData(self, x: int, y: int, width: int, height: int) -> Any:
        shown = self._thing.shown(x, y, width, height)
        return QtCore.QByteArray(from_rgba(shown, self._thing.store.space).tobytes())

    def setPixelData(self, data: Any, x: int, y: int, width: int, height: int) -> None:
        store = self._thing.store
        shape = (height, width, store.space.channels)
        if len(data) < np.prod(shape) * store.space.dtype.itemsize:
            return
        store.write(np.frombuffer(bytes(data), store.space.dtype)[: np.prod(shape)].reshape(shape), x, y)
        self._thing.document.refreshed = 0

    def thumbnail(self, width: int, height: int) -> Any:
        document = self._thing.document
        document.thumbnails_made = getattr(document, "thumbnails_made", 0) + 1
        step = max(1, document.width // width, document.height // height)
        shown = self._thing.shown(0, 0, document.width, document.height)[::step, ::step]
        data = from_rgba(shown, Space("RGBA", "U8", SRGB)).tobytes()
        rows, columns = shown.shape[:2]
        image = QtGui.QImage(data, columns, rows, columns * 4, QtGui.QImage.Format.Format_ARGB32)
        return image.copy()


class GroupLayer(Node):
    pass


def _detach(node: _Node) -> None:
    node.parent.children.remove(node)
    node.parent = None
    if node.document.active is not None and node.document.active not in node.document.nodes():
        node.document.active = next(reversed(node.document.root.children), None)


class Selection:
    """A copy of the document's selection, or one that may become it. Without pixels it selects nothing."""

    def __init__(self, values: np.ndarray | None = None) -> None:
        self._store = Store(MASK)
        if values is not None:
            self._store.write(values[..., None], 0, 0)

    def select(self, x: int, y: int, width: int, height: int, value: int) -> None:
        self._store.write(np.full((height, width, 1), value, np.uint8), x, y)

    def setPixelData(self, data: Any, x: int, y: int, width: int, height: int) -> None:
        self._store.write(np.frombuffer(bytes(data), np.uint8).reshape(height, width, 1), x, y)

    def pixelData(self, x: int, y: int, width: int, height: int) -> Any:
        return QtCore.QByteArray(self._store.read(x, y, width, height).tobytes())

    def x(self) -> int:
        return self._store.bounds()[0]

    def y(self) -> int:
        return self._store.bounds()[1]

    def width(self) -> int:
        return self._store.bounds()[2]

    def height(self) -> int:
        return self._store.bounds()[3]


class Document(_Wrapper):
    _thing: _Document

    def width(self) -> int:
        return self._thing.width

    def height(self) -> int:
        return self._thing.height

    def name(self) -> str:
        return self._thing.name

    def fileName(self) -> str:
        return ""

    def modified(self) -> bool:
        return self._thing.modified

    def setModified(self, modified: bool) -> None:
        self._thing.modified = modified

    def colorModel(self) -> str:
        return self._thing.space.model

    def colorDepth(self) -> str:
        return self._thing.space.depth

    def colorProfile(self) -> str:
        return self._thing.space.profile

    def rootNode(self) -> Node:
        return wrapped(self._thing.root)

    def topLevelNodes(self) -> list[Node]:
        return [wrapped(node) for node in self._thing.root.children]

    def activeNode(self) -> Node | None:
        return wrapped(self._thing.active)

    def setActiveNode(self, node: Node) -> None:
        self._thing.active = node._thing

    def nodeByUniqueID(self, unique_id: Any) -> Any:
        """Krita wraps it as a bare QObject, of no use as a node."""
        return QtCore.QObject() if any(node.id == unique_id for node in self._thing.nodes()) else None

    def createNode(self, name: str, kind: str) -> Node:
        if kind == "transparencymask":
            raise WouldCrash("a transparency mask made by createNode crashes Krita when the document is saved")
        return wrapped(_Node(self._thing, name, kind))

    def createGroupLayer(self, name: str) -> GroupLayer:
        return GroupLayer(_Node(self._thing, name, "grouplayer"))

    def selection(self) -> Selection | None:
        return None if self._thing.selection is None else Selection(self._thing.selection)

    def setSelection(self, selection: Selection | None) -> None:
        canvas = 0, 0, self._thing.width, self._thing.height
        self._thing.selection = None if selection is None else selection._store.read(*canvas)[..., 0]

    def clone(self) -> Document:
        """Not among the open documents; ids, pixels and annotations are the same."""
        made = copy.copy(self._thing)
        made.root = self._thing.root.copy(made)
        made.annotations = dict(self._thing.annotations)
        made.undo_stack, made.redo_stack, made.active = [], [], None
        return Document(made)

    def close(self) -> bool:
        from .application import Krita

        Krita.instance()._close(self._thing)
        return True

    def refreshProjection(self) -> None:
        self._thing.refreshed += 1

    def waitForDone(self) -> None:
        pass

    def setBatchmode(self, batch: bool) -> None:
        pass

    def annotationTypes(self) -> list[str]:
        return list(self._thing.annotations)

    def annotation(self, key: str) -> Any:
        if key not in self._thing.annotations:
            raise WouldCrash(f"the document has no annotation {key}")
        return QtCore.QByteArray(self._thing.annotations[key][1])

    def setAnnotation(self, key: str, description: str, data: Any) -> None:
        self._thing.annotations[key] = description, bytes(data)
        self._thing.modified = True

    def removeAnnotation(self, key: str) -> None:
        self._thing.annotations.pop(key, None)


def create(width: int, height: int, name: str, model: str, depth: str, profile: str) -> _Document:
    """A document with one empty layer, which is active."""
    usual = {"RGBA": SRGB if depth in ("U8",) else LINEAR, "GRAYA": GRAY}
    space = Space(model, depth, profile or usual.get(model, ""))
    if not space.exists:
        raise WouldCrash(f"there is no colour space {space}")
    document = _Document(width, height, name, space)
    background = _Node(document, "Background", "paintlayer")
    background.parent = document.root
    document.root.children.append(background)
    document.active = background
    return document
