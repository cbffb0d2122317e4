"""Words over the canvas, or below it, which never wait for an answer."""

from __future__ import annotations

from krita import Krita

from ..qt import QtGui

SHOWN_MS = 4000


def show_message(text: str) -> None:
    """A short floating message in the active view; in the window's status bar while no document is open."""
    krita = Krita.instance()
    window = krita.activeWindow()
    if window is None:
        return
    view = window.activeView() if krita.activeDocument() is not None else None
    if view is not None:
        view.showFloatingMessage(text, QtGui.QIcon(), SHOWN_MS, 1)
    else:
        window.qwindow().statusBar().showMessage(text, SHOWN_MS)
