"""`latentlayers models …`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import models_add
from latentlayers.cli import options as opt
from latentlayers.cli.output import memory, print_json, table
from latentlayers.cli.outputs import check_not_input
from latentlayers.cli.session import open_client
from latentlayers.cli.views import model_summary
from latentlayers.errors import PreconditionFailed

if TYPE_CHECKING:
    from latentlayers.client import ModelInfo
    from latentlayers.library.models import ModelEntry

commands = typer.Typer(help="The models the daemon can use.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    models_add.register(commands)
    app.add_typer(commands, name="models")


Name = Annotated[str, typer.Argument(metavar="NAME", help="See `models list`.", show_default=False)]


@commands.command("list")
def list_(json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """List the models; * marks the one that is used when none is named."""
    with open_client(address) as client:
        found = client.models.list()
    if json:
        print_json(asdict(found))
    elif not found.models:
        print("There are no models. Add one with `latentlayers models add`.")
    else:
        print(table([_row(model, model.name == found.default_model) for model in found.models]))


@commands.command()
def show(name: Name, json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """Show a model's architecture, licence, origin and directions."""
    with open_client(address) as client:
        model = client.models.get(name)
    if json:
        print_json({"model": asdict(model)})
    else:
        print(table(_details(model)))


@commands.command()
def remove(name: Name, json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """Delete a model's file; a model that came with the program stays."""
    with open_client(address) as client:
        client.models.remove(name)
    if json:
        print_json({"removed": name})
    else:
        print(f"Removed {name}")


@commands.command()
def export(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the safetensors.")],
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Copy a model's safetensors file."""
    from latentlayers.client.files import check_writable, copy_file

    entry = _entry(name, address)
    if entry.problem:
        raise PreconditionFailed("MODEL_UNUSABLE", f"{name} cannot be used: {entry.problem}", "Add it again.")
    check_not_input(output, [entry.path])
    check_writable(output)
    copy_file(entry.path, output)
    size = output.stat().st_size
    if json:
        print_json({"model": name, "path": output, "bytes": size, "digest": entry.digest})
    else:
        print(f"Wrote {output} ({memory(size)})")


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


def _row(model: ModelInfo, is_default: bool) -> tuple[str, str, str]:
    return ("*" if is_default else " ", model.name, model.problem or model_summary(model))


def _details(model: ModelInfo) -> list[tuple[str, str]]:
    rows = [
        ("Name", model.name + (" (shipped)" if model.shipped else "")),
        ("Problem", model.problem),
        ("Network", f"{model.family}, {model.resolution} px"),
        ("Latent", f"{model.num_ws} rows of {model.w_dim} in w+, z of {model.z_dim}"),
        ("Labels", str(model.c_dim) if model.c_dim else ""),
        ("Trained on", model.domain or "unknown"),
        ("Licence", model.licence or "unknown"),
        ("Origin", model.provenance or "unknown"),
        ("Directions", ", ".join((*model.directions, "sefa-1 …", "pca-1 …"))),
        ("sha256", model.digest),
    ]
    shown = ("Name", "Problem") if model.problem else tuple(key for key, _ in rows)
    return [(key, value) for key, value in rows if value and key in shown]
