"""Fitting a labelled direction in `w+`, such as a smile, from embedded portraits.

Smiles go with colour photographs (and their decades, and their backgrounds), so smiling and neutral pictures are
compared within colour and within mono only, and what the result still shares with the colour axis is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentlayers.errors import InvalidInput
from latentlayers.generators.base import Generator
from latentlayers.training.data import Portraits

CERTAIN = 0.9
FOLDS = 5
GROUPS = {"colour": True, "mono": False}


@dataclass(frozen=True)
class Examples:
    """Portraits to fit from.

    Attributes:
        index: [n] positions among the portraits.
        positive: [n] bool, e.g. smiling.
        colour: [n] bool.
    """

    index: npt.NDArray[np.int64]
    positive: npt.NDArray[np.bool_]
    colour: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FittedDirection:
    """A direction and what is known about it.

    Attributes:
        direction: [num_ws, w_dim] float32.
        evidence: JSON-ready figures.
    """

    direction: Tensor
    evidence: dict[str, Any]


def choose_examples(portraits: Portraits, positive: str, negative: str, per_class: int, seed: int = 0) -> Examples:
    """Up to `per_class` pictures of each class within colour and within mono, whose expression is certain.

    Raises:
        InvalidInput: ROWS_INVALID if a group has fewer than two pictures of a class.
    """
    random = np.random.default_rng(seed)
    is_colour = portraits.is_colour
    parts: list[tuple[npt.NDArray[np.int64], bool, bool]] = []
    for name, wants_colour in GROUPS.items():
        for column, label in ((positive, True), (negative, False)):
            found = np.flatnonzero((portraits.numbers(column) > CERTAIN) & (is_colour == wants_colour))
            if len(found) < 2:
                raise InvalidInput(
                    "ROWS_INVALID",
                    f"Only {len(found)} {name} portraits have {column} above {CERTAIN}.",
                    "Give metadata with more of them.",
                )
            parts.append((random.permutation(found)[:per_class], label, wants_colour))
    return Examples(
        index=np.concatenate([found for found, _, _ in parts]),
        positive=np.concatenate([np.full(len(found), label) for found, label, _ in parts]),
        colour=np.concatenate([np.full(len(found), colour) for found, _, colour in parts]),
    )


def area_under_curve(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Chance that a random positive scores above a random negative (ties count half)."""
    difference = scores[positive][:, None] - scores[~positive][None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def _mean_difference(ws: Tensor, examples: Examples, use: npt.NDArray[np.bool_]) -> Tensor:
    """Mean over groups of (mean of positives - mean of negatives), weighted by the inverse variance of each.

    The weights are n+ n- / (n+ + n-). The part along the colour axis, taken within the classes, is removed.
    """
    total: Tensor = torch.zeros_like(ws[0])
    weight_sum = 0.0
    for colour in GROUPS.values():
        here = use & (examples.colour == colour)
        plus, minus = here & examples.positive, here & ~examples.positive
        weight = float(plus.sum() * minus.sum() / here.sum())
        total = total + weight * (ws[plus].mean(dim=0) - ws[minus].mean(dim=0))
        weight_sum += weight
    direction: Tensor = total / weight_sum
    axis = _colour_axis(ws, examples, use)
    return direction - axis * (direction * axis).sum()


def _colour_axis(ws: Tensor, examples: Examples, use: npt.NDArray[np.bool_]) -> Tensor:
    """Unit [num_ws, w_dim]: mean over the two classes of (mean of colour - mean of mono)."""
    axis: Tensor = torch.zeros_like(ws[0])
    for label in (True, False):
        here = use & (examples.positive == label)
        axis = axis + ws[here & examples.colour].mean(dim=0) - ws[here & ~examples.colour].mean(dim=0)
    unit: Tensor = axis / torch.linalg.vector_norm(axis)
    return unit


def fit_direction(ws: Tensor, examples: Examples, *, scale: float = 1.0, seed: int = 0) -> FittedDirection:
    """Fit from ws [n, num_ws, w_dim]; `scale` times the mean difference becomes strength 1.

    The evidence counts pictures, and gives accuracy and area under the curve within colour and within mono on held-out
    pictures (`FOLDS`-fold), the threshold lying half-way between the class means of the fitted ones.
    """
    n = len(ws)
    flat = ws.flatten(1)
    fold = np.random.default_rng(seed).permutation(n) % FOLDS
    scores, correct = np.zeros(n), np.zeros(n, dtype=bool)
    for held in range(FOLDS):
        use = fold != held
        projected = (flat @ _mean_difference(ws, examples, use).flatten()).double().numpy()
        for colour in GROUPS.values():
            here = examples.colour == colour
            known = use & here
            middle = 0.5 * (projected[known & examples.positive].mean() + projected[known & ~examples.positive].mean())
            test = ~use & here
            scores[test] = projected[test] - middle
            correct[test] = (scores[test] > 0) == examples.positive[test]
    everything = np.ones(n, dtype=bool)
    direction = _mean_difference(ws, examples, everything) * scale
    groups = {}
    for name, colour in GROUPS.items():
        here = examples.colour == colour
        groups[name] = {
            "positive": int((here & examples.positive).sum()),
            "negative": int((here & ~examples.positive).sum()),
            "held_out_auc": round(area_under_curve(scores[here], examples.positive[here]), 3),
            "held_out_balanced_accuracy": round(
                float(np.mean([correct[here & (examples.positive == label)].mean() for label in (True, False)])), 3
            ),
        }
    return FittedDirection(
        direction.float(), {"groups": groups, "scale": scale, "norm": round(float(direction.norm()), 3)}
    )


def chroma(images: Tensor) -> Tensor:
    """[N] mean over pixels of max(r, g, b) - min(r, g, b), for pictures [N, 3, R, R] in [-1, 1]; 0 is grey."""
    return (images.amax(dim=1) - images.amin(dim=1)).mean(dim=(1, 2))


@torch.no_grad()
def colour_leakage(generator: Generator, ws: Tensor, direction: Tensor, colour: npt.NDArray[np.bool_]) -> float:
    """How much a step of strength 1 changes the chroma, as a share of the difference between colour and mono."""
    before, after = (
        torch.cat([chroma(generator.synthesize(part)) for part in torch.split(codes, 16)])
        for codes in (ws, ws + direction)
    )
    gap = before[colour].mean() - before[~colour].mean()
    return float((after - before).mean() / gap)
