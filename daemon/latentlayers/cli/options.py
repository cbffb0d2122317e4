"""Options that several commands have, with one spelling and one explanation each."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Preset(str, Enum):
    """The embedding presets."""

    fast = "fast"
    best = "best"
    paper = "paper"
    projector = "projector"


class SpaceName(str, Enum):
    """The latent spaces an embedding can be sought in."""

    w_plus = "w+"
    w = "w"
    z = "z"


class PasteName(str, Enum):
    """How a result goes back into the first picture."""

    none = "none"
    replaced = "replace"
    residual = "residual"


class NoiseName(str, Enum):
    """What the generator's noise inputs get."""

    const = "const"
    none = "none"
    random = "random"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Address = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="The daemon: unix:/path or host:port; else it is found, or started."),
]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="Model to use; else the daemon's default.")]
PresetOption = Annotated[Preset | None, typer.Option("--preset", help="How pictures are embedded; fast by default.")]
Space = Annotated[SpaceName | None, typer.Option("--space", help="Latent space; else the preset's own.")]
Frames = Annotated[
    list[str] | None,
    typer.Option(
        "--frame",
        metavar="auto|whole|X,Y,W,H",
        help="Where the face is; repeat it for each picture file in order, or once for all.",
    ),
]
Masks = Annotated[
    list[Path] | None,
    typer.Option(
        "--mask", metavar="M.png", help="White counts, black never does; repeat it for each picture file in order."
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="The same seed gives the same result.", show_default=False)
]
Steps = Annotated[
    int,
    typer.Option("--steps", min=0, metavar="N", help="Most optimiser steps; else the preset's.", show_default=False),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="Embed again what the library already has.")]
Paste = Annotated[
    PasteName, typer.Option("--paste", help="Put the result back into the first picture, or only the difference.")
]
OutputFile = Annotated[Path, typer.Option("--output", "-o", metavar="OUT.png", help="Where to write the picture.")]
Rows = Annotated[
    str,
    typer.Option("--rows", metavar="ROWS", help="coarse, middle, fine, 5-11, split:6, fine:0.5, or several with +."),
]
Strengths = Annotated[
    str,
    typer.Option(
        "--strength", metavar="1.0,…", help="How much, 0 is none; several give OUT-00.png … and a strip OUT.png."
    ),
]
