"""A saved document is opened where nothing of it is known, and edited on."""

from latentlayers_rig.painter import Painter


def run(rig):
    painter, phases = Painter(rig), set()
    yield from painter.open(rig.arguments["folder"] + "/portrait.kra")
    painter.studio.jobs.changed.connect(lambda job: phases.add(job.progress.phase))
    yield from painter.activate("Eileen")
    painter.act("direction")
    dialog = yield from painter.dialog()
    yield lambda: dialog.page.name.findText("smile") >= 0
    dialog.page.name.setCurrentText("smile")
    job = yield from painter.edit(lambda: painter.click(dialog.apply_button))
    assert job.state == "done", job.error
    painter.export("smile.png", "Eileen", job.title)
    return {"phases": sorted(phases), "history": len(painter.memory.history)}
