"""The docker that stands in for the plugin when a part of it is missing or damaged. Needs no other part but Qt."""

import sys
import traceback

from krita import DockWidget, DockWidgetFactory, DockWidgetFactoryBase, Krita

from .qt import QtWidgets

OLDEST = (3, 8)


def explain(error):
    """(what is wrong, what to do) as plain sentences."""
    if sys.version_info < OLDEST:
        return (
            "This Krita brings Python {}.{}, and Latent Layers needs 3.8.".format(*sys.version_info),
            "Update Krita to 5.1 or newer.",
        )
    if isinstance(error, ImportError):
        what = f"A part of the plugin is missing: {error}."
    else:
        what = f"The plugin cannot start: {type(error).__name__}: {error}."
    return (
        what,
        "Download the plugin's zip again, import it with Tools > Scripts > Import Python Plugin from File, and restart "
        "Krita. (A copy of the source folder does not do: the zip has parts that are made when it is built.)",
    )


def show(error):
    """Registers the docker; must be called while `error` is being handled."""
    what, remedy = explain(error)
    report = traceback.format_exc()
    print("Latent Layers: " + report, file=sys.stderr)

    class Broken(DockWidget):
        def __init__(self):
            super().__init__()
            self.setWindowTitle("Latent Layers")
            body = QtWidgets.QWidget(self)
            layout = QtWidgets.QVBoxLayout(body)
            text = QtWidgets.QPlainTextEdit(what + "\n\n" + remedy, body)
            text.setReadOnly(True)
            layout.addWidget(text)
            copy = QtWidgets.QPushButton("Copy Details", body)
            copy.clicked.connect(lambda: QtWidgets.QApplication.clipboard().setText(report))
            layout.addWidget(copy)
            self.setWidget(body)

        def canvasChanged(self, canvas):
            pass

    factory = DockWidgetFactory("latentlayers_docker", DockWidgetFactoryBase.DockPosition.DockRight, Broken)
    Krita.instance().addDockWidgetFactory(factory)
