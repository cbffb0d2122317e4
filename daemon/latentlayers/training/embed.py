"""Embedding many training-size pictures at once, for the report.

The painter's embedding is `latentlayers.inversion`; this is its plainest form, batched and at one setting, so that the
figures of two models can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk

FEATURE_WEIGHT = 0.3
RATE = 0.08


def embed(
    generator: Generator,
    trunk: DiscriminatorTrunk,
    images: Tensor,
    *,
    steps: int = 150,
    batch: int = 16,
    dtype: torch.dtype = torch.float32,
    show: Callable[[str], None] | None = None,
) -> Tensor:
    """Optimise `w+` for pictures [N, 3, R, R] in [-1, 1] -> ws [N, num_ws, w_dim] float32.

    Adam from the mean latent at rate 0.08, which falls to 0 on a half cosine; per picture the loss is
    `MSE + 0.3 * mean over taps of the features' MSE`. Pictures do not influence each other.
    """
    done = []
    for part in torch.split(images, batch):
        done.append(_embed_batch(generator, trunk, part, steps, dtype))
        if show is not None:
            show(f"embedded {sum(map(len, done))} of {len(images)}")
    return torch.cat(done)


def _embed_batch(
    generator: Generator, trunk: DiscriminatorTrunk, images: Tensor, steps: int, dtype: torch.dtype
) -> Tensor:
    with torch.no_grad():
        wanted = [tap.float() for tap in trunk.features(images, dtype)]
    ws = generator.w_avg.repeat(len(images), generator.num_ws, 1).requires_grad_(True)
    optimiser = torch.optim.Adam([ws], lr=RATE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        drawn = generator.synthesize(ws, dtype=dtype)
        loss = (drawn - images).square().mean(dim=(1, 2, 3)).sum()
        for tap, goal in zip(trunk.features(drawn, dtype), wanted, strict=True):
            loss = loss + FEATURE_WEIGHT / len(wanted) * (tap.float() - goal).square().mean(dim=(1, 2, 3)).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return ws.detach()


def psnr(drawn: Tensor, images: Tensor) -> Tensor:
    """[N] decibels between pictures [N, 3, R, R] in [-1, 1]; both are clamped to that range."""
    error = (drawn.clamp(-1, 1) - images.clamp(-1, 1)).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(4 / error.clamp_min(1e-10))
