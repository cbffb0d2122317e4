"""All edits of one portrait, by menu action and in the docker; saved in the end."""

import gc

from latentlayers_rig.painter import Painter


def run(rig):
    given, said = rig.arguments, {}
    painter = Painter(rig)
    yield from painter.open(given["eileen"])
    yield from painter.show_docker()
    painter.node("Background").setName("Eileen")
    grace = yield from painter.add_picture("Grace", given["grace"])
    layer = grace.uniqueId().toString()
    gc.collect()  # what the actions do must survive it

    painter.select(*given["grace_frame"])
    yield from embed_by_mouse(painter)
    yield from painter.activate("Eileen")
    painter.select(*given["eileen_frame"])
    yield from keep(painter, "embed", lambda: painter.act("embed"))
    said["undo"] = yield from undo_and_redo(painter, "embed-again.png")
    yield from painter.activate("Eileen")  # Krita has activated what came back
    painter.deselect()

    painter.act("morph")
    dialog = yield from painter.dialog()
    dialog.page.other.choose(layer)
    yield from keep(painter, "morph", lambda: painter.click(dialog.apply_button))

    style = painter.page("Style")
    style.style_layer.choose(layer)
    style.rows.setCurrentIndex(style.rows.findData("fine"))
    yield from keep(painter, "crossover", lambda: painter.click(painter.apply_button()))

    face = painter.page("Face")
    face.neutral.choose(layer)
    face.expressive.choose(painter.node("Eileen").uniqueId().toString())
    yield from keep(painter, "expression", lambda: painter.click(painter.apply_button()))
    yield from keep(painter, "render", lambda: painter.act("render"))

    direction = painter.page("Direction")
    direction.name.setCurrentText("smile")
    direction.count.setValue(3)
    job = yield from painter.edit(lambda: painter.click(painter.apply_button()))
    group = painter.node(job.title)
    said["strip"] = [(child.name(), child.visible()) for child in group.childNodes()]
    yield from painter.undo()
    assert job.title not in painter.names
    yield from painter.redo()
    painter.export("direction.png", "Eileen", job.title)

    said["history"] = [deed.operation.kind for deed in painter.memory.history]
    painter.save("portrait.kra")
    return said


def embed_by_mouse(painter):
    painter.page("Embed")
    job = yield from painter.edit(lambda: painter.click(painter.apply_button()))
    assert job.state == "done", job.error
    assert painter.names == ["Grace (embedded)", "Grace", "Eileen"]


def keep(painter, name, begin):
    """Does an edit, and writes the layer that came of it over Eileen to NAME.png."""
    job = yield from painter.edit(begin)
    assert job.state == "done", job.error
    assert painter.names[:3] == ["Grace (embedded)", "Grace", job.title]  # above Eileen and her earlier edits
    painter.export(name + ".png", "Eileen", job.title)


def undo_and_redo(painter, file):
    """Undoes the last edit, and does it again by keys; the layers after each."""
    before = painter.names
    yield from painter.undo()
    undone = painter.names
    yield from painter.press("ctrl+shift+z")
    yield lambda: painter.names == before
    painter.export(file, "Eileen", "Eileen (embedded)")
    return undone
