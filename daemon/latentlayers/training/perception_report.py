"""The networks that `perception` questions, and its figures as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from latentlayers.checkpoints import load_generator
from latentlayers.checkpoints.vgg16 import load_vgg16
from latentlayers.errors import NotFound
from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.inversion import calibrate
from latentlayers.inversion.features import FeatureNetwork, PixelPyramid, TrunkFeatures, VGG16Features, load_features
from latentlayers.training.export import GENERATOR_FILE
from latentlayers.training.perception import Figure, Metric, NoFeatures, objective_metric

CELLS = {"order": ("pairs", "whole"), "person": ("face", "half", "whole"), "damage": ("swapped", "smeared", "pulled")}
ANSWERS = {
    "order": "levels of a distortion in their order: neighbours / all of them",
    "person": "farther than the portrait, distorted as much: another's face / half another / another",
    "damage": "farther than the background, damaged as much: swapped / smeared / pulled; ghost: than blur",
}


def weighed(features: FeatureNetwork, generator: Generator, name: str) -> Metric:
    """With the weights that the daemon gives the network's maps when it embeds with this generator."""
    return objective_metric(features, calibrate.scales(generator, features).gains, name)


def load_networks(files: Sequence[Path], generator: Path | None, vgg16: Path | None) -> tuple[list[Metric], int]:
    """MSE, the pixel pyramid, a trunk with random weights, the files' and VGG16; and the side of the pictures.

    Args:
        files: features.safetensors files, each called by its folder's name.
        generator: whose pictures weigh the maps; by default, the one beside each file. The references go by the first.

    Raises:
        NotFound: GENERATOR_UNKNOWN: there is none beside a file. LatentLayersError: a file cannot be read.
    """
    metrics: list[Metric] = [objective_metric(NoFeatures(), ())]
    own = [load_generator(_beside(file) if generator is None else generator) for file in files]
    if not own and generator is None:
        raise NotFound("GENERATOR_UNKNOWN", "Neither features nor a generator are given.", "Give --generator.")
    first = own[0] if own else load_generator(generator)  # type: ignore[arg-type]
    metrics.append(weighed(PixelPyramid(), first, "pyramid"))
    networks = [load_features(file) for file in files]
    if networks and isinstance(networks[0], TrunkFeatures):
        torch.manual_seed(0)
        metrics.append(weighed(TrunkFeatures(DiscriminatorTrunk(networks[0].trunk.config)), first, "untrained"))
    taken = {metric.name for metric in metrics}
    for file, network, drawer in zip(files, networks, own, strict=True):
        name = file.resolve().parent.name
        while name in taken:
            name += "'"
        taken.add(name)
        metrics.append(weighed(network, drawer, name))
    if vgg16 is not None:
        metrics.append(weighed(VGG16Features(load_vgg16(vgg16)), first, "vgg16"))
    return metrics, first.resolution


def _beside(file: Path) -> Path:
    found = file.with_name(GENERATOR_FILE)
    if not found.is_file():
        raise NotFound("GENERATOR_UNKNOWN", f"There is no {GENERATOR_FILE} beside {file}.", "Give --generator.")
    return found


def as_json(figures: Sequence[Figure], columns: Sequence[str]) -> dict[str, Any]:
    """{"counts" or a column: {group: {subject: {kind: number}}}}; null where nothing could be asked."""
    document: dict[str, Any] = {}
    for figure in figures:
        rows = [("counts", figure.count), *zip(columns, figure.values.tolist(), strict=True)]
        for name, value in rows:
            subjects = document.setdefault(name, {}).setdefault(figure.group, {})
            shown = value if isinstance(value, int) else round(value, 3) if value == value else None
            subjects.setdefault(figure.subject, {})[figure.kind] = shown
    return document


def table(document: dict[str, Any], columns: Sequence[str]) -> str:
    """Shares in per cent, one column per distance; what `as_json` made, in Markdown."""
    lines = []
    for group, kinds in CELLS.items():
        subjects = document[columns[0]][group]
        lines += [f"| {ANSWERS[group]} | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
        for subject in subjects:
            cells = [_cell(document[column][group][subject], kinds) for column in columns]
            lines.append(f"| {subject} | {' | '.join(cells)} |")
        means = [_cell(_means(document[column][group]), kinds) for column in columns]
        lines += [f"| **mean** | {' | '.join(means)} |", ""]
    return "\n".join(lines)


def _means(subjects: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    by_kind: dict[str, list[float]] = {}
    for shares in subjects.values():
        for kind, share in shares.items():
            if share is not None:
                by_kind.setdefault(kind, []).append(share)
    return {kind: sum(values) / len(values) for kind, values in by_kind.items()}


def _cell(shares: dict[str, float | None], kinds: Sequence[str]) -> str:
    found = [kind for kind in kinds if kind in shares] or [kind for kind in shares if kind != "growth"]
    return " / ".join("-" if (share := shares[kind]) is None else f"{100 * share:.0f}" for kind in found)
