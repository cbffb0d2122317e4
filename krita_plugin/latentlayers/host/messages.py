"""Words over the canvas, which never wait for an answer."""

from __future__ import annotations

from krita import Krita

from ..qt import QtGui

SHOWN_MS = 4000


def show_message(text: str) -> None:
    """A short floating message in the active view; nothing where there is none."""
    window = Krita.instance().activeWindow()
    view = window.activeView() if window is not None else None
    if view is not None:
        view.showFloatingMessage(text, QtGui.QIcon(), SHOWN_MS, 1)
