"""Labelled directions in `w+`, such as a smile: each moves one attribute and, as far as can be, no other.

They begin in closed form. Over samples, the attributes' scores are regressed on w: `scores ~ A w`. With S the
covariance of w, `d_k = S A^T (A S A^T)^-1 e_k` raises score k by 1 and the others by 0, and of all such steps it is the
one of least Mahalanobis length: it stays where samples are. That is conditional manipulation as in InterFaceGAN (Shen
et al., CVPR 2020), which projects the other attributes' normals off, with the samples' metric in place of the identity.

Then they are refined, after "On the steerability of GANs" (Jahanian, Chai & Isola, ICLR 2020): one vector in `w+` is
optimised so that `G(w + s d)` has the wanted scores for all w, and the pixels that have nothing to do with it stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.training.attributes import Panel
from latentlayers.training.grids import pictures, sample_ws

TRUNCATION = 0.85
SAMPLES = 2000
RIDGE = 0.1


@dataclass(frozen=True)
class Recipe:
    """What strength 1 of a direction is to be.

    Attributes:
        gain: how far the reader's score moves, in standard deviations over samples.
        hold: what is to stay; see `held_change`.
        steps: of refinement; 0 keeps the closed form.
        rate: of refinement, Adam's.
        keep: weight of the held pixels' squared change.
        start: the share of the closed form that refinement begins with.
    """

    gain: float
    hold: str = ""
    steps: int = 60
    rate: float = 0.02
    keep: float = 20.0
    start: float = 1.0


RECIPES: Mapping[str, Recipe] = {
    "smile": Recipe(2.0, "upper face"),
    "age": Recipe(2.0, "background"),
    "gender-estimate": Recipe(1.75, "background"),
    "turn": Recipe(1.5),
    # Longer, it learns to tint colour portraits only: no way from mono to colour leaves the grey picture quite alone.
    "colour": Recipe(1.5, "grey", steps=30, rate=0.03, keep=1.0),
    "light": Recipe(2.0),
}


@dataclass(frozen=True)
class Drawn:
    """Samples of a generator and their scores.

    Attributes:
        w: [N, w_dim].
        images: [N, 3, R, R] float16 in [-1, 1].
        scores: [N, attributes], the readers'.
    """

    w: Tensor
    images: Tensor
    scores: Tensor


@torch.no_grad()
def draw(generator: Generator, panel: Panel, count: int = SAMPLES, seed: int = 5) -> Drawn:
    """`count` samples at `TRUNCATION`, the same ones every time for one seed."""
    ws = sample_ws(generator, count, seed, TRUNCATION)
    images = pictures(generator, ws, torch.float16)
    return Drawn(ws[:, 0], images, panel.score_all(images))


def closed_form(w: Tensor, scores: Tensor, ridge: float = RIDGE) -> tuple[Tensor, Tensor]:
    """w [N, w_dim] and scores [N, K] -> directions [K, w_dim] and what of the scores is linear in w, [K].

    Direction k raises score k by one standard deviation and the others by nothing, to first order. The ridge is
    `ridge` times the mean variance of w's entries; "linear" is R^2 on the last eighth of the samples, left out of a
    first fit.
    """
    w, scores = w.double(), scores.double()
    z = (scores - scores.mean(dim=0)) / scores.std(dim=0)
    some = len(w) * 7 // 8

    def regress(count: int) -> tuple[Tensor, Tensor, Tensor]:
        centred = w[:count] - w[:count].mean(dim=0)
        spread = centred.t() @ centred / count
        damped = spread + ridge * spread.trace() / len(spread) * torch.eye(len(spread), dtype=w.dtype)
        return torch.linalg.solve(damped, centred.t() @ z[:count] / count).t(), spread, w[:count].mean(dim=0)

    a, _, mean = regress(some)
    missed = z[some:] - z[:some].mean(dim=0) - (w[some:] - mean) @ a.t()
    linear = 1 - missed.square().mean(dim=0) / z[some:].var(dim=0)
    a, spread, _ = regress(len(w))
    reach = spread @ a.t()
    return torch.linalg.solve(a @ reach, reach.t()).float(), linear.float()


def outside_lower_face(side: int) -> Tensor:
    """[side, side]: 0 around mouth and cheeks of an aligned face, 1 elsewhere, with a soft edge."""
    mask = torch.ones(1, 1, side, side)
    mask[..., side // 2 : side * 29 // 32, side * 7 // 32 : side * 25 // 32] = 0
    return _soft(mask)


def outside_head(side: int) -> Tensor:
    """[side, side]: 0 over head, hair and neck of an aligned face, 1 elsewhere, with a soft edge."""
    mask = torch.ones(1, 1, side, side)
    mask[..., side // 16 :, side * 3 // 16 : side * 13 // 16] = 0
    return _soft(mask)


def _soft(mask: Tensor) -> Tensor:
    size = 2 * (mask.shape[-1] // 20) + 1
    return F.avg_pool2d(mask, size, stride=1, padding=size // 2, count_include_pad=False)[0, 0]


def held_change(hold: str, before: Tensor, after: Tensor) -> Tensor:
    """Mean squared change of what is to stay, between pictures [N, 3, R, R].

    "upper face": all but mouth and cheeks. "background": all but the head. "grey": the mean of the channels. "":
    nothing.
    """
    change, side = after - before, after.shape[-1]
    if hold == "upper face":
        return (outside_lower_face(side) * change.square()).mean()
    if hold == "background":
        return (outside_head(side) * change.square()).mean()
    if hold == "grey":
        return change.mean(dim=1).square().mean()
    return change.new_zeros(())


def steer(
    generator: Generator,
    panel: Panel,
    drawn: Drawn,
    start: Tensor,
    column: int,
    recipe: Recipe,
    *,
    batch: int = 8,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Tensor:
    """Minimise over d [num_ws, w_dim], from `recipe.start * start`, for random samples w and s = +1 or -1:

    `|scores(G(w + s d)) - wanted|^2 + keep * held_change(G(w), G(w + s d))`,

    where `wanted` is the sample's own scores but for the column, which is to be `s * gain` more, though not beyond
    what 98 % of the samples have: of a grey picture one cannot ask for less colour. In standard deviations.
    """
    random = torch.Generator().manual_seed(seed)
    deviation = drawn.scores.std(dim=0)
    lowest, highest = drawn.scores[:, column].quantile(torch.tensor([0.01, 0.99])).tolist()
    direction = (recipe.start * start).clone().requires_grad_(True)
    optimiser = torch.optim.Adam([direction], lr=recipe.rate)
    for step in range(recipe.steps):
        optimiser.param_groups[0]["lr"] = recipe.rate * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        chosen = torch.randint(len(drawn.w), (batch,), generator=random)
        strength = torch.where(torch.arange(batch) % 2 == 0, 1.0, -1.0)
        wanted = drawn.scores[chosen]
        moved = wanted[:, column] + strength * recipe.gain * deviation[column]
        wanted = wanted.index_copy(1, torch.tensor([column]), moved.clamp(lowest, highest)[:, None])
        ws = drawn.w[chosen, None] + strength[:, None, None] * direction
        after = generator.synthesize(ws, dtype=dtype)
        missed = ((panel.scores(after, dtype=dtype) - wanted) / deviation).square().sum(dim=1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(missed + recipe.keep * held_change(recipe.hold, drawn.images[chosen].float(), after))
        optimiser.step()
    return direction.detach()
