"""The pictures that come back from an edit, and their way into the document."""

from __future__ import annotations

from typing import Any

from ..host.pixels import Pixels, png
from .capture import Capture

THUMBNAIL = 96


class Result:
    """Collects the pictures of one edit.

    Args:
        main: the layer that was edited; pictures are as large as its view and lie where it lies.
        weights: lambda of each picture, for the layers' names.
    """

    def __init__(self, main: Capture, weights: tuple[float, ...]) -> None:
        self._main, self._weights = main, weights
        self._pictures: list[Pixels] = []

    def add(self, image: Any) -> None:
        """Takes one pb.Image; they come in order."""
        raw = image.picture.raw
        self._pictures.append(Pixels(raw.width, raw.height, self._main.pixels.depth, raw.data))

    def insert(self, document: Any, layer: str, title: str) -> str:
        """One layer above the one that was edited, or a group of them for several pictures. Returns its id.

        Raises:
            Refused: the document or the layer is gone.
        """
        bounds = self._main.view.bounds
        if len(self._pictures) == 1:
            return str(document.insert_above(layer, title, self._pictures[0], bounds))
        children = [
            ("%s %d: %+.2f" % (title.split(" ")[0], index + 1, weight), pixels)
            for index, (weight, pixels) in enumerate(zip(self._weights, self._pictures))
        ]
        shown = len(children) // 2
        return str(document.insert_group_above(layer, title, children, bounds, shown))

    def thumbnail(self) -> bytes:
        """PNG of the picture in the middle."""
        return png(self._pictures[len(self._pictures) // 2], THUMBNAIL) if self._pictures else b""
