"""Something else than the scenario raises."""

from latentlayers.qt import QtCore


def run(rig):
    QtCore.QTimer.singleShot(0, lambda: 1 / 0)
    yield 0.2
