"""Honest figures about a model: how well it draws, embeds, and whether it copies."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.inversion import Verdict, calibrate, embed
from latentlayers.inversion.features import TrunkFeatures
from latentlayers.inversion.presets import FAST
from latentlayers.training.attributes import Panel, diversity
from latentlayers.training.data import Portraits
from latentlayers.training.grids import draw_samples, pictures, sample_grid, save_png, tile, to_signed
from latentlayers.training.manifold import overlap
from latentlayers.training.smoothness import far_morph, path_length

PIXEL_COMPONENTS = 192
SHEET_PAIRS = 32
COMPARED_SIDES = (64, 128)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Between Gaussians fitted to rows a [n, d] and b [m, d] (Heusel et al., NeurIPS 2017).

    `|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2))`, where the last trace is that of `(A^(1/2) B A^(1/2))^(1/2)`.
    With few rows it is biased upwards: compare only distances taken with the same counts.
    """
    a, b = a.double(), b.double()
    covariance_a, covariance_b = torch.cov(a.t()), torch.cov(b.t())
    values, vectors = torch.linalg.eigh(covariance_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.t()
    cross = torch.linalg.eigvalsh(root @ covariance_b @ root).clamp_min(0).sqrt().sum()
    shift = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return float(shift + covariance_a.trace() + covariance_b.trace() - 2 * cross)


@torch.no_grad()
def pooled_features(trunk: DiscriminatorTrunk, images: Tensor) -> Tensor:
    """[N, sum of the last two taps' channels]: their means over the picture."""
    rows = [[tap.mean(dim=(2, 3)) for tap in trunk.features(part)[-2:]] for part in torch.split(images, 64)]
    return torch.cat([torch.cat(row, dim=1) for row in rows])


def shrink(images: Tensor, side: int) -> Tensor:
    """Mean over squares: [N, 3, R, R] -> [N, 3, side, side]."""
    return F.adaptive_avg_pool2d(images, side)


def resized(images: Tensor, side: int) -> Tensor:
    """[N, 3, R, R] -> [N, 3, side, side]: mean over areas, or bicubic if it enlarges."""
    if images.shape[-1] < side:
        return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True).clamp(-1, 1)
    return shrink(images, side)


class Yardstick:
    """How like real pictures drawn ones are, in several spaces; the same object for all models that are compared.

    "pixels_32": the leading principal components of the real pictures' pixels at 32 px. And for every trunk, under its
    name, its pooled features, each divided by its standard deviation over the real pictures.

    Args:
        trunks: perceptual networks by name; pictures are resized to what each was made for.
        shown: real pictures [n, 3, R, R] in [-1, 1] as training showed them.
        train, dev: every training picture once, and every picture of other people.
    """

    def __init__(self, trunks: Mapping[str, DiscriminatorTrunk], shown: Tensor, train: Tensor, dev: Tensor) -> None:
        self._trunks = trunks
        pixels = shrink(shown, 32).flatten(1)
        self._mean = pixels.mean(dim=0)
        torch.manual_seed(0)  # pca_lowrank draws its start
        count = min(PIXEL_COMPONENTS, len(pixels) - 1)
        self._components = torch.pca_lowrank(pixels - self._mean, q=count, center=False)[2]
        seen = self._seen(shown)
        self._deviations = {name: rows.std(dim=0).clamp_min(1e-6) for name, rows in seen.items()}
        self._deviations["pixels_32"] = torch.ones(count)
        self._known = {"shown": self._scaled(seen), "train": self._coordinates(train), "dev": self._coordinates(dev)}

    def _seen(self, images: Tensor) -> dict[str, Tensor]:
        spaces = {"pixels_32": (shrink(images, 32).flatten(1) - self._mean) @ self._components}
        for name, trunk in self._trunks.items():
            spaces[name] = pooled_features(trunk, resized(images, trunk.config.resolution))
        return spaces

    def _scaled(self, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: rows / self._deviations[name] for name, rows in seen.items()}

    def _coordinates(self, images: Tensor) -> dict[str, Tensor]:
        return self._scaled(self._seen(images))

    def distances(self, images: Tensor) -> dict[str, dict[str, Any]]:
        """Per space: Frechet distances to what training showed and to dev, precision and recall for train.

        All of them depend on the number of pictures: draw the same from each model.
        """
        figures = {}
        for space, drawn in self._coordinates(images).items():
            train = self._known["train"][space]
            count = min(len(train), len(drawn))
            common = overlap(train[:count], drawn[:count])
            figures[space] = {
                "frechet_train": round(frechet_distance(drawn, self._known["shown"][space]), 2),
                "frechet_dev": round(frechet_distance(drawn, self._known["dev"][space]), 2),
                "precision": common.precision,
                "recall": common.recall,
            }
        return figures


@dataclass(frozen=True)
class Neighbours:
    """For each query the nearest training picture: position [N] and RMS distance [N] in grey levels of 255."""

    index: Tensor
    distance: Tensor


def nearest(queries: Tensor, train: Tensor, side: int) -> Neighbours:
    """By Euclidean distance at `side` px, over the training pictures and their mirror images."""
    known = torch.cat([train, train.flip(3)])
    distances = torch.cdist(shrink(queries, side).flatten(1), shrink(known, side).flatten(1))
    closest = distances.min(dim=1)
    levels = closest.values / (3 * side * side) ** 0.5 * 127.5
    return Neighbours(closest.indices % len(train), levels)


def _quantiles(values: Tensor) -> dict[str, float]:
    points = values.double().quantile(torch.tensor([0.0, 0.05, 0.5, 0.95], dtype=torch.float64))
    return dict(zip(("min", "p05", "median", "p95"), (round(float(v), 2) for v in points), strict=True))


def _pairs_sheet(upper: Tensor, lower: Tensor, columns: int) -> Tensor:
    """Interleave rows of `upper` with rows of `lower`, so that partners stand one above the other."""
    stacked = [torch.cat([a, b]) for a, b in zip(torch.split(upper, columns), torch.split(lower, columns), strict=True)]
    return torch.cat(stacked)


def copying(samples: Tensor, train: Tensor, dev: Tensor, folder: Path) -> dict[str, Any]:
    """Nearest-neighbour figures of samples and, for comparison, of unseen people; a sheet of the closest pairs.

    nearest.png shows training pictures and is for the run's folder only: the samples closest to any training
    picture, each above that picture.
    """
    figures: dict[str, Any] = {}
    for side in (16, 32):
        drawn, unseen = nearest(samples, train, side), nearest(dev, train, side)
        figures[f"{side}px"] = {"samples": _quantiles(drawn.distance), "unseen": _quantiles(unseen.distance)}
    order = drawn.distance.argsort()[:SHEET_PAIRS]
    partners = resized(train[drawn.index[order]], samples.shape[-1])
    sheet = _pairs_sheet(samples[order], partners, columns=8)
    save_png(tile(sheet, columns=8), folder / "nearest.png")
    return figures


def reconstruction(
    generator: Generator, features: TrunkFeatures, dev: Portraits, count: int, folder: Path
) -> dict[str, Any]:
    """PSNR of evenly chosen portraits, half in colour and half mono, embedded as painters do, with the preset "fast".

    PSNR is measured at `COMPARED_SIDES`, whatever the generator's side, so that models of two sizes can be compared;
    reconstruction.png pairs portraits and pictures, and shows real people.
    """
    colour = torch.from_numpy(dev.is_colour)
    halves = [torch.nonzero(group)[:, 0] for group in (colour, ~colour)]
    chosen = torch.cat([half[torch.linspace(0, len(half) - 1, count // 2).long()] for half in halves if len(half)])
    images = to_signed(dev.images[chosen])
    targets = resized(images, generator.resolution)
    found = [embed(generator, target, None, FAST, features) for target in targets]
    with torch.no_grad():
        drawn = pictures(generator, torch.stack([result.ws for result in found]))
    pairs = _pairs_sheet(targets[:SHEET_PAIRS], drawn[:SHEET_PAIRS], 8)
    save_png(tile(pairs, columns=8), folder / "reconstruction.png")
    scales = calibrate.scales(generator, features)
    unlikeness = [round(result.perceptual / scales.perceptual, 4) for result in found]
    distance = [round(result.distance_from_mean / scales.spread, 2) for result in found]
    figures: dict[str, Any] = {
        "count": len(chosen),
        "preset": FAST.name,
        "verdicts": {verdict.value: sum(result.verdict is verdict for result in found) for verdict in Verdict},
        "unlikeness": {"median": statistics.median(unlikeness), "most": max(unlikeness)},
        "distance": {"median": statistics.median(distance), "most": max(distance)},
    }
    for side in COMPARED_SIDES:
        decibels = psnr(resized(drawn, side), resized(images, side))
        figures[f"psnr_{side}px"] = {
            "median": _median(decibels),
            "median_colour": _median(decibels[colour[chosen]]),
            "median_mono": _median(decibels[~colour[chosen]]),
            "worst": round(float(decibels.min()), 2),
        }
    return figures


def psnr(drawn: Tensor, images: Tensor) -> Tensor:
    """[N] decibels between pictures [N, 3, R, R] in [-1, 1]."""
    error = (drawn - images).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error.clamp_min(1e-10))


def _median(values: Tensor) -> float | None:
    return round(statistics.median(values.tolist()), 2) if len(values) else None


def report(
    generator: Generator,
    features: TrunkFeatures,
    yardstick: Yardstick,
    train: Portraits,
    dev: Portraits,
    folder: Path,
    *,
    samples: int = 2000,
    reconstructions: int = 24,
    panel: Panel | None = None,
) -> dict[str, Any]:
    """All figures of one model as a JSON-ready dict, and its sheets in `folder`.

    Args:
        features: for embedding, and its trunk for smoothness: the model's own.
        yardstick: the same for all models that are to be compared.
        panel: ditto, for pictures of the side that `train` has; without it diversity is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for truncation in (0.7, 1.0):
        sheet = sample_grid(generator, truncation, columns=10, count=100, scale=1)
        save_png(sheet, folder / f"samples-{truncation}.png")
    drawn = draw_samples(generator, samples)
    morph, evenness = far_morph(generator, features.trunk)
    save_png(morph, folder / "morph.png")
    unseen = to_signed(dev.images)
    figures = {
        "likeness_to_data": yardstick.distances(drawn),
        "copying": copying(drawn, to_signed(train.images), unseen, folder),
        "path_length": path_length(generator, features.trunk),
        "morph_evenness": evenness,
        "reconstruction": reconstruction(generator, features, dev, reconstructions, folder),
    }
    if panel is not None:
        samples_seen = resized(drawn, train.images.shape[-1])
        figures["diversity"] = {"samples": diversity(panel, samples_seen), "unseen": diversity(panel, unseen)}
    return figures
