"""Draws from the distribution that a generator was trained on."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.base import Generator

PRIOR_SAMPLES = 10_000


def draw(generator: Generator, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """z [count, z_dim] and, for a conditional model, one-hot labels [count, c_dim], on the generator's device."""
    device = generator.w_avg.device
    z = torch.randn(count, generator.z_dim, generator=rng).to(device)
    if not generator.c_dim:
        return z, None
    chosen = torch.randint(generator.c_dim, [count], generator=rng)
    return z, F.one_hot(chosen, generator.c_dim).float().to(device)


def prior_samples(generator: Generator) -> Tensor:
    """[PRIOR_SAMPLES, w_dim] mapped samples, always the same: "pca-3" must mean the same thing tomorrow."""
    return generator.map(*draw(generator, PRIOR_SAMPLES, torch.Generator().manual_seed(0)))[:, 0]
