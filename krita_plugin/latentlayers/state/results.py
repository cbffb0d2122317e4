"""The pictures that come back from an edit, and their way into the document."""

from __future__ import annotations

from typing import Any, Collection

from ..host.pixels import Pixels, png
from ..values import Refused
from .capture import Capture

THUMBNAIL = 96


class Result:
    """Collects the pictures of one edit.

    Args:
        main: the layer that was edited; pictures are as large as its view and lie where it lies.
        steps: what the layer of each picture is called, if there are several.
    """

    def __init__(self, main: Capture, steps: list[str]) -> None:
        self._main, self._steps = main, steps
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
        bounds = self._main.view.bounds
        if len(self._pictures) == 1:
            return str(document.insert_above(layer, title, self._pictures[0], bounds, earlier))
        if animated:
            return str(document.insert_animation_above(layer, title, self._pictures, bounds, earlier))
        children = list(zip(self._steps, self._pictures))
        shown = len(children) // 2
        return str(document.insert_group_above(layer, title, children, bounds, earlier, shown))

    @property
    def share(self) -> float:
        """How many of the pictures are there, 0 to 1."""
        return len(self._pictures) / len(self._steps)

    def thumbnail(self) -> bytes:
        """PNG of the picture in the middle."""
        return png(self._pictures[len(self._pictures) // 2], THUMBNAIL)
