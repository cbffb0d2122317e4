"""`latentlayers models add` and `models catalogue`"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.output import memory, print_json, table
from latentlayers.cli.progress import OnStep, Step, left, shown_steps
from latentlayers.cli.session import open_client
from latentlayers.cli.views import model_summary
from latentlayers.errors import Cancelled, InvalidInput, LatentLayersError

if TYPE_CHECKING:
    from latentlayers.client import Client, ModelInfo
    from latentlayers.client.adding import AddEvent, AddProgress, CatalogueInfo

MIRROR_VARIABLE = "LATENTLAYERS_MIRROR"
GOES_ON = "What was downloaded is kept: the same command goes on from there."


def register(commands: typer.Typer) -> None:
    commands.command()(add)
    commands.command()(catalogue)


def add(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A name of `models catalogue`, an address, or a checkpoint file.",
            show_default=False,
        ),
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it; else the source's name.")] = "",
    sha256: Annotated[str, typer.Option("--sha256", metavar="HEX", help="What the file must hash to.")] = "",
    mirror: Annotated[
        str, typer.Option("--mirror", metavar="URL", envvar=MIRROR_VARIABLE, help="Take catalogue files from there.")
    ] = "",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to the licence instead of being asked.")
    ] = False,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Convert a model and keep it, downloaded if need be.

    Nothing in the file is executed.
    """
    with open_client(address) as client:
        source = _source(source, client.endpoint.local)
        if not accept_licence and not json and sys.stdin.isatty():
            accept_licence = _agreed(client, source)
        try:
            events = client.models.add(source, name, sha256=sha256, accept_licence=accept_licence, mirror=mirror)
            with shown_steps(json, "Asking the daemon") as show:
                model, notices = _followed(events, source, show)
        except KeyboardInterrupt:
            if not json:
                print(GOES_ON, file=sys.stderr)
            raise Cancelled("CANCELLED", "Cancelled.", GOES_ON) from None
    if json:
        print_json({"model": asdict(model), "notices": notices})
        return
    for notice in notices:
        print(f"Note: {notice}", file=sys.stderr)
    print(f"Added {model.name}: {model_summary(model)}")


def catalogue(json: opt.JsonFlag = False, address: opt.Address = None) -> None:
    """List the official files to add by name; * marks those added."""
    with open_client(address) as client:
        entries = client.models.catalogue()
    if json:
        print_json({"entries": entries})
        return
    print(table([_row(entry) for entry in entries]))
    print("\nAdd one with `latentlayers models add NAME`. Its licence is shown before anything is downloaded.")


def _source(text: str, local: bool) -> str:
    """The source as the daemon needs it: files by their full path. An existing file wins over a name.

    Raises:
        InvalidInput: FILE_NOT_FOUND.
    """
    file = Path(text)
    if "://" in text or not (file.is_file() or "." in text or os.sep in text):
        return text
    if local and not file.is_file():
        fault = f"{file} is not a file." if file.exists() else f"There is no file {file}."
        raise InvalidInput("FILE_NOT_FOUND", fault, "Name the checkpoint file itself.")
    return str(file.absolute())


def _agreed(client: Client, source: str) -> bool:
    """Shows the licence of a catalogue's entry and asks; other sources have none to agree to.

    Raises:
        Cancelled: the person does not agree.
    """
    entry = next((entry for entry in client.models.catalogue() if entry.name == source), None)
    if entry is None:
        return False
    size = f" ({memory(entry.size)})" if entry.size else ""
    print(f"{entry.title}{size}\nFrom {entry.url}\nLicence: {entry.licence}\n  {entry.licence_url}", file=sys.stderr)
    if not typer.confirm("Do you agree to the licence?", err=True):
        raise Cancelled("CANCELLED", "The licence was not accepted.", "Nothing was downloaded.")
    return True


def _followed(events: Iterator[AddEvent], source: str, show: OnStep) -> tuple[ModelInfo, list[str]]:
    """Shows progress until the end; the model, and what else was said."""
    from latentlayers.client import ModelInfo
    from latentlayers.client.adding import AddNotice

    notices: list[str] = []
    for event in events:
        if isinstance(event, ModelInfo):
            return event, notices
        if isinstance(event, AddNotice):
            notices.append(event.text)
        else:
            show(_step(event, source))
    raise LatentLayersError("INTERNAL", "The daemon did not say what it added.", "Update Latent Layers.")


def _step(event: AddProgress, source: str) -> Step:
    amount = f"{memory(event.bytes)} of {memory(event.total)}" if event.total else memory(event.bytes)
    name = Path(source.partition("?")[0]).name
    again = f"connection {event.attempt}" if event.attempt > 1 else ""
    doing = {
        "connecting": "Connecting",
        "downloading": f"Downloading {name}",
        "checking": "Checking",
        "converting": f"Converting {name}",
    }
    return Step(
        key=(event.phase, again),
        sentence=doing.get(event.phase, "Working"),
        details=(amount, left(event.eta_seconds), again) if event.phase == "downloading" else (again,),
        done=event.bytes,
        total=event.total,
    )


def _row(entry: CatalogueInfo) -> tuple[str, str, str, str]:
    mark = "*" if entry.installed else " "
    size = f"{entry.resolution} px" if entry.resolution else ""
    return mark, entry.name, size, f"{entry.title}; {entry.licence}"
