"""Frames of an animated layer, made one by one.

Krita's importAnimation crashes at times. What does not: a blank frame by the action, a turn of the event loop, and then
its pixels. Each frame is an undo step of its own; Krita offers no way to make them one.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

from krita import Krita

from ..qt import QtCore

PAUSE_MS = 1
WAIT_MS = 20
MOST_WAITS = 3000  # a minute


class Frames:
    """Fills a layer that was just added to a document.

    Args:
        node: the layer; pictures: its rows of pixels, one for each frame from the current time on.
        is_active: whether the document is in front and the layer active, which is what the action works on. Krita
            makes an added layer active once its own lists know it, and asserts, and ends, if it is touched before.
        done: called at the end; not if the painter leaves the layer for good before.
    """

    def __init__(
        self,
        document: Any,
        node: Any,
        pictures: Sequence[bytes],
        bounds: tuple[int, int, int, int],
        is_active: Callable[[], bool],
        done: Callable[[], None],
    ) -> None:
        self._document, self._node, self._pictures, self._bounds = document, node, pictures, bounds
        self._is_active, self._done = is_active, done
        self._waits = 0
        self._steps = self._fill()

    def begin(self) -> None:
        """Returns at once; the frames come with the turns of the event loop."""
        if self._is_active():
            if next(self._steps, None) is None:
                self._done()
            else:
                QtCore.QTimer.singleShot(PAUSE_MS, self.begin)
        elif self._waits < MOST_WAITS:  # the painter is elsewhere, or Krita not ready yet
            self._waits += 1
            QtCore.QTimer.singleShot(WAIT_MS, self.begin)

    def _fill(self) -> Iterator[bool]:
        first = self._document.currentTime()
        self._node.enableAnimation()
        for time, pixels in enumerate(self._pictures, first):
            self._document.setCurrentTime(time)
            Krita.instance().action("add_blank_frame").trigger()
            self._document.waitForDone()
            yield True
            self._node.setPixelData(QtCore.QByteArray(pixels), *self._bounds)
        self._document.setCurrentTime(first)
        self._document.refreshProjection()
