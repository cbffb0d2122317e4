"""Everything that can happen to an embedding while it runs; Krita quits during the last one."""

import os
import signal

from latentlayers_rig.painter import Painter

# Its Layers docker looks at changed layers somewhat later, and crashes if their document is closed by then.
KRITA_SETTLES_S = 1


def run(rig):
    painter, said = Painter(rig), {}
    yield from painter.open(rig.arguments["eileen"])
    yield from painter.show_docker()
    painter.document.activeNode().setName("Eileen")
    painter.select(*rig.arguments["eileen_frame"])

    painter.studio.set(preset="paper")  # far longer than this test
    job = yield from painter.start_embedding(lambda: painter.act("embed"))
    rig.screenshot("embedding")
    painter.act("cancel")
    said["cancelled by action"] = [job.state, painter.names]
    job = yield from painter.start_embedding(lambda: painter.act("embed"))
    yield from painter.click(painter.panel.cancel_button)
    yield lambda: not job.active
    said["cancelled by mouse"] = [job.state, painter.names, painter.panel.status.text()]

    job = yield from painter.start_embedding(lambda: painter.act("embed"))
    os.kill(rig.arguments["daemon"], signal.SIGKILL)
    yield lambda: not job.active
    said["daemon killed"] = [job.state, job.error.reason, painter.panel.trouble.isVisible()]
    painter.studio.set(preset="")
    job = yield from painter.edit(lambda: painter.act("embed"))
    said["daemon started again"] = [job.state, painter.names]

    painter.select(*rig.arguments["grace_frame"])  # another place, so that it is not in the library
    job = yield from painter.start(lambda: painter.act("embed"))
    painter.node("Eileen").remove()
    yield lambda: not job.active
    said["layer removed"] = [job.state, painter.names]

    yield from painter.open(rig.arguments["grace"])
    painter.select(*rig.arguments["eileen_frame"])
    yield KRITA_SETTLES_S
    job = yield from painter.start(lambda: painter.act("embed"))
    painter.document.setModified(False)
    painter.krita.action("file_close").trigger()
    yield lambda: not job.active
    said["document closed"] = [job.state, str(job.error), painter.panel.trouble.text.text()]

    yield from painter.open(rig.arguments["grace"])
    painter.studio.set(preset="paper")
    yield from painter.start_embedding(lambda: painter.act("embed"))
    return said
