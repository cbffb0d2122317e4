"""`latentlayers models show`"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.output import memory, print_json, table
from latentlayers.cli.outputs import check_outputs
from latentlayers.cli.progress import OnStep, Step, shown_steps
from latentlayers.cli.session import open_client

if TYPE_CHECKING:
    from latentlayers.client import Client, LayerInfo, ModelDescription, Sample

MOST_SAMPLES = 400
SMALLEST_TILE, LARGEST_TILE = 128, 256
MAPPING = "mapping."


def register(commands: typer.Typer) -> None:
    commands.command()(show)


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See `models list`.", show_default=False)],
    sample: Annotated[
        int, typer.Option("--sample", min=0, max=MOST_SAMPLES, metavar="N", help="Write a grid of N samples.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, metavar="S", help="Seed of the first; then S+1, S+2, …")] = 0,
    truncation: Annotated[
        float, typer.Option("--truncation", metavar="PSI", help="1 is the model's whole variety, 0 its mean.")
    ] = 0.7,
    label: Annotated[
        int | None, typer.Option("--label", min=0, metavar="CLASS", help="Of conditional models; else all in turn.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="GRID.png", help="Where to write it; else NAME-samples.png."),
    ] = None,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Show a model's layers, licence and origin, and what it draws."""
    for option, value in (("-o", output), ("--label", label)):
        if value is not None and not sample:
            raise typer.BadParameter("Say how many with --sample N.", param_hint=option)
    output = output or (Path(f"{name}-samples.png") if sample else None)
    if output is not None:
        check_outputs([output], [])
    with open_client(address) as client:
        found = client.models.describe(name)
        if output is not None:
            samples = _samples(found, sample, seed, truncation, label)
            with shown_steps(json, "Drawing samples") as show_step:
                _write_grid(client, found, samples, output, show_step)
    if json:
        print_json({**asdict(found), "samples": output})
    else:
        print(_text(found))
        if output is not None:
            print(f"\nWrote {sample} samples to {output}")


def _samples(found: ModelDescription, count: int, seed: int, truncation: float, label: int | None) -> list[Sample]:
    """`count` successive seeds; of a conditional model with all its classes in turn, unless one is named."""
    from latentlayers.client import Sample

    classes = found.model.c_dim
    return [Sample(seed + n, truncation, n % classes if label is None and classes else label) for n in range(count)]


def _write_grid(
    client: Client, found: ModelDescription, samples: Sequence[Sample], output: Path, show_step: OnStep
) -> None:
    """The samples as a nearly square contact sheet. Raises as `Client.run` and `save_image`."""
    from latentlayers.client import EmbedOptions, Render
    from latentlayers.client.pictures import save_image
    from latentlayers.imaging import Tile, contact_sheet, decode
    from latentlayers.imaging.encode import to_pillow

    options = EmbedOptions(model=found.model.name)
    tiles = []
    for done, sample in enumerate(samples):
        show_step(Step(("drawing",), "Drawing samples", (f"{done}/{len(samples)}",), done, len(samples)))
        (image,) = client.run(Render(sample, options=options)).images
        caption = f"seed {sample.seed}" + ("" if sample.label is None else f", class {sample.label}")
        tiles.append(Tile(decode(image.picture.png), caption))
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    side = min(max(found.model.resolution, SMALLEST_TILE), LARGEST_TILE)
    title = f"{found.model.name}, truncation {samples[0].truncation:g}"
    save_image(to_pillow(contact_sheet(rows, title=title, side=side)), output)


def _text(found: ModelDescription) -> str:
    parts = [table(_details(found))]
    for title, layers in (
        ("Mapping network", [layer for layer in found.layers if layer.name.startswith(MAPPING)]),
        ("Synthesis network", [layer for layer in found.layers if not layer.name.startswith(MAPPING)]),
    ):
        if layers:
            parameters = sum(layer.parameters for layer in layers)
            parts.append(f"{title}, {parameters:,} parameters\n{table(_layer_rows(layers))}")
    return "\n\n".join(parts)


def _details(found: ModelDescription) -> list[tuple[str, str]]:
    model = found.model
    rows = [
        ("Name", model.name + (" (shipped)" if model.shipped else "")),
        ("Problem", model.problem),
        ("Network", f"{model.family}, {model.resolution} px, {found.parameters:,} parameters"),
        ("Latent", f"{model.num_ws} rows of {model.w_dim} in w+, z of {model.z_dim}"),
        ("Labels", str(model.c_dim) if model.c_dim else ""),
        ("Trained on", model.domain or "unknown"),
        ("Licence", model.licence or "unknown"),
        ("Origin", model.provenance or "unknown"),
        ("Converted", f"from {model.source_format}, sha256 {model.source_sha256}" if model.source_sha256 else ""),
        ("Directions", ", ".join((*model.directions, "sefa-1 …", "pca-1 …"))),
        ("File", memory(found.file_size)),
        ("sha256", model.digest),
    ]
    shown = ("Name", "Problem") if model.problem else tuple(key for key, _ in rows)
    return [(key, value) for key, value in rows if value and key in shown]


def _layer_rows(layers: Sequence[LayerInfo]) -> list[tuple[str, ...]]:
    """As the papers draw a network: a line for each layer, numbers aligned to the right."""
    head = ("layer", "kind", "row of w+", "side", "channels", "kernel", "noise", "parameters")
    lines = [head, *map(_layer_row, layers)]
    used = [column for column in zip(*lines, strict=True) if any(column[1:])]
    aligned = [column if column[0] in head[:2] else _to_the_right(column) for column in used]
    return list(zip(*aligned, strict=True))


def _layer_row(layer: LayerInfo) -> tuple[str, ...]:
    return (
        layer.name.partition(".")[2],
        layer.kind,
        ", ".join(map(str, layer.rows)),
        str(layer.resolution or ""),
        f"{layer.channels_in} → {layer.channels_out}" if layer.channels_in else str(layer.channels_out),
        f"{layer.kernel}x{layer.kernel}" if layer.kernel else "",
        f"{layer.noise}x{layer.noise}" if layer.noise else "",
        f"{layer.parameters:,}",
    )


def _to_the_right(column: Sequence[str]) -> list[str]:
    width = max(map(len, column))
    return [cell.rjust(width) for cell in column]
