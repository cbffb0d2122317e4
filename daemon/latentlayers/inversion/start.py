"""Where a search begins, and in which variables it moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from latentlayers.generators import Generator
from latentlayers.generators.prior import draw
from latentlayers.inversion.calibrate import Coordinates
from latentlayers.inversion.objective import Objective
from latentlayers.inversion.presets import EmbedSettings

Z_DRAWS = 32


@dataclass(frozen=True)
class Variables:
    """What the optimiser sees.

    Attributes:
        start: [N, K].
        decode: [N, K] -> ws [N, num_ws, w_dim], differentiable.
    """

    start: Tensor
    decode: Callable[[Tensor], Tensor]


def starting_point(
    generator: Generator,
    objective: Objective,
    settings: EmbedSettings,
    rng: torch.Generator,
    coordinates: Coordinates | None,
    strange: Tensor,
    tick: Callable[[], None],
    near: Tensor | None = None,
) -> Variables:
    """The variables of `settings.space`, at `near` or else at `settings.start`; in `coordinates` if given.

    Args:
        strange: [N] true where the picture is not of the model's own domain.
        tick: called between evaluations; may raise to cancel.
    """
    if settings.space == "z":
        return _best_draw(generator, objective, rng, tick)
    count, rows, width = len(objective.targets), generator.num_ws, generator.w_dim
    own = generator.w_avg.repeat(count, rows if settings.space == "w+" else 1, 1)
    ws = own if near is None else near[:, : own.shape[1]]
    if near is None and settings.start != "mean":
        elsewhere = torch.rand(own.shape, generator=rng).to(own) * 2 - 1
        ws = torch.where(strange[:, None, None], elsewhere, own) if settings.start == "domain" else elsewhere
    if coordinates is None:
        return Variables(ws.flatten(1), lambda x: x.reshape(count, -1, width).expand(-1, rows, -1))
    matrices = coordinates.rows if settings.space == "w+" else coordinates.shared[None]

    def decode(x: Tensor) -> Tensor:
        return (ws + torch.einsum("nrk,rkd->nrd", x.reshape(count, -1, width), matrices)).expand(-1, rows, -1)

    return Variables(torch.zeros_like(ws).flatten(1), decode)


@torch.no_grad()
def _best_draw(generator: Generator, objective: Objective, rng: torch.Generator, tick: Callable[[], None]) -> Variables:
    """z = 0 is no centre (the mapping network normalises it away), so the nearest of a few draws begins."""
    zs, labels = draw(generator, Z_DRAWS, rng)
    labels = None if labels is None else labels[:1].expand(Z_DRAWS, -1)
    count = len(objective.targets)
    values = []
    for ws in generator.map(zs, labels):
        tick()
        values.append(objective(generator.synthesize(ws[None]).expand(count, -1, -1, -1)).sum(dim=1))
    best = torch.stack(values).argmin(dim=0)
    label = None if labels is None else labels[:1].expand(count, -1)
    return Variables(zs[best], lambda z: generator.map(z, label))
