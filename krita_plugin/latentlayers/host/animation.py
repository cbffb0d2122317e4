"""Frames of an animated layer, made one by one.

Krita's importAnimation crashes at times. What does not: a blank frame by the action, a turn of the event loop, and then
its pixels. Each frame is an undo step of its own; Krita offers no way to make them one.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

from krita import Krita

from ..qt import QtCore

PAUSE_MS = 1
WAIT_MS = 100  # for the document to come to the front again
MOST_WAITS = 600


class Frames:
    """Fills a layer that is in the document, and active.

    Args:
        is_front: whether the document is open and in front, as the action works on the one that is.
        node: the layer; pictures: its rows of pixels, one for each frame from the current time on.
        done: called at the end, also when the layer or the document is gone before.
    """

    def __init__(
        self,
        document: Any,
        node: Any,
        pictures: Sequence[bytes],
        bounds: tuple[int, int, int, int],
        is_front: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:
        self._document, self._node, self._pictures, self._bounds = document, node, pictures, bounds
        self._is_front, self._done = is_front, done
        self._waits = 0
        self._steps = self._fill()

    def begin(self) -> None:
        """Returns at once; the frames come with the turns of the event loop."""
        if not self._is_front() and self._waits < MOST_WAITS:
            self._waits += 1
            QtCore.QTimer.singleShot(WAIT_MS, self.begin)
        elif self._is_front() and next(self._steps, None) is not None:
            QtCore.QTimer.singleShot(PAUSE_MS, self.begin)
        else:
            self._done()

    def _fill(self) -> Iterator[bool]:
        first = self._document.currentTime()
        self._node.enableAnimation()
        for time, pixels in enumerate(self._pictures, first):
            self._document.setActiveNode(self._node)
            self._document.setCurrentTime(time)
            Krita.instance().action("add_blank_frame").trigger()
            self._document.waitForDone()
            yield True
            self._node.setPixelData(QtCore.QByteArray(pixels), *self._bounds)
        self._document.setCurrentTime(first)
        self._document.refreshProjection()
