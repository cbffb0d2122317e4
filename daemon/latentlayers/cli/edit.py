"""`latentlayers morph`, `crossover`, `expression`, `direction` and `render`: pictures out of latent codes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import arguments as args
from latentlayers.cli import options as opt
from latentlayers.cli.output import print_json
from latentlayers.cli.outputs import Targets
from latentlayers.cli.progress import shown_progress
from latentlayers.cli.session import open_client
from latentlayers.cli.views import edit_document, print_embedded, print_notices

if TYPE_CHECKING:
    from latentlayers.client import Operation, PictureSource

SOURCE_HELP = "A picture file, an embedding id, or a sample: seed:17, with truncation seed:17@0.5, class seed:17#3."
DEFAULT_FRAMES = 7


def register(app: typer.Typer) -> None:
    for command in (morph, crossover, expression, direction, render):
        app.command()(command)


def morph(
    a: Annotated[str, typer.Argument(metavar="A", help=SOURCE_HELP, show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help=SOURCE_HELP, show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the pictures.")],
    frames: Annotated[
        int | None,
        typer.Option("--frames", min=1, max=1000, metavar="N", help="So many, from A to B; 7 by default."),
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="0,0.5,1", help="Share of A in each picture instead.")
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
    """Blend A into B in steps.

    DIR gets morph-00.png and so on, and morph.png with all of them side by side.
    """
    from latentlayers.client import Morph

    if frames is not None and weights is not None:
        raise typer.BadParameter("Give --frames or --weights, not both.", param_hint="--weights")
    lambdas = args.numbers_of(weights, "--weights") if weights is not None else []
    first, second = args.sources([a, b], frame, mask)
    count = len(lambdas) or frames or DEFAULT_FRAMES
    operation = Morph(
        first,
        second,
        weights=lambdas,
        frames=count,
        options=args.embed_options(model, preset, space, seed, steps, refresh),
        output=args.output_options(paste),
    )
    _run(operation, {"a": first, "b": second}, Targets.morph(output, count), json, address)


def crossover(
    content: Annotated[str, typer.Argument(metavar="CONTENT", help=SOURCE_HELP, show_default=False)],
    style: Annotated[str, typer.Argument(metavar="STYLE", help=SOURCE_HELP, show_default=False)],
    output: opt.OutputFile,
    rows: opt.Rows = "",
    mask: Annotated[
        Path | None,
        typer.Option("--mask", metavar="M.png", help="Where the style may show (white), in the face's square."),
    ] = None,
    frame: opt.Frames = None,
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
    """Give CONTENT the style of STYLE.

    Some rows of the latent code come from the one, some from the other; the upper half by default.
    """
    from latentlayers.client import Crossover

    first, second = args.sources([content, style], frame, None)
    operation = Crossover(
        first,
        second,
        rows=rows,
        mask=mask,
        options=args.embed_options(model, preset, space, seed, steps, refresh),
        output=args.output_options(paste),
    )
    _run(operation, {"content": first, "style": second}, Targets([output]), json, address, mask)


def expression(
    target: Annotated[str, typer.Argument(metavar="TARGET", help=SOURCE_HELP, show_default=False)],
    neutral: Annotated[str, typer.Argument(metavar="NEUTRAL", help=SOURCE_HELP, show_default=False)],
    expressive: Annotated[str, typer.Argument(metavar="EXPRESSIVE", help=SOURCE_HELP, show_default=False)],
    output: opt.OutputFile,
    strength: opt.Strengths = "1.0",
    rows: opt.Rows = "",
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
    """Give TARGET the expression of EXPRESSIVE.

    What is transferred is what EXPRESSIVE has and NEUTRAL has not; they should show the same person.
    """
    from latentlayers.client import TransferExpression

    strengths = args.numbers_of(strength, "--strength")
    w1, w2, w3 = args.sources([target, neutral, expressive], frame, mask)
    operation = TransferExpression(
        w1,
        w2,
        w3,
        strengths=strengths,
        rows=rows,
        options=args.embed_options(model, preset, space, seed, steps, refresh),
        output=args.output_options(paste),
    )
    sources = {"target": w1, "neutral": w2, "expressive": w3}
    _run(operation, sources, Targets.strengths(output, len(strengths)), json, address)


def direction(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="From `models show`, or sefa-K or pca-K.", show_default=False)
    ],
    output: opt.OutputFile,
    strength: opt.Strengths = "1.0",
    rows: opt.Rows = "",
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
    """Move SOURCE along a direction of the model, such as smile."""
    from latentlayers.client import ApplyDirection

    strengths = args.numbers_of(strength, "--strength")
    (given,) = args.sources([source], frame, mask)
    operation = ApplyDirection(
        given,
        name,
        strengths=strengths,
        rows=rows,
        options=args.embed_options(model, preset, space, seed, steps, refresh),
        output=args.output_options(paste),
    )
    _run(operation, {"source": given}, Targets.strengths(output, len(strengths)), json, address)


def render(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)],
    output: opt.OutputFile,
    truncation: Annotated[
        float, typer.Option("--truncation", metavar="PSI", help="1 leaves the code as it is, 0 is the model's mean.")
    ] = 1.0,
    noise: Annotated[opt.NoiseName, typer.Option("--noise", help="The generator's noise.")] = opt.NoiseName.const,
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
    """Draw a latent code as the generator sees it."""
    from latentlayers.client import Render

    (given,) = args.sources([source], frame, mask)
    operation = Render(
        given,
        truncation=truncation,
        noise_mode=noise.value,
        options=args.embed_options(model, preset, space, seed, steps, refresh),
        output=args.output_options(paste),
    )
    _run(operation, {"source": given}, Targets([output]), json, address)


def _run(
    operation: Operation,
    sources: dict[str, str | PictureSource],
    targets: Targets,
    as_json: bool,
    address: str | None,
    *more_inputs: Path | None,
) -> None:
    """Runs the call and writes its pictures.

    Args:
        sources: by the role they have in the call.
    """
    targets.check(args.input_files(sources.values(), *more_inputs))
    labels = {role: args.label(source) for role, source in sources.items()}
    started = time.monotonic()
    with open_client(address) as client, shown_progress(as_json, labels) as on_event:
        result = client.run(operation, on_event=on_event)
    targets.save(result.images)
    if as_json:
        print_json(edit_document(result, targets, labels, time.monotonic() - started))
    else:
        print_embedded(result, labels)
        print(f"Wrote {targets}")
        print_notices(result.notices)
