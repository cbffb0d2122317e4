"""Latent Layers inside Krita."""

from __future__ import annotations

from krita import Extension, Krita

from .wire import Daemon


class LatentLayers(Extension):
    """The plugin for as long as Krita runs."""

    def __init__(self, parent):
        super().__init__(parent)
        self.daemon = Daemon(self)
        notifier = parent.notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self.daemon.close)

    def setup(self):
        pass

    def createActions(self, window):
        pass


Krita.instance().addExtension(LatentLayers(Krita.instance()))
