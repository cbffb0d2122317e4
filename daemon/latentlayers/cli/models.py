"""`latentlayers models …`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import models_add, models_export, models_show
from latentlayers.cli import options as opt
from latentlayers.cli.output import print_json, table
from latentlayers.cli.session import open_client
from latentlayers.cli.views import model_summary

if TYPE_CHECKING:
    from latentlayers.client import ModelInfo

commands = typer.Typer(help="The models the daemon can use.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    commands.command("list")(list_)
    models_show.register(commands)
    models_add.register(commands)
    models_export.register(commands)
    commands.command()(remove)
    app.add_typer(commands, name="models")


Name = Annotated[str, typer.Argument(metavar="NAME", help="See `models list`.", show_default=False)]


def list_(json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """List the models; * marks the one used when none is named."""
    with open_client(address) as client:
        found = client.models.list()
    if json:
        print_json(asdict(found))
    elif not found.models:
        print("There are no models. Add one with `latentlayers models add`.")
    else:
        print(table([_row(model, model.name == found.default_model) for model in found.models]))


def remove(name: Name, json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """Delete a model, and its file in the models folder.

    A model that came with the program stays.
    """
    with open_client(address) as client:
        client.models.remove(name)
    if json:
        print_json({"removed": name})
    else:
        print(f"Removed {name}")


def _row(model: ModelInfo, is_default: bool) -> tuple[str, str, str]:
    return ("*" if is_default else " ", model.name, model.problem or model_summary(model))
