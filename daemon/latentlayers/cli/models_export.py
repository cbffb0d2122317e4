"""`latentlayers models export`: a copy of a model's file, or the model in another project's layout.

It is done in this process, not in the worker: the file read is in our own format, which the worker made of any other,
and the one written lies where the person says, while the daemon writes in its own folders only.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.output import memory, print_json
from latentlayers.cli.outputs import check_not_input
from latentlayers.cli.session import open_client
from latentlayers.errors import PreconditionFailed

if TYPE_CHECKING:
    from latentlayers.library.models import ModelEntry


class Format(str, Enum):
    """The layouts a model can be written in."""

    latentlayers = "latentlayers"
    rosinality = "rosinality"
    nvidia = "nvidia"


def register(commands: typer.Typer) -> None:
    commands.command()(export)


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See `models list`.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")],
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="Whose layout; else rosinality for .pt and .pth, latentlayers for .safetensors."),
    ] = None,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Write a model's generator for other tools.

    As rosinality's .pt, or as safetensors with NVIDIA's names or ours.
    """
    from latentlayers.client.files import check_writable

    entry = _entry(name, address)
    if entry.problem:
        raise PreconditionFailed("MODEL_UNUSABLE", f"{name} cannot be used: {entry.problem}", "Add it again.")
    check_not_input(output, [entry.path])
    check_writable(output)
    chosen = format_ or _usual(output)
    _write(entry.path, output, chosen)
    size = output.stat().st_size
    if json:
        print_json({"model": name, "path": output, "format": chosen.value, "bytes": size, "digest": entry.digest})
    else:
        print(f"Wrote {output} ({memory(size)})")


def _usual(output: Path) -> Format:
    """The layout that a file of this name is expected to have.

    Raises:
        typer.BadParameter: the name tells none.
    """
    usual = {".pt": Format.rosinality, ".pth": Format.rosinality, ".safetensors": Format.latentlayers}
    if output.suffix not in usual:
        raise typer.BadParameter(
            f"{output.name} does not tell its layout: end it in .pt or .safetensors, or add --format"
        )
    return usual[output.suffix]


def _write(source: Path, output: Path, chosen: Format) -> None:
    if chosen is Format.latentlayers:
        from latentlayers.client.files import copy_file

        copy_file(source, output)
        return
    from latentlayers.checkpoints import load_generator
    from latentlayers.checkpoints.export import export_nvidia, export_rosinality

    write = export_rosinality if chosen is Format.rosinality else export_nvidia
    write(output, load_generator(source))


def _entry(name: str, address: str | None) -> ModelEntry:
    """The model on this machine's disk.

    Raises:
        PreconditionFailed: DAEMON_ELSEWHERE. NotFound: MODEL_UNKNOWN.
    """
    from dataclasses import replace

    from latentlayers.library.models import ModelStore
    from latentlayers.paths import Paths

    with open_client(address) as client:
        if not client.endpoint.local:
            raise PreconditionFailed(
                "DAEMON_ELSEWHERE",
                "The daemon's models are on another machine.",
                "Run this command there.",
            )
        paths = replace(Paths.default(), data=Path(client.status().data_folder))
    return ModelStore(paths).get(name)
