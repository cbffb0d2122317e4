"""`latentlayers embed`: pictures into the library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import arguments as args
from latentlayers.cli import options as opt
from latentlayers.cli.exits import REFUSED, exit_code
from latentlayers.cli.output import error_document, print_error, print_json
from latentlayers.cli.outputs import check_outputs
from latentlayers.cli.progress import shown_progress
from latentlayers.cli.session import open_client
from latentlayers.cli.views import embedding_document, embedding_lines, print_notices
from latentlayers.errors import LatentLayersError

if TYPE_CHECKING:
    from latentlayers.client import EmbedResult


def register(app: typer.Typer) -> None:
    app.command()(embed)


def embed(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="Picture files.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="OUT.png", help="Write the reconstruction; a folder for several pictures."
        ),
    ] = None,
    frame: opt.Frames = None,
    mask: opt.Masks = None,
    model: opt.Model = "",
    preset: opt.PresetOption = None,
    space: opt.Space = None,
    seed: opt.Seed = 0,
    steps: opt.Steps = 0,
    refresh: opt.Refresh = False,
    paste: opt.Paste = opt.PasteName.none,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Find the latent code of pictures and keep it in the library.

    A picture that is refused does not keep the others from being embedded; the exit code is 3 then.
    """
    pictures = args.pictures(images, frame, mask)
    targets = _targets(images, output)
    check_outputs([target for target in targets if target], args.input_files(pictures))
    options = args.embed_options(model, preset, space, seed, steps, refresh)
    embedded: list[dict[str, object]] = []
    errors: list[dict[str, object]] = []
    with open_client(address) as client:
        for image, picture, target in zip(images, pictures, targets, strict=True):
            try:
                with shown_progress(json, {"source": image}) as on_event:
                    result = client.embed(picture, options, args.output_options(paste), on_event=on_event)
                if target is not None and result.reconstruction is not None:
                    result.reconstruction.save(target)
            except LatentLayersError as error:
                if exit_code(error) != REFUSED:
                    raise
                errors.append({"source": image, **error_document(error)})
                if not json:
                    print_error(error, False, about=image)
                continue
            embedded.append(_document(image, result, target))
            if not json:
                _print(image, result, target)
    if json:
        failed = {"error": errors[0], "errors": errors} if errors else {}
        print_json({"embeddings": embedded, **failed})
    if errors:
        raise typer.Exit(REFUSED)


def _targets(images: Sequence[str], output: Path | None) -> list[Path | None]:
    """Where the reconstruction of each picture goes; in a folder, two pictures of one name get different ones.

    Raises:
        typer.BadParameter: one file for several pictures.
    """
    if output is None:
        return [None] * len(images)
    if not output.is_dir():
        if len(images) == 1:
            return [output]
        if output.suffix:
            raise typer.BadParameter(f"{output} must be a folder for several pictures.", param_hint="-o")
    targets: list[Path | None] = []
    for image in images:
        stem, number = Path(image).stem, 2
        target = output / f"{stem}.png"
        while target in targets:
            target, number = output / f"{stem}-{number}.png", number + 1
        targets.append(target)
    return targets


def _document(image: str, result: EmbedResult, target: Path | None) -> dict[str, object]:
    return {
        "source": image,
        "output": target,
        "reused": result.reused,
        **embedding_document(result.embedding),
        "notices": result.notices,
    }


def _print(image: str, result: EmbedResult, target: Path | None) -> None:
    info = result.embedding
    print(f"{image} is embedding {info.id}" if info.id else f"{image} was embedded but could not be kept")
    for line in embedding_lines(info, reused=result.reused):
        print(f"  {line}")
    if target is not None:
        print(f"  Wrote {target}")
    print_notices(result.notices)
