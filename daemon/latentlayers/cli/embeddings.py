"""`latentlayers embeddings …`: the library."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.exits import REFUSED
from latentlayers.cli.output import error_document, moment, print_error, print_json, table
from latentlayers.cli.outputs import check_outputs
from latentlayers.cli.session import open_client
from latentlayers.cli.views import embedding_document, embedding_lines
from latentlayers.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from latentlayers.client import EmbeddingInfo

commands = typer.Typer(help="The library of embeddings.", rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="embeddings")


EXPORTED = {".safetensors": "safetensors", ".npz": "npz", ".npy": "npy"}

Id = Annotated[
    str, typer.Argument(metavar="ID", help="An embedding's id, or its first six letters.", show_default=False)
]


@commands.command("list")
def list_(
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="Only those of this model.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Most to show; 0: all.")] = 0,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """List the embeddings, newest first."""
    with open_client(address) as client:
        found = list(islice(client.embeddings.list(model), limit or None))
    if json:
        print_json({"embeddings": [embedding_document(info) for info in found]})
    elif not found:
        print("There are no embeddings. Make one with `latentlayers embed IMAGE`.")
    else:
        print(table([_row(info) for info in found]))


@commands.command()
def show(
    id: Id,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.png", help="Write the thumbnail.")
    ] = None,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Show how an embedding was found and how good it is."""
    if output is not None:
        check_outputs([output], [])
    with open_client(address) as client:
        info = client.embeddings.get(id)
    if output is not None:
        _write_thumbnail(info, output)
    if json:
        print_json({"embedding": embedding_document(info), "thumbnail": output})
        return
    print(f"{info.id}  {info.name}")
    for line in (*embedding_lines(info), *_origin(info)):
        print(f"  {line}")
    if output is not None:
        print(f"  Wrote {output}")


@commands.command()
def export(
    id: Id,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .safetensors, .npz or .npy file, or a folder.")
    ],
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Write an embedding's latent code to a file that other tools read."""
    from latentlayers.client.files import check_folder, check_writable, write_file

    is_folder = output.is_dir()
    form = "safetensors" if is_folder else _format(output)
    if is_folder:
        check_folder(output)
    else:
        check_writable(output)
    with open_client(address) as client:
        data, file_name = client.embeddings.export(id, form)
    target = output / Path(file_name).name if is_folder else output
    write_file(target, data)
    if json:
        print_json({"id": id, "path": target, "format": form, "bytes": len(data)})
    else:
        print(f"Wrote {target}")


@commands.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help=".safetensors, .npz, .npy or .pt files.", show_default=False),
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="The model they belong to, if the file does not say.")
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call them; else the file's name.")] = "",
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Add latent codes from files to the library."""
    with open_client(address) as client:
        found = [info for file in files for info in client.embeddings.import_(file, model=model, name=name)]
    if json:
        print_json({"embeddings": [embedding_document(info) for info in found]})
    else:
        print(table([_row(info) for info in found]))


@commands.command()
def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="See `embeddings list`.", show_default=False)],
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Delete embeddings; those that do not exist are reported, the others deleted."""
    deleted: list[str] = []
    errors: list[dict[str, object]] = []
    with open_client(address) as client:
        for id in ids:
            try:
                client.embeddings.delete(id)
            except (NotFound, InvalidInput) as error:
                errors.append({"id": id, **error_document(error)})
                if not json:
                    print_error(error, False)
                continue
            deleted.append(id)
            if not json:
                print(f"Deleted {id}")
    if json:
        print_json({"deleted": deleted, **({"error": errors[0], "errors": errors} if errors else {})})
    if errors:
        raise typer.Exit(REFUSED)


def _format(output: Path) -> str:
    try:
        return EXPORTED[output.suffix.lower()]
    except KeyError:
        raise InvalidInput(
            "FORMAT_UNSUPPORTED",
            f"{output.name!r} does not say which format to write.",
            "End the name in .safetensors, .npz or .npy.",
        ) from None


def _write_thumbnail(info: EmbeddingInfo, output: Path) -> None:
    from latentlayers.client import Picture

    if not info.thumbnail:
        raise InvalidInput(
            "THUMBNAIL_MISSING", f"{info.id} has no thumbnail.", "Imported latents have none; render it."
        )
    Picture.of_encoded(info.thumbnail).save(output)


def _row(info: EmbeddingInfo) -> tuple[str, ...]:
    likeness = f"{info.likeness}, {info.psnr:.1f} dB" if info.likeness else "not judged"
    return (info.id, moment(info.created), info.model, likeness, info.name)


def _origin(info: EmbeddingInfo) -> list[str]:
    lines = []
    width, height = info.source_size
    if width:
        lines.append(f"From {width} x {height} pixels")
    if info.created:
        lines.append(f"Made {moment(info.created)}")
    if info.latent is not None:
        lines.append(f"Latent of {info.latent.rows} rows of {info.latent.width}")
    return lines
