"""The same strip as a group of layers and as frames of an animated layer."""

from latentlayers.state.operations import Direction
from latentlayers_rig.painter import Painter

STRENGTHS = (-1.5, -0.5, 0.5, 1.5)
BEGIN = 3  # the frame at which the painter stands


def run(rig):
    painter = Painter(rig)
    yield from painter.open(rig.arguments["eileen"])
    painter.select(*rig.arguments["eileen_frame"])
    studio, document = painter.studio, painter.document
    canvas = 0, 0, document.width(), document.height()
    strip = Direction("smile", STRENGTHS)

    job = yield from painter.edit(lambda: studio.apply(strip))
    group = [bytes(node.pixelData(*canvas)) for node in painter.node(job.title).childNodes()]

    document.setCurrentTime(BEGIN)
    studio.set(strips="frames")
    job = yield from painter.edit(lambda: studio.apply(strip))
    made = next(node for node in document.topLevelNodes() if node.name() == job.title and node.animated())

    frames = []
    for time in range(BEGIN, BEGIN + len(STRENGTHS)):
        document.setCurrentTime(time)
        document.waitForDone()
        yield 0.05
        frames.append(bytes(made.pixelData(*canvas)))
    studio.set(strips="group")
    return {
        "state": job.state,
        "same": frames == group,
        "keyframes": [time for time in range(12) if made.hasKeyframeAtTime(time)],
    }
