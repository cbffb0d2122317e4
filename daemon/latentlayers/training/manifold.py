"""Precision and recall of a generator (Kynkäänniemi et al., NeurIPS 2019): are its pictures like real ones, and all of
them?

Each set is surrounded by balls that reach to a picture's k-th neighbour in its own set. Precision is the share of drawn
pictures that lie in a ball of a real one, recall the share of real ones that lie in a ball of a drawn one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 3


@dataclass(frozen=True)
class Overlap:
    """Two shares between 0 and 1."""

    precision: float
    recall: float


def radii(rows: Tensor, neighbours: int = NEIGHBOURS) -> Tensor:
    """[n]: distance of each of the rows [n, d] to its k-th neighbour among the others; n has to exceed k."""
    # The nearest of all is the row itself.
    return torch.cdist(rows, rows).kthvalue(neighbours + 1, dim=1).values


def overlap(real: Tensor, drawn: Tensor, neighbours: int = NEIGHBOURS) -> Overlap:
    """Of rows [n, d] and [m, d] of coordinates. More rows make smaller balls: compare only equal counts."""
    distances = torch.cdist(real, drawn)
    inside_real = (distances <= radii(real, neighbours)[:, None]).any(dim=0)
    inside_drawn = (distances <= radii(drawn, neighbours)[None]).any(dim=1)
    return Overlap(round(float(inside_real.float().mean()), 3), round(float(inside_drawn.float().mean()), 3))
