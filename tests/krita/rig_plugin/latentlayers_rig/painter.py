"""A painter at work in real Krita: opens, selects, clicks and looks, as scenarios say.

What is a generator here is called with `yield from`, and waits with Krita's event loop turning.
"""

import inspect
import subprocess

from krita import InfoObject, Krita, Selection
from latentlayers.plugin import extension
from latentlayers.qt import QtCore, QtGui, QtWidgets

DOCKER_HEIGHT = 900
IN_THE_WAY = ("Advanced Color Selector", "Tool Options", "Brush Presets")
STILL = 10  # looks in a row, with the event loop turning between them


class Painter:
    """The painter's hands and eyes.

    Attributes:
        studio: the plugin's, to look at.
        document: the one that `open` opened last.
        ended: every edit that came to an end.
    """

    def __init__(self, rig):
        self.rig, self.krita = rig, Krita.instance()
        self.studio = extension.studio
        self.document = None
        self.ended = []
        self.studio.jobs.ended.connect(self.ended.append)

    # Documents

    def open(self, path):
        self.document = yield from self.rig.open(path)

    def save(self, name):
        """Saves the document as NAME in the test's folder."""
        assert self.document.saveAs(self.rig.arguments["folder"] + "/" + name)
        self.document.waitForDone()

    def export(self, name, *shown):
        """Writes the document to NAME in the test's folder with only these layers visible."""
        was_visible = [(node, node.visible()) for node in self.document.topLevelNodes()]
        for node, _ in was_visible:
            node.setVisible(node.name() in shown)
        self.document.refreshProjection()
        self.document.waitForDone()
        assert self.document.exportImage(self.rig.arguments["folder"] + "/" + name, InfoObject())
        for node, visible in was_visible:
            node.setVisible(visible)
        self.document.refreshProjection()

    def keep(self, node, x, y, width, height, name):
        """Writes the pixels of an 8-bit RGB layer within a rectangle to NAME.png in the test's folder."""
        data = node.pixelData(x, y, width, height)
        image = QtGui.QImage(data, width, height, QtGui.QImage.Format.Format_ARGB32)
        assert image.save(self.rig.arguments["folder"] + "/" + name + ".png")

    # Layers

    @property
    def names(self):
        """Of all layers, from top to bottom, groups before what is in them."""
        return [node.name() for node in self._nodes()]

    def node(self, name):
        return next(node for node in self._nodes() if node.name() == name)

    def add_picture(self, name, path, x=0, y=0):
        """A paint layer with a picture on top of all, in an 8-bit RGB document."""
        image = QtGui.QImage(str(path)).convertToFormat(QtGui.QImage.Format.Format_ARGB32)
        bits = image.constBits()
        bits.setsize(image.sizeInBytes())
        node = self.document.createNode(name, "paintlayer")
        node.setPixelData(QtCore.QByteArray(bytes(bits)), x, y, image.width(), image.height())
        self.document.rootNode().addChildNode(node, None)
        yield from self._activated(node)
        return node

    def activate(self, name):
        node = self.node(name)
        self.document.setActiveNode(node)
        yield lambda: self.document.activeNode() == node

    def select(self, x, y, width, height, values=None):
        """Selects a rectangle, by default all of it; `values` has a byte per pixel."""
        selection = Selection()
        selection.select(x, y, width, height, 255)
        if values is not None:
            selection.setPixelData(QtCore.QByteArray(values), x, y, width, height)
        self.document.setSelection(selection)

    def deselect(self):
        self.document.setSelection(None)

    def undo_steps(self):
        """How many steps can be undone, as Krita's Undo History docker lists them."""
        docker = next(docker for docker in self.krita.dockers() if docker.objectName() == "History")
        return docker.findChild(QtWidgets.QListView).model().rowCount()

    def undo(self):
        yield from self._changing("edit_undo")

    def redo(self):
        yield from self._changing("edit_redo")

    # The plugin

    def act(self, name):
        """Triggers one of the plugin's menu actions."""
        self.krita.action("latentlayers_" + name).trigger()

    @property
    def docker(self):
        return next(docker for docker in self.krita.dockers() if docker.windowTitle() == "Latent Layers")

    @property
    def panel(self):
        return self.docker.panel

    def show_docker(self):
        """Brings the docker to the front, as tall as the screen allows."""
        docker = self.docker
        for other in self.krita.dockers():
            if other.windowTitle() in IN_THE_WAY:
                other.hide()
        docker.show()
        docker.raise_()
        window = self.krita.activeWindow().qwindow()
        window.resizeDocks([docker], [DOCKER_HEIGHT], QtCore.Qt.Orientation.Vertical)
        yield lambda: self.panel.isVisible() and self.studio.daemon.state.kind == "connected"
        yield lambda: self.studio.models.known

    def share_height(self):
        """Makes the docker and Krita's list of layers equally tall."""
        layers = next(docker for docker in self.krita.dockers() if docker.objectName() == "KisLayerBox")
        window = self.krita.activeWindow().qwindow()
        window.resizeDocks([layers, self.docker], [DOCKER_HEIGHT // 2] * 2, QtCore.Qt.Orientation.Vertical)

    def page(self, title):
        """The page of that title, in front in the docker."""
        self.panel.show_page(title)
        return self.panel.page

    def apply_button(self):
        """Of the page in front."""
        return self.panel.apply_buttons[self.panel.tabs.index]

    def dialog(self):
        """The plugin's dialog that is open."""
        found = []

        def look():
            widgets = QtWidgets.QApplication.topLevelWidgets()
            found[:] = [w for w in widgets if w.isVisible() and w.windowTitle().startswith("Latent Layers: ")]
            return found

        yield look
        return found[0]

    @property
    def memory(self):
        """What the plugin keeps in the document."""
        return self.studio.memories.of(self.studio.host.active_document())

    def edit(self, begin):
        """Does `begin`, which starts an edit; returns it once it has ended and its layer is active again."""
        job = yield from self.start(begin)
        yield lambda: not job.active
        if job.state == "done":
            yield lambda: self.document.activeNode().uniqueId().toString() == job.layer
        return job

    def start(self, begin):
        """Does `begin`, which starts an edit, and may be a generator; returns the edit."""
        count = len(self.ended)
        begun = begin()
        if inspect.isgenerator(begun):
            yield from begun
        yield lambda: self.studio.jobs.current or len(self.ended) > count
        return self.studio.jobs.current or self.ended[-1]

    def start_embedding(self, begin):
        """As `start`; waits until the optimiser is at work."""
        job = yield from self.start(begin)
        yield lambda: (job.progress.phase == "embedding" and job.progress.step > 2) or not job.active
        assert job.active, job.error
        return job

    # Hands

    def click(self, widget):
        """A real click with the mouse in the middle of a widget, once it is seen and does not move any more."""
        places = []
        for area in self.docker.findChildren(QtWidgets.QScrollArea):
            if area.isAncestorOf(widget):
                area.ensureWidgetVisible(widget)

        def stands_still():
            places.append(widget.mapToGlobal(widget.rect().center()))
            seen = QtWidgets.QApplication.widgetAt(places[-1]) is widget
            return seen and places[-STILL:] == [places[-1]] * STILL

        yield stands_still
        yield from self._xdotool("mousemove", places[-1].x(), places[-1].y(), "click", 1)

    def press(self, keys):
        """Real keys, to Krita's window."""
        window = int(self.krita.activeWindow().qwindow().winId())
        yield from self._xdotool("windowfocus", "--sync", window, "key", keys)

    def _xdotool(self, *arguments):
        process = subprocess.Popen(["xdotool", *map(str, arguments)])
        yield lambda: process.poll() is not None
        assert process.returncode == 0

    def _changing(self, action):
        before = self.names
        self.krita.action(action).trigger()
        yield lambda: self.names != before

    def _activated(self, node):
        yield lambda: self.document.activeNode() == node

    def _nodes(self):
        pending = list(self.document.topLevelNodes())
        while pending:
            node = pending.pop()
            if node.type() != "selectionmask":  # the selection itself
                yield node
            pending.extend(node.childNodes())
