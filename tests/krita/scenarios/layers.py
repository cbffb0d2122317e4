"""One face in layers of every kind, each embedded in a place of its own in one document."""

from krita import Krita
from latentlayers.qt import QtCore
from latentlayers_rig.painter import Painter

CANVAS = 8000, 6000
SPACE = "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc"


CIRCLE = '<svg width="512" height="512"><circle cx="250" cy="150" r="300" fill="#f0a080"/></svg>'


def add(painter, node):
    """Puts a layer of no pixels of its own on top, and waits until Krita shows it."""
    painter.document.rootNode().addChildNode(node, None)
    yield lambda: painter.document.activeNode() == node
    painter.document.refreshProjection()
    painter.document.waitForDone()
    yield lambda: node.type() == "vectorlayer" or not node.bounds().isEmpty()


def run(rig):
    painter = Painter(rig)
    painter.document = Krita.instance().createDocument(*CANVAS, "Huge", *SPACE, 300.0)
    painter.document.setBatchmode(True)
    Krita.instance().activeWindow().addView(painter.document)
    yield lambda: painter.document.activeNode() is not None
    x, y, width, height = rig.arguments["eileen_frame"]
    said = {}

    def embed(name, left, top, selection=None):
        """Embeds the face of the active layer, whose picture is at (left, top), and keeps what came of it."""
        painter.select(left + x, top + y, width, height, selection)
        job = yield from painter.edit(lambda: painter.act("embed"))
        assert job.state == "done", (name, job.error)
        made = painter.node(job.title)
        outside = made.bounds().united(QtCore.QRect(left + x, top + y, width, height)).size()
        said[name] = [job.state, outside.width() - width, outside.height() - height]
        painter.keep(made, left + x, top + y, width, height, name)

    yield from painter.add_picture("Offset", rig.arguments["eileen"], 7000, 5000)
    yield from embed("offset", 7000, 5000)

    node = yield from painter.add_picture("Moved", rig.arguments["eileen"])
    node.move(1000, 2000)
    yield from embed("moved", 1000, 2000)

    clone = painter.document.createCloneLayer("Clone", painter.node("Offset"))
    yield from add(painter, clone)
    yield from embed("clone", 7000, 5000)

    file = painter.document.createFileLayer("File", str(rig.arguments["eileen"]), "None")
    yield from add(painter, file)
    yield from embed("file", 0, 0)

    vector = painter.document.createVectorLayer("Vector")
    yield from add(painter, vector)
    vector.addShapesFromSvg(CIRCLE)
    yield lambda: not vector.bounds().isEmpty()
    yield from embed("vector", 0, 0)

    node = yield from painter.add_picture("Hidden", rig.arguments["eileen"], 3000, 0)
    node.setVisible(False)
    yield from embed("hidden", 3000, 0)

    node = yield from painter.add_picture("Locked", rig.arguments["eileen"], 4000, 0)
    node.setLocked(True)
    yield from embed("locked", 4000, 0)

    # Larger than the canvas on two sides, so that the face is where the canvas begins.
    node = yield from painter.add_picture("Beyond", rig.arguments["eileen"], -x, -y)
    yield from embed("beyond", -x, -y)

    group = painter.document.createGroupLayer("Group")
    child = yield from painter.add_picture("Child", rig.arguments["eileen"], 0, 3000)
    child.remove()
    group.addChildNode(child, None)
    painter.document.rootNode().addChildNode(group, None)
    yield from painter.activate("Group")
    painter.document.refreshProjection()
    painter.document.waitForDone()
    yield from embed("group", 0, 3000)

    # The lower half of the face is half transparent.
    node = yield from painter.add_picture("Soft", rig.arguments["eileen"], 5000, 0)
    middle = y + height // 2
    node.setPixelData(QtCore.QByteArray(b"\x50\x78\xa0\x80" * (512 * 200)), 5000, middle, 512, 200)
    yield from embed("soft", 5000, 0)

    yield from painter.add_picture("Ramp", rig.arguments["eileen"], 6000, 0)
    ramp = bytes(255 * (column + 1) // width for column in range(width))
    yield from embed("ramp", 6000, 0, ramp * height)

    node = painter.document.createNode("Empty", "paintlayer")
    painter.document.rootNode().addChildNode(node, None)
    yield lambda: painter.document.activeNode() == node
    painter.select(0, 0, 100, 100)
    job = yield from painter.edit(lambda: painter.act("embed"))
    said["empty"] = [job.state, str(job.error)]
    return said
