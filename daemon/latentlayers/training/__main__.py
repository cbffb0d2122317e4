"""Command line: `python -m latentlayers.training COMMAND …`; see docs/training.md."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from latentlayers.checkpoints.header import digest
from latentlayers.checkpoints.manifest import write_manifest
from latentlayers.errors import InvalidInput, LatentLayersError
from latentlayers.generators.discriminator import DiscriminatorConfig
from latentlayers.generators.stylegan2 import StyleGAN2Config
from latentlayers.training.adopt import adopted_state, is_model, networks_of
from latentlayers.training.attributes import fit_panel
from latentlayers.training.curves import draw_curves, read_log
from latentlayers.training.data import Portraits, Sampler, is_clean_photograph, load_portraits, sampling_weights
from latentlayers.training.directions import SAMPLES
from latentlayers.training.export import DIRECTIONS_FILE, export_model, save_directions
from latentlayers.training.grids import to_signed
from latentlayers.training.leakage import markdown_table
from latentlayers.training.learn import learn_directions
from latentlayers.training.loop import train
from latentlayers.training.perception import joined, judge
from latentlayers.training.perception_report import as_json, load_networks, table
from latentlayers.training.report import Yardstick, report
from latentlayers.training.settings import TrainSettings
from latentlayers.training.shared import RunPlan
from latentlayers.training.state import STATE_FILE, TrainState, load_state, new_state, run_or_seed, seed_state
from latentlayers.training.strips import save_strips
from latentlayers.training.widen import fit_entry, widened_state

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Train and export Latent Layers' own models.")

Data = Annotated[Path, typer.Option(help="Zip of square, aligned pictures.")]
Metadata = Annotated[Path, typer.Option(help="CSV about them, with a `file` column.")]
Run = Annotated[Path, typer.Option(help="Folder of a run or of a seed.")]
Out = Annotated[Path, typer.Option(help="Folder to write to.")]


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


def _open_small(folder: Path, data: Path, metadata: Path | None, balance: float, target: torch.device) -> TrainState:
    """What to grow from: a run, or a model as it is shipped."""
    if not is_model(folder):
        return load_state(folder, target)

    def reals(resolution: int) -> Sampler:
        portraits = _load_clean(data, metadata, resolution)
        return Sampler(portraits.images, sampling_weights(portraits, balance), (0,))

    return adopted_state(folder, reals, target)


def _load_clean(data: Path, metadata: Path | None, resolution: int) -> Portraits:
    portraits = load_portraits(data, metadata, resolution, is_clean_photograph if metadata else None)
    _say(f"{len(portraits)} pictures, {int(portraits.is_colour.sum())} of them in colour")
    return portraits


@app.command("train")
def train_command(
    data: Data,
    out: Out,
    metadata: Annotated[Path | None, typer.Option(help="CSV about the pictures; without it all are used.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the state in --out.")] = False,
    seed_from: Annotated[Path | None, typer.Option(help="Start from the networks of this folder.")] = None,
    grow_from: Annotated[Path | None, typer.Option(help="Start from this run or model, with larger networks.")] = None,
    resolution: Annotated[int, typer.Option(help="Side of the pictures, for a start from nothing or larger.")] = 64,
    width: Annotated[
        int, typer.Option(help="Channels at 4 and 8 px, and of w; halved with every side from 16 on.")
    ] = 256,
    w_dim: Annotated[int | None, typer.Option(help="Width of w, if not --width.")] = None,
    z_dim: Annotated[int | None, typer.Option(help="Of z, for a start from something smaller.")] = None,
    channels: Annotated[str, typer.Option(help="Generator's widths at 4, 8, 16, … px, if not by --width.")] = "",
    judge_channels: Annotated[str, typer.Option(help="Discriminator's, up to half the side.")] = "",
    minutes: Annotated[float, typer.Option(help="Wall time; the learning rates' decay is planned against it.")] = 60.0,
    kimg: Annotated[float, typer.Option(help="Also stop at this many thousand pictures.")] = float("inf"),
    processes: Annotated[int, typer.Option(help="One per core on a CPU; 1 on a GPU.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    checkpoint_minutes: Annotated[float, typer.Option(help="How often to write the state.")] = 5.0,
    grid_minutes: Annotated[float, typer.Option(help="How often to write a sample grid.")] = 5.0,
    fp32: Annotated[bool, typer.Option("--fp32", help="Convolutions in float32 instead of bfloat16.")] = False,
    batch: int = TrainSettings.batch,
    generator_rate: float = TrainSettings.generator_rate,
    discriminator_rate: float = TrainSettings.discriminator_rate,
    decay_share: float = TrainSettings.decay_share,
    r1_gamma: float = TrainSettings.r1_gamma,
    ada_target: float = TrainSettings.ada_target,
    balance: float = TrainSettings.balance,
    reconstruct: Annotated[float, typer.Option(help="Share of the fakes that are to be training pictures.")] = 0.0,
    reconstruct_weight: float = TrainSettings.reconstruct_weight,
    window: int = TrainSettings.window,
    noise: Annotated[bool, typer.Option(help="--no-noise silences the noise maps, for good.")] = TrainSettings.noise,
    visits: float = TrainSettings.visits,
    grow: Annotated[str, typer.Option(help="Thousands of pictures after which the side doubles, e.g. 60,260.")] = "",
    seed: int = TrainSettings.seed,
) -> None:
    """Train until --minutes are over or Ctrl-C; the state is in --out/state.safetensors."""
    settings = TrainSettings(
        batch=batch,
        generator_rate=generator_rate,
        discriminator_rate=discriminator_rate,
        decay_share=decay_share,
        r1_gamma=r1_gamma,
        ada_target=ada_target,
        balance=balance,
        reconstruct=reconstruct,
        reconstruct_weight=reconstruct_weight,
        window=window,
        visits=visits,
        noise=noise,
        grow_kimg=tuple(float(part) for part in grow.split(",") if part),
        seed=seed,
    )
    target = torch.device(device)
    small: TrainState | None = None
    if resume:
        state = load_state(out, target)
    elif (out / STATE_FILE).exists():
        raise InvalidInput("RUN_EXISTS", f"{out} already holds a run.", "Add --resume, or choose another --out.")
    elif seed_from is not None:
        state = seed_state(seed_from, target)
    else:
        config, judge = default_sizes(resolution, width)
        config = replace(config, w_dim=w_dim or width, channels=_by_side(channels) or config.channels)
        judge = replace(judge, channels=_by_side(judge_channels) or judge.channels)
        if grow_from is not None:
            small = _open_small(grow_from, data, metadata, balance, target)
            kept, kept_judge = small.generator.config, small.discriminator.config
            config = replace(
                kept,
                resolution=resolution,
                z_dim=z_dim or kept.z_dim,
                w_dim=config.w_dim,
                channels=config.channels,
            )
            state = widened_state(small, config, replace(judge, head_features=kept_judge.head_features), seed)
        else:
            state = new_state(config, judge, seed, target)
    if not noise:
        state.silence()
    portraits = _load_clean(data, metadata, state.generator.resolution)
    weights = sampling_weights(portraits, balance)
    if small is not None:
        miss = fit_entry(small, state, Sampler(portraits.images, weights, (seed,)))
        _say(f"the discriminator's new first layers miss {miss:.1%} of what the old ones saw")
    plan = RunPlan(
        folder=out,
        minutes=minutes,
        max_kimg=kimg,
        processes=processes,
        device=device,
        dtype=torch.float32 if fp32 else torch.bfloat16,
        checkpoint_minutes=checkpoint_minutes,
        grid_minutes=grid_minutes,
    )
    train(state, settings, plan, portraits.images, weights, _say)


def _by_side(widths: str) -> dict[int, int]:
    """ "512,256" -> {4: 512, 8: 256}."""
    return {4 << i: int(width) for i, width in enumerate(widths.split(",")) if width}


def default_sizes(resolution: int, width: int) -> tuple[StyleGAN2Config, DiscriminatorConfig]:
    """Networks whose width halves with every side from 16 px on, z and w as wide as the coarsest block."""
    channels, side = {4: width, 8: width}, 16
    while side <= resolution:
        channels[side] = max(channels[side // 2] // 2, 8)
        side *= 2
    judge = {side: count for side, count in channels.items() if side < resolution}
    return (
        StyleGAN2Config(resolution, width, width, channels, mapping_layers=4),
        DiscriminatorConfig(resolution, judge, width),
    )


@app.command("export")
def export_command(
    run: Run,
    out: Out,
    data: Annotated[
        Path | None, typer.Option(help="What it was trained on: to learn from which channels matter.")
    ] = None,
    metadata: Annotated[Path | None, typer.Option(help="Ditto.")] = None,
    name: Annotated[str, typer.Option(help="The model's name.")] = "portraits-128",
    licence: Annotated[str, typer.Option(help="SPDX identifier of the weights' licence.")] = "Apache-2.0",
    provenance: Annotated[str, typer.Option(help="One sentence: from what, and how.")] = "",
) -> None:
    """Write generator.safetensors, features.safetensors, calibration.safetensors and manifest.json.

    Without --data, the perceptual network is the discriminator's trunk as it is, and the manifest names no data.
    """
    state = run_or_seed(run, torch.device("cpu"))
    about = provenance or f"Trained with latentlayers.training; {state.counters.images / 1000:.0f} thousand pictures."
    portraits = None if data is None else _load_clean(data, metadata, state.average.resolution)
    export_model(state, out, name=name, licence=licence, provenance=about, portraits=portraits, show=_say)
    sources = {path.name: digest(path) for path in (data, metadata) if path is not None}
    write_manifest(out, {"kimg": round(state.counters.images / 1000, 1), "trained_on_sha256": sources})
    for path in sorted(out.glob("*.safetensors")):
        _say(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


@app.command("directions")
def directions_command(
    run: Annotated[Path, typer.Option(help="Folder of a run, of a seed, or of an exported model.")],
    data: Data,
    metadata: Metadata,
    out: Out,
    sheets: Annotated[Path | None, typer.Option(help="For leakage.md and previews; else OUT/directions.")] = None,
    samples: Annotated[int, typer.Option(help="Generated pictures to learn from.")] = SAMPLES,
    steps: Annotated[int | None, typer.Option(help="Of refinement, if not as planned; 0: closed form only.")] = None,
    seed: int = 0,
) -> None:
    """Learn the labelled directions; write directions.safetensors, a table, previews (of generated people)."""
    generator, features, _ = networks_of(run)
    portraits = _load_clean(data, metadata, generator.resolution)
    learnt = learn_directions(generator, features.trunk, portraits, samples=samples, steps=steps, seed=seed, show=_say)
    out.mkdir(parents=True, exist_ok=True)
    save_directions(learnt.directions, learnt.evidence, out / DIRECTIONS_FILE)
    write_manifest(out, {})
    table = markdown_table(learnt.evidence)
    _say(table)
    folder = sheets or out / "directions"
    for path in save_strips(generator, learnt.directions, folder):
        _say(str(path))
    (folder / "leakage.md").write_text(table, encoding="utf-8")


@app.command("report")
def report_command(
    run: Annotated[Path, typer.Option(help="Folder of a run, a model or a seed.")],
    data: Data,
    metadata: Metadata,
    dev: Annotated[Path, typer.Option(help="Zip of pictures of other people.")],
    out: Out,
    baseline: Annotated[Path | None, typer.Option(help="A second one to measure likewise.")] = None,
    samples: int = 2000,
    reconstructions: int = 24,
) -> None:
    """Write report.json and sheets. nearest.png and reconstruction.png show real people: do not publish them."""
    folders = {"final": run} | ({"baseline": baseline} if baseline is not None else {})
    models = {name: networks_of(folder) for name, folder in folders.items()}
    side = max(generator.resolution for generator, _, _ in models.values())
    train_set = _load_clean(data, metadata, side)
    dev_set = load_portraits(dev, metadata, side)
    weights = sampling_weights(train_set, TrainSettings.balance)
    yardstick = Yardstick(
        # Both trunks, as each favours the generator that was trained against it.
        {f"features of the {name} trunk": features.trunk for name, (_, features, _) in models.items()},
        Sampler(train_set.images, weights, (0,)).draw(2 * samples, torch.device("cpu")),
        to_signed(train_set.images),
        to_signed(dev_set.images),
    )
    panel = fit_panel(models["final"][1].trunk, train_set)
    figures = {}
    for name, (generator, features, kimg) in models.items():
        _say(f"measuring {folders[name]}")
        figures[name] = {"kimg": kimg} | report(
            generator,
            features,
            yardstick,
            train_set,
            dev_set,
            out / name,
            samples=samples,
            reconstructions=reconstructions,
            panel=panel,
        )
        (out / "report.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    _say(json.dumps(figures, indent=2))


@app.command("curves")
def curves_command(
    run: Annotated[Path, typer.Option(help="Folder of a run.")],
    out: Annotated[Path, typer.Option(help="PNG or SVG file to write.")],
) -> None:
    """Draw the curves of a run's log. Needs the extra `train`."""
    draw_curves(read_log(run), out)


@app.command("perception")
def perception_command(
    data: Data,
    metadata: Metadata,
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    features: Annotated[
        list[Path] | None, typer.Option(help="A model's features.safetensors; may be repeated.")
    ] = None,
    generator: Annotated[
        Path | None, typer.Option(help="Whose pictures weigh the feature maps; by default each model's own.")
    ] = None,
    vgg16: Annotated[Path | None, typer.Option(help="VGG16 to compare with: a file that `models add` knows.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Side of the pictures, if not the generator's.")] = None,
    count: Annotated[int, typer.Option(help="How many portraits, evenly chosen.")] = 100,
    rivals: Annotated[int, typer.Option(help="How many others each is compared with.")] = 3,
) -> None:
    """Ask perceptual networks, MSE and a pyramid of pixels what people find alike; print a table and write JSON."""
    metrics, side = load_networks(features or [], generator, vgg16)
    portraits = load_portraits(data, metadata, resolution or side).spread(count)
    metric = joined(metrics)
    colour = torch.from_numpy(portraits.is_colour)
    images = to_signed(portraits.images)
    document = as_json(judge(metric, images, colour, rivals_each=rivals, show=_say), metric.columns)
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    _say(table(document, [f"{metric.name}: {metric.columns[0]}" for metric in metrics]))
    for network in metrics:
        if len(taps := [column for column in metric.columns if column.startswith(f"{network.name}: tap ")]) > 1:
            _say(table(document, taps))


def main() -> int:
    """Exit code 0, or 3 for refused input, as the `latentlayers` command has it."""
    try:
        app(standalone_mode=False)
    except LatentLayersError as error:
        typer.echo(str(error), err=True)
        return 3
    except typer.Abort:
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main())
