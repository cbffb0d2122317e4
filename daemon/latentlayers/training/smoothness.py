"""How evenly the pictures change on the way from one sample to another."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.grids import sample_ws, tile

EPSILON = 1e-2
BATCH = 16
FAR_CANDIDATES = 64


def perceptual_distance(trunk: DiscriminatorTrunk, one: Tensor, other: Tensor) -> Tensor:
    """[N]: mean over the trunk's taps of the mean squared difference, for pictures [N, 3, R, R] in [-1, 1]."""
    taps = zip(trunk.features(one), trunk.features(other), strict=True)
    return torch.stack([(a - b).square().mean(dim=(1, 2, 3)) for a, b in taps]).mean(dim=0)


@torch.no_grad()
def path_length(generator: Generator, trunk: DiscriminatorTrunk, count: int = 256, seed: int = 17) -> dict[str, float]:
    """Perceptual path length in W (Karras et al., CVPR 2019), in the trunk's features instead of VGG16's.

    `d(G(w(t)), G(w(t + eps))) / eps^2` for `w(t)` on the line between two samples' w and t uniform in [0, 1], with
    `perceptual_distance` as d and eps 0.01. The mean counts jumps; `p95_over_median` tells whether there are any.
    """
    starts, ends = sample_ws(generator, 2 * count, seed).chunk(2)
    random = torch.Generator().manual_seed(seed + 1)
    t = torch.rand(count, 1, 1, generator=random).to(starts.device)
    lengths = []
    for a, b, where in zip(*(torch.split(x, BATCH) for x in (starts, ends, t)), strict=True):
        here, there = (generator.synthesize(torch.lerp(a, b, at)).clamp(-1, 1) for at in (where, where + EPSILON))
        lengths.append(perceptual_distance(trunk, here, there) / EPSILON**2)
    values = torch.cat(lengths)
    median = float(values.median())
    return {
        "mean": round(float(values.mean()), 3),
        "median": round(median, 3),
        "p95_over_median": round(float(values.quantile(0.95)) / max(median, 1e-12), 2),
    }


@torch.no_grad()
def far_morph(
    generator: Generator, trunk: DiscriminatorTrunk, pairs: int = 4, frames: int = 9, seed: int = 23
) -> tuple[Image.Image, list[float]]:
    """A sheet of morphs between samples that are far from each other, one pair a row, and each row's evenness.

    Of 64 random pairs at truncation 0.8 the ones of largest perceptual distance are taken. Evenness is the largest step
    of a row divided by its mean step, in `perceptual_distance`'s root: 1 is perfectly even.
    """
    starts, ends = sample_ws(generator, 2 * FAR_CANDIDATES, seed, truncation=0.8).chunk(2)
    distances = torch.cat(
        [
            perceptual_distance(trunk, generator.synthesize(a), generator.synthesize(b))
            for a, b in zip(torch.split(starts, BATCH), torch.split(ends, BATCH), strict=True)
        ]
    )
    rows, evenness = [], []
    for i in distances.argsort(descending=True)[:pairs].tolist():
        weights = torch.linspace(0, 1, frames, device=starts.device)[:, None, None]
        row = generator.synthesize(torch.lerp(starts[i], ends[i], weights)).clamp(-1, 1)
        steps = perceptual_distance(trunk, row[:-1], row[1:]).sqrt()
        rows.append(row)
        evenness.append(round(float(steps.max() / steps.mean()), 2))
    return tile(torch.cat(rows), columns=frames, scale=1), evenness
