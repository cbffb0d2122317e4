"""The pictures that come back from an edit, and their way into the document."""

from __future__ import annotations

from typing import Any, Collection

from ..host.detail import carried_over
from ..host.pixels import Pixels, png, scaled
from ..values import Refused
from .capture import Capture

THUMBNAIL = 96
MOST_BYTES = 512 << 20  # of all pictures at the layer's own scale; they take as long as they are large


class Result:
    """Collects the pictures of one edit.

    Args:
        main: the layer that was edited; pictures are as large as its view and lie where it lies.
        steps: what the layer of each picture is called, if there are several.
        keeps_texture: pictures are the layer's own pixels and what is added to them.
    """

    def __init__(self, main: Capture, steps: list[str], keeps_texture: bool = False) -> None:
        self._main, self._steps, self._keeps_texture = main, steps, keeps_texture
        self._pictures: list[Pixels] = []

    def add(self, image: Any) -> None:
        """Takes one pb.Image; they come in order."""
        raw = image.picture.raw
        self._pictures.append(Pixels(raw.width, raw.height, self._main.pixels.depth, raw.data))

    def insert(self, document: Any, layer: str, title: str, earlier: Collection[str], *, animated: bool = False) -> str:
        """One layer above the one that was edited and its `earlier` results; for several pictures a group of layers, or
        one layer with a frame for each.

        Returns its id.

        Raises:
            Refused: the document was closed, or there are fewer pictures than were asked for.
        """
        if len(self._pictures) != len(self._steps):
            raise Refused("The daemon did not send all pictures.", "Try again.")
        bounds, pictures = self._main.view.bounds, self._at_the_layers_scale(document, layer)
        if len(pictures) == 1:
            return str(document.insert_above(layer, title, pictures[0], bounds, earlier))
        if animated:
            return str(document.insert_animation_above(layer, title, pictures, bounds, earlier))
        children = list(zip(self._steps, pictures))
        shown = len(children) // 2
        return str(document.insert_group_above(layer, title, children, bounds, earlier, shown))

    def _at_the_layers_scale(self, document: Any, layer: str) -> list[Pixels]:
        """The pictures; what was added to a layer that had to be made smaller is added to its own pixels."""
        bounds, view, pictures = self._main.view.bounds, self._main.view, self._pictures
        size = bounds.width * bounds.height * len(self._main.pixels.data) // (view.width * view.height)
        if view.is_exact or not self._keeps_texture or size * len(pictures) > MOST_BYTES:
            return pictures  # they are enlarged, if need be
        try:
            large = document.read(layer, bounds, bounds.longer_side)
        except Refused:  # it has been deleted
            return pictures
        if scaled(large, view.width, view.height).fingerprint != self._main.pixels.fingerprint:
            return pictures  # it has been painted on
        return [carried_over(picture, self._main.pixels, large) for picture in pictures]

    @property
    def share(self) -> float:
        """How many of the pictures are there, 0 to 1."""
        return len(self._pictures) / len(self._steps)

    def thumbnail(self) -> bytes:
        """PNG of the picture in the middle."""
        return png(self._pictures[len(self._pictures) // 2], THUMBNAIL)
