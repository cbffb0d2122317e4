"""A Krita document: its layers, selection, pixels, annotations, and how results get into it."""

from __future__ import annotations

import functools
import itertools
from typing import Any, Collection, Iterator, Sequence

from krita import Krita

from ..qt import QtCore, QtGui, sip
from ..values import Bounds, LayerInfo, Refused, View
from .animation import Frames
from .colour import ColourSpace, convert
from .pixels import Pixels, grey_pixels, scaled

ANNOTATION_TITLE = "Latent Layers"
ACTIVE_POLL_MS = 10
# Their pixelData is empty or a mask: what they show is their projection.
MASK_KINDS = ("transparencymask", "filtermask", "transformmask", "selectionmask", "colorizemask")


def active_document() -> Document | None:
    """The document in front, if there is one."""
    found = Krita.instance().activeDocument()
    return Document(found) if found is not None else None


def open_documents() -> list[Document]:
    return [Document(document) for document in _owned(Krita.instance().documents())]


def same_document(a: Document | None, b: Document | None) -> bool:
    """Whether both are the same Krita document; wrappers differ at every call."""
    return a is b or (a is not None and b is not None and a.handle == b.handle)


class Document:
    """A view of one Krita document. Methods that name a layer raise Refused once it, or the document, is gone."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    @property
    def is_open(self) -> bool:
        return any(self.handle == other for other in _owned(Krita.instance().documents()))

    @property
    def name(self) -> str:
        return self.handle.name() or self.handle.fileName().rpartition("/")[2] or "Untitled"

    @property
    def bounds(self) -> Bounds:
        return Bounds(0, 0, self.handle.width(), self.handle.height())

    # Layers

    def layers(self) -> list[LayerInfo]:
        """All layers from top to bottom, as Krita's own docker lists them; masks are left out."""
        return [_info(node, depth) for node, depth in self._walk()]

    def active_layer(self) -> LayerInfo | None:
        """The active layer; for a mask, the layer it is on. None while there is none."""
        node = self.handle.activeNode()
        while node is not None and node.type() in MASK_KINDS:
            node = node.parentNode()
        return _info(node) if node is not None and node.type() else None

    def activate(self, layer: str) -> None:
        self.handle.setActiveNode(self._node(layer))

    def layer(self, layer: str) -> LayerInfo:
        return _info(self._node(layer))

    def has_layer(self, layer: str) -> bool:
        return self.is_open and self._find(layer) is not None

    def layer_bounds(self, layer: str) -> Bounds:
        """Where the layer shows something within the canvas; empty if nowhere."""
        rect = self._node(layer).bounds()
        return Bounds(rect.x(), rect.y(), rect.width(), rect.height()).intersected(self.bounds)

    def thumbnail(self, layer: str, side: int) -> QtGui.QImage:
        """A small picture of a layer, for lists."""
        return self._node(layer).thumbnail(side, side)

    def set_visible(self, layer: str, visible: bool) -> None:
        """Shows or hides a layer; Krita keeps no undo step of it."""
        self._node(layer).setVisible(visible)
        self.handle.refreshProjection()

    # Pixels

    def read(self, layer: str, bounds: Bounds, most: int) -> Pixels:
        """What a layer shows within `bounds`, its own masks applied, no side longer than `most` pixels."""
        node = self._node(layer)
        space = ColourSpace.of(node)
        raw = bytes(node.projectionPixelData(*bounds))
        if len(raw) != bounds.width * bounds.height * space.pixel_bytes:
            raise Refused(f"The pixels of the layer {node.name()} cannot be read.", "Flatten or convert the layer.")
        if not space.travels_as_it_is:
            raw = convert(self.handle, raw, bounds, space, space.transport)
        view = View.of(bounds, most)
        return scaled(
            Pixels(view.bounds.width, view.bounds.height, space.transport.depth, raw), view.width, view.height
        )

    def to_depth(self, pixels: Pixels) -> Pixels:
        """8-bit pixels in the depth that travels for this document."""
        return pixels.with_depth(ColourSpace.of(self.handle).transport.depth)

    def selection_bounds(self) -> Bounds | None:
        """The selection's extent within the canvas; None without a selection, or if everything is selected."""
        selection = self.handle.selection()
        if selection is None:
            return None
        found = Bounds(selection.x(), selection.y(), selection.width(), selection.height()).intersected(self.bounds)
        if found == self.bounds and self._selects_all(selection):
            return None
        return found

    def selection_mask(self, view: View) -> Pixels | None:
        """The selection as grey pixels of a view, white where it selects; None as `selection_bounds`."""
        if self.selection_bounds() is None:
            return None
        mask = grey_pixels(bytes(self.handle.selection().pixelData(*view.bounds)), view.bounds)
        return scaled(mask, view.width, view.height)

    def _selects_all(self, selection: Any) -> bool:
        data = bytes(selection.pixelData(*self.bounds))
        return data.count(b"\xff") == len(data)

    # Results

    def insert_above(self, layer: str, name: str, pixels: Pixels, bounds: Bounds, earlier: Collection[str] = ()) -> str:
        """Adds a paint layer above another, at `bounds`; one undo step. Returns its id.

        Args:
            layer: what it goes above; if that is gone, it goes above everything.
            earlier: ids of layers that it goes above too, where they lie directly above `layer`: they would hide it.

        Raises:
            Refused: the document was closed.
        """
        self._require_open()
        made = self._paint_layer(self.handle, name, pixels, bounds)
        self._add_above(layer, made, earlier)
        return _id(made)

    def insert_group_above(
        self,
        layer: str,
        name: str,
        children: Sequence[tuple[str, Pixels]],
        bounds: Bounds,
        earlier: Collection[str] = (),
        shown: int = 0,
    ) -> str:
        """As `insert_above`, a group of paint layers, the first child lowest; only child `shown` is visible."""
        self._require_open()
        # Filling a group makes an undo step per child in the document it was made in. So it is made in a clone, and
        # a copy of it added to the painter's document: one step.
        clone = self.handle.clone()
        try:
            group = clone.createGroupLayer(name)
            for index, (child_name, pixels) in enumerate(children):
                child = self._paint_layer(clone, child_name, pixels, bounds)
                child.setVisible(index == shown)
                group.addChildNode(child, None)
            made = group.duplicate()
        finally:
            clone.close()
        self._add_above(layer, made, earlier)
        return _id(made)

    def insert_animation_above(
        self, layer: str, name: str, frames: Sequence[Pixels], bounds: Bounds, earlier: Collection[str] = ()
    ) -> str:
        """As `insert_above`, an animated layer; its frames follow soon, from the current time on."""
        self._require_open()
        node = self.handle.createNode(name, "paintlayer")
        pictures = [self._encoded(node, pixels, bounds) for pixels in frames]
        self._add_above(layer, node, earlier, activate=False)
        made = _id(node)

        def is_active() -> bool:
            active = self.active_layer() if same_document(active_document(), self) else None
            return active is not None and active.id == made

        def done() -> None:
            if self.has_layer(layer):
                self.activate(layer)

        Frames(self.handle, node, pictures, bounds, is_active, done).begin()
        return made

    def _add_above(self, layer: str, made: Any, earlier: Collection[str], activate: bool = True) -> None:
        source = self._find(layer)
        if source is None:
            self.handle.rootNode().addChildNode(made, None)
        else:
            siblings = iter(_owned(source.parentNode().childNodes()))  # from the lowest
            below = next(node for node in siblings if _id(node) == layer)
            for node in itertools.takewhile(lambda node: _id(node) in earlier, siblings):
                below = node
            source.parentNode().addChildNode(made, below)
        self.handle.refreshProjection()
        if source is not None and activate:
            # Krita activates what was added, but the painter goes on with the layer that is being edited.
            _activate_after(self, layer, _id(made))

    def _paint_layer(self, document: Any, name: str, pixels: Pixels, bounds: Bounds) -> Any:
        """A layer with these pixels that is not in the document yet, so that adding it is the only undo step."""
        node = document.createNode(name, "paintlayer")
        node.setPixelData(QtCore.QByteArray(self._encoded(node, pixels, bounds)), *bounds)
        return node

    def _encoded(self, node: Any, pixels: Pixels, bounds: Bounds) -> bytes:
        """Pixels as large as `bounds`, in the node's colours."""
        data, target = scaled(pixels, bounds.width, bounds.height).data, ColourSpace.of(node)
        return data if target.travels_as_it_is else convert(self.handle, data, bounds, target.transport, target)

    # What is kept in the file

    def annotation(self, key: str) -> bytes:
        """What is stored under `key`; empty if nothing is."""
        # Asking Krita 5.1 for a key that is not there may crash it.
        return bytes(self.handle.annotation(key)) if key in self.handle.annotationTypes() else b""

    def set_annotation(self, key: str, data: bytes) -> None:
        self.handle.setAnnotation(key, ANNOTATION_TITLE, QtCore.QByteArray(data))

    # Nodes

    def _walk(self) -> Iterator[tuple[Any, int]]:
        pending = [(node, 0) for node in _owned(self.handle.topLevelNodes())]
        while pending:
            node, depth = pending.pop()
            if not node.type() or node.type() in MASK_KINDS:
                continue
            yield node, depth
            pending.extend((child, depth + 1) for child in _owned(node.childNodes()))

    def _find(self, layer: str) -> Any | None:
        # Krita's own nodeByUniqueID returns a bare QObject, which its other functions do not take as a node.
        return next((node for node, _ in self._walk() if _id(node) == layer), None)

    def _require_open(self) -> None:
        if not self.is_open:
            raise Refused("The document was closed.", "The embeddings are kept: open it again and repeat the edit.")

    def _node(self, layer: str) -> Any:
        self._require_open()
        node = self._find(layer)
        if node is None:
            raise Refused("The layer is no longer there.", "Undo its removal, or choose another layer.")
        return node


def _owned(wrappers: list[Any]) -> list[Any]:
    """A list as Krita makes it, each of its wrappers freed with the last reference.

    Krita makes them for the caller and keeps none, but does not tell Python so: listing 200 layers lost 94 kB each
    time, and 0.1 kB since.
    """
    for wrapper in wrappers:
        sip.transferback(wrapper)
    return wrappers


def _activate_after(document: Document, layer: str, passing: str, tries: int = 100) -> None:
    """Makes `layer` active once Krita has made `passing` active, which it does some turns of its event loop later."""
    if tries == 0 or not document.is_open:
        return
    active = document.active_layer()
    if active is not None and active.id == passing:
        if document.has_layer(layer):
            document.activate(layer)
    else:
        again = functools.partial(_activate_after, document, layer, passing, tries - 1)
        QtCore.QTimer.singleShot(ACTIVE_POLL_MS, again)


def _id(node: Any) -> str:
    return str(node.uniqueId().toString())


def _info(node: Any, depth: int = 0) -> LayerInfo:
    return LayerInfo(_id(node), node.name(), node.type(), depth, node.visible())
