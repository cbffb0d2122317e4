"""The screenshots of the guide: the shipped model at its best, while a painter works with it."""

from latentlayers_rig.painter import Painter


def run(rig):
    painter = Painter(rig)
    yield from painter.open(rig.arguments["eileen"])
    yield from painter.show_docker()
    painter.node("Background").setName("Eileen")
    grace = yield from painter.add_picture("Grace", rig.arguments["grace"])
    painter.select(*rig.arguments["grace_frame"])
    yield from embed(painter, rig)
    painter.node("Grace (embedded)").setVisible(False)
    grace.setVisible(False)
    yield from painter.activate("Eileen")
    painter.select(*rig.arguments["eileen_frame"])
    yield from embed(painter, rig, "embedding")
    painter.deselect()

    painter.act("expression")
    dialog = yield from painter.dialog()
    dialog.page.neutral.choose(grace.uniqueId().toString())
    yield from shoot(painter, rig, "dialog")
    dialog.reject()

    morph = painter.page("Morph")
    yield lambda: morph.other.findData(grace.uniqueId().toString()) >= 0
    pictures = []
    painter.studio.live.picture.connect(pictures.append)
    morph.other.choose(grace.uniqueId().toString())
    morph.amount.set_value(0.35)
    yield lambda: pictures
    yield from shoot(painter, rig, "morph")

    direction = painter.page("Direction")
    direction.name.setCurrentText("smile")
    direction.count.setValue(5)
    direction.strength.set_value(1.0)
    job = yield from painter.edit(lambda: painter.click(painter.apply_button()))
    assert job.state == "done", job.error
    painter.node("Eileen (embedded)").setVisible(False)
    painter.node("smile +0").setVisible(False)
    painter.node("smile -1").setVisible(True)
    painter.share_height()
    yield from shoot(painter, rig, "strip")


def embed(painter, rig, picture=None):
    job = yield from painter.start(lambda: painter.act("embed"))
    if picture:
        yield lambda: job.progress.step > 0.6 * (job.progress.total or 1e9)
        yield from shoot(painter, rig, picture)
    yield lambda: not job.active
    assert job.state == "done", job.error
    yield lambda: painter.document.activeNode().uniqueId().toString() == job.layer


def shoot(painter, rig, name):
    """Once the canvas shows what the document has, and floating words are gone."""
    painter.document.refreshProjection()
    painter.document.waitForDone()
    yield 0.5 if name == "embedding" else 5
    rig.screenshot(name)
