"""The presets against each other: how long each takes, and how far down it brings the paper's objective."""

from __future__ import annotations

from statistics import median

import torch

from latentlayers.bench.pictures import targets
from latentlayers.bench.report import BenchOptions, Table
from latentlayers.engine.device import choose_device, describe, limit_threads
from latentlayers.engine.models import ModelCache
from latentlayers.inversion import EmbedResult, embed, preset
from latentlayers.library import ModelStore
from latentlayers.paths import Paths

NAMES = ("fast", "projector", "paper")


def run(options: BenchOptions) -> Table:
    """Embeds each picture with every preset in turn, one at a time, as the daemon does."""
    limit_threads()
    device = choose_device()
    model = ModelCache(ModelStore(Paths.default()), device).get(options.model)
    names, pictures = targets(options.pictures, options.count, model.generator.resolution)
    results: dict[str, list[EmbedResult]] = {name: [] for name in NAMES}
    # What is measured once per model would otherwise count against whoever comes first.
    embed(model.generator, pictures[0].to(device), None, preset("fast"), model.features)
    for name, picture in zip(names, pictures, strict=True):
        for preset_name in NAMES:
            result = embed(model.generator, picture.to(device), None, preset(preset_name), model.features)
            results[preset_name].append(result)
            options.log(f"{name} {preset_name}: objective {result.objective:.4f} in {result.seconds:.1f} s")

    paper = results["paper"]
    rows = []
    figures: dict[str, object] = {
        "pictures": len(names),
        "threads": torch.get_num_threads(),
        "device": describe(device),
    }
    for preset_name, found in results.items():
        times = median(p.seconds / r.seconds for p, r in zip(paper, found, strict=True))
        objective = median(r.objective / p.objective for p, r in zip(paper, found, strict=True))
        middle = {
            "seconds": median(r.seconds for r in found),
            "steps": median(r.steps for r in found),
            "objective": median(r.objective for r in found),
            "psnr": median(r.psnr for r in found),
            "distance_from_mean": median(r.distance_from_mean for r in found),
            "times_faster_than_paper": times,
            "objective_over_paper": objective,
        }
        figures[preset_name] = middle
        rows.append(
            (
                preset_name,
                f"{middle['seconds']:.1f} s",
                f"{middle['steps']:.0f}",
                f"{middle['objective']:.4f}",
                f"{middle['psnr']:.1f} dB",
                f"{middle['distance_from_mean']:.0f}",
                f"{times:.1f}",
                f"{objective:.2f}",
            )
        )
    return Table(
        title=f"Presets on {len(names)} pictures with {model.entry.name} and {model.features.name}, medians",
        columns=("preset", "time", "steps", "objective", "PSNR", "||w - mean||", "times faster", "objective / paper's"),
        rows=rows,
        figures=figures,
        notes=("Ratios are medians over the pictures of the ratio for each.",),
    )
