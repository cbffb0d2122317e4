"""Honest figures about a model: how well it draws, embeds, and whether it copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.data import Portraits
from latentlayers.training.embed import embed, psnr
from latentlayers.training.grids import draw_samples, sample_grid, save_png, tile, to_signed

PIXEL_COMPONENTS = 192
SHEET_PAIRS = 32


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


class Yardstick:
    """Frechet distances of drawn pictures to sets of real ones, in two spaces.

    "features": pooled features of a fixed trunk, each divided by its standard deviation over the first set.
    "pixels_32": the leading principal components of the first set's pixels at 32 px.

    Args:
        references: real pictures [n, 3, R, R] in [-1, 1] by the set's name.
    """

    def __init__(self, trunk: DiscriminatorTrunk, references: Mapping[str, Tensor]) -> None:
        self._trunk = trunk
        first = next(iter(references.values()))
        self._deviation = pooled_features(trunk, first).std(dim=0).clamp_min(1e-6)
        pixels = shrink(first, 32).flatten(1)
        self._mean = pixels.mean(dim=0)
        torch.manual_seed(0)  # pca_lowrank draws its start
        count = min(PIXEL_COMPONENTS, len(pixels) - 1)
        self._components = torch.pca_lowrank(pixels - self._mean, q=count, center=False)[2]
        self._references = {name: self._coordinates(images) for name, images in references.items()}

    def _coordinates(self, images: Tensor) -> dict[str, Tensor]:
        return {
            "features": pooled_features(self._trunk, images) / self._deviation,
            "pixels_32": (shrink(images, 32).flatten(1) - self._mean) @ self._components,
        }

    def distances(self, images: Tensor) -> dict[str, dict[str, float]]:
        """Per reference set and space. To compare models, draw the same number of pictures from each."""
        drawn = self._coordinates(images)
        return {
            name: {space: round(frechet_distance(drawn[space], rows), 2) for space, rows in known.items()}
            for name, known in self._references.items()
        }


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
    sheet = _pairs_sheet(samples[order], train[drawn.index[order]], columns=8)
    save_png(tile(sheet, columns=8), folder / "nearest.png")
    return figures


def reconstruction(
    generator: Generator, trunk: DiscriminatorTrunk, dev: Portraits, count: int, steps: int, folder: Path
) -> dict[str, Any]:
    """PSNR of `count` evenly chosen portraits embedded by `training.embed`; reconstruction.png pairs them."""
    chosen = torch.linspace(0, len(dev) - 1, count).long()
    images = to_signed(dev.images[chosen])
    ws = embed(generator, trunk, images, steps=steps)
    with torch.no_grad():
        drawn = torch.cat([generator.synthesize(part) for part in torch.split(ws, 16)])
    save_png(tile(_pairs_sheet(images[:SHEET_PAIRS], drawn[:SHEET_PAIRS], 8), columns=8), folder / "reconstruction.png")
    decibels, colour = psnr(drawn, images), torch.from_numpy(dev.is_colour)[chosen]
    return {
        "count": count,
        "steps": steps,
        "psnr_mean": round(float(decibels.mean()), 2),
        "psnr_colour": round(float(decibels[colour].mean()), 2),
        "psnr_mono": round(float(decibels[~colour].mean()), 2),
        "psnr_worst": round(float(decibels.min()), 2),
    }


def report(
    generator: Generator,
    trunk: DiscriminatorTrunk,
    yardstick: Yardstick,
    train: Portraits,
    dev: Portraits,
    folder: Path,
    *,
    samples: int = 2000,
    reconstructions: int = 40,
    steps: int = 150,
) -> dict[str, Any]:
    """All figures of one model as a JSON-ready dict, and its sheets in `folder`.

    Args:
        trunk: features for embedding: the model's own.
        yardstick: the same for all models that are to be compared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for truncation in (0.7, 1.0):
        save_png(sample_grid(generator, truncation), folder / f"samples-{truncation}.png")
    drawn = draw_samples(generator, samples)
    return {
        "frechet": yardstick.distances(drawn),
        "copying": copying(drawn, to_signed(train.images), to_signed(dev.images), folder),
        "reconstruction": reconstruction(generator, trunk, dev, reconstructions, steps, folder),
    }
