"""One face in documents of every kind; each is converted to 8-bit sRGB afterwards and written."""

from latentlayers.state.operations import Direction
from latentlayers_rig.painter import Painter

SRGB = "sRGB-elle-V2-srgbtrc.icc"
SPACES = {
    "u16": ("RGBA", "U16", SRGB),
    "f16": ("RGBA", "F16", "sRGB-elle-V2-g10.icc"),
    "f32": ("RGBA", "F32", "sRGB-elle-V2-g10.icc"),
    "grey8": ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc"),
    "grey16": ("GRAYA", "U16", "Gray-D50-elle-V2-srgbtrc.icc"),
    "cmyk": ("CMYKA", "U8", "Chemical proof"),
}


def run(rig):
    painter, said = Painter(rig), {}
    for name, space in SPACES.items():
        yield from painter.open(rig.arguments["eileen"])
        assert painter.document.setColorSpace(*space), space
        painter.document.waitForDone()
        painter.document.activeNode().setName("Eileen")
        painter.select(*rig.arguments["eileen_frame"])
        steps = painter.undo_steps()
        job = yield from painter.edit(lambda: painter.act("embed"))
        assert job.state == "done", job.error
        made = painter.node(job.title)
        said[name] = {
            "space": [made.colorModel(), made.colorDepth(), made.colorProfile()] == list(space),
            "undo": painter.undo_steps() - steps,
        }
        nothing = yield from painter.edit(lambda: painter.studio.apply(Direction("smile", (0.0,))))
        assert nothing.state == "done", nothing.error
        painter.document.setColorSpace("RGBA", "U8", SRGB)
        painter.document.waitForDone()
        painter.export(name + "-source.png", "Eileen")
        painter.export(name + "-embedded.png", "Eileen", job.title)
        painter.export(name + "-unchanged.png", "Eileen", nothing.title)
    return said
