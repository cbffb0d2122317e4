"""What the plugin's docker says instead of working, as text."""

from krita import Krita
from latentlayers.qt import QtWidgets


def run(rig):
    yield 0.2
    rig.screenshot("window")
    ours = [docker for docker in Krita.instance().dockers() if docker.windowTitle() == "Latent Layers"]
    return [text.toPlainText() for docker in ours for text in docker.findChildren(QtWidgets.QPlainTextEdit)]
