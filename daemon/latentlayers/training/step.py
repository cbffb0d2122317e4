"""The gradients of one training step, for this process's share of the batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.discriminator import Discriminator
from latentlayers.generators.stylegan2 import StyleGAN2
from latentlayers.training.augment import augment
from latentlayers.training.codebook import Codes, prior_slope, reconstruction_slope
from latentlayers.training.settings import TrainSettings


@dataclass(frozen=True)
class StepStats:
    """What one step saw.

    Attributes:
        fake_logit, real_logit, real_sign: mean logits, and the mean sign of the real pictures' ones.
        penalty: R1's, where it was computed.
        error: mean squared error of the reconstructions.
        pull: how strongly their error moves the generator, as a multiple of how strongly the discriminator does.
    """

    fake_logit: float
    real_logit: float
    real_sign: float
    penalty: float | None
    error: float | None = None
    pull: float | None = None


def mixed_latents(generator: StyleGAN2, count: int, probability: float, device: torch.device) -> Tensor:
    """[count, num_ws, w_dim]: random w repeated over the rows, with style mixing from a random row on."""
    w: Tensor = generator.mapping(torch.randn(2 * count, generator.z_dim, device=device))
    rows = generator.num_ws
    crossover = torch.randint(1, rows, (count, 1), device=device)
    crossover[torch.rand(count, 1, device=device) >= probability] = rows
    first = torch.arange(rows, device=device)[None] < crossover
    return torch.where(first[:, :, None], w[:count, None], w[count:, None])


def shrunk(images: Tensor, side: int) -> Tensor:
    """Pictures [N, 3, R, R] as a growing run sees them: means over squares."""
    return images if side == images.shape[-1] else F.avg_pool2d(images, images.shape[-1] // side)


def accumulate_gradients(
    generator: StyleGAN2,
    discriminator: Discriminator,
    reals: Tensor,
    settings: TrainSettings,
    *,
    augment_probability: float,
    penalise: bool,
    dtype: torch.dtype,
    codes: Codes | None = None,
) -> StepStats:
    """Add the gradients of both networks' losses to their parameters' `.grad`.

    reals [n, 3, r, r] float32; n fakes of the same side are drawn. Losses are the non-saturating ones of Goodfellow et
    al. 2014, divided by `settings.batch` so that the sum over processes is a mean:
    D minimises softplus(D(fake)) + softplus(-D(real)) + R1, G minimises softplus(-D(fake)).

    Both networks step at once, from one pass over the fakes: since d softplus(-l)/dl = -exp(-l) d softplus(l)/dl, G's
    gradient with respect to each fake picture is D's, times -exp(-l) of its own logit l. That needs logits
    which depend on their own picture only, hence `own_gradient`.

    With `codes`, the last m fakes are drawn from them, and G and the codes also descend on their error.
    """
    count, side = reals.shape[0], reals.shape[-1]

    known = 0 if codes is None else len(codes.ws)
    ws = mixed_latents(generator, count - known, settings.style_mixing, reals.device)
    if codes is not None:
        ws = torch.cat([ws, codes.ws])
    fakes = generator.synthesize(ws, noise="random" if settings.noise else "none", resolution=side, dtype=dtype)
    seen = fakes.detach().requires_grad_(True)
    fake_logits: Tensor = discriminator(augment(seen, augment_probability), dtype, own_gradient=True)
    torch.autograd.backward(F.softplus(fake_logits).sum() / settings.batch)
    assert seen.grad is not None
    flip = -torch.exp(-fake_logits.detach().clamp(-8, 8))
    slope = seen.grad * flip[:, :, None, None]
    error: float | None = None
    pull: float | None = None
    if codes is not None:
        closer, error = reconstruction_slope(fakes[-known:], shrunk(codes.wanted, side), discriminator, dtype)
        closer *= settings.reconstruct_weight / settings.batch
        pull = float(closer.norm() / slope[-known:].norm().clamp_min(1e-12))
        slope[-known:] += closer
    torch.autograd.backward(fakes, slope)
    if codes is not None:
        assert codes.ws.grad is not None
        homeward = prior_slope(codes.ws.detach(), codes.centre, codes.deviation)
        codes.ws.grad += homeward * (settings.reconstruct_weight / settings.batch)

    shown = augment(reals, augment_probability).requires_grad_(penalise)
    real_logits: Tensor = discriminator(shown, dtype)
    loss = F.softplus(-real_logits).sum() / settings.batch
    penalty: float | None = None
    if penalise:
        (steepness,) = torch.autograd.grad(real_logits.sum(), shown, create_graph=True)
        squared = steepness.square().sum(dim=(1, 2, 3))
        gamma = settings.r1_gamma * (side / generator.resolution) ** 2
        loss = loss + squared.sum() / settings.batch * (gamma / 2 * settings.r1_every)
        penalty = float(squared.detach().mean())
    torch.autograd.backward(loss)
    return StepStats(
        fake_logit=float(fake_logits.detach().mean()),
        real_logit=float(real_logits.detach().mean()),
        real_sign=float(real_logits.detach().sign().mean()),
        penalty=penalty,
        error=error,
        pull=pull,
    )
