"""Reading something off a picture: linear probes fitted to labelled portraits, within balanced groups.

What one wants to read goes with other things in the data: smiles with colour photographs and their decades, women with
colour and smiles. So every probe compares pictures within groups (colour, sex, …) that hold the others still: each
group is centred between its pictures above and below its mean goal, and each of these two cells counts with the square
root of its size, so that neither the groups' differences nor their sizes teach anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentlayers.errors import InvalidInput

FOLDS = 5
RIDGE = 0.3

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """Pictures whose goal is known, in groups in which it varies.

    Attributes:
        index: [n] positions among the portraits.
        goal: [n]; +1 and -1 for the two sides of a yes-or-no question, else any numbers.
        group: [n] the groups' names.
    """

    index: Indices
    goal: Floats
    group: Names

    @property
    def is_binary(self) -> bool:
        return bool(np.isin(self.goal, (-1.0, 1.0)).all())


@dataclass(frozen=True)
class Probe:
    """`features @ weight - offset[group] + level[group]` estimates the goal.

    Attributes:
        weight: [F] float32.
        offset: the score half way between a group's upper and lower cell.
        level: the goal there; 0 for a yes-or-no question.
    """

    weight: Tensor
    offset: Mapping[str, float]
    level: Mapping[str, float]

    def score(self, features: Tensor) -> Tensor:
        """features [N, F] -> [N], before the offset; differentiable."""
        return features @ self.weight


class Gallery:
    """Features of many pictures, each divided by its spread, with their inner products: every probe needs those.

    The spread is taken over all the pictures, held-out ones as well: it knows nothing of labels.

    Args:
        features: [n, F]; more features than pictures are fine, as everything is solved in the dual.
    """

    def __init__(self, features: Tensor) -> None:
        self.mean, self.spread = features.mean(dim=0), features.std(dim=0) + 1e-3
        self.rows = (features - self.mean) / self.spread
        self.kernel: Floats = (self.rows @ self.rows.t() / features.shape[1]).double().numpy()

    def __len__(self) -> int:
        return len(self.rows)


def choose_examples(goal: Floats, group: Names, least: int = FOLDS) -> Examples:
    """The pictures with a goal (not NaN) and a group (not ""), in groups with `least` on each side of the group's mean.

    Raises:
        InvalidInput: ROWS_INVALID if no group has that many.
    """
    known = np.isfinite(goal) & (group != "")
    kept = np.zeros(len(goal), dtype=np.bool_)
    for name in np.unique(group[known]):
        here = known & (group == name)
        above = goal > goal[here].mean()
        if min((here & above).sum(), (here & ~above).sum()) >= least:
            kept |= here
    if not kept.any():
        raise InvalidInput(
            "ROWS_INVALID",
            f"Of {int(known.sum())} labelled portraits, no group has {least} on either side.",
            "Give metadata with more of them.",
        )
    index = np.flatnonzero(kept)
    return Examples(index, goal[index], group[index])


def _cells(goal: Floats, group: Names) -> dict[str, tuple[Indices, Indices]]:
    """By group, the positions above its mean goal, and the others."""
    cells = {}
    for name in np.unique(group):
        here = group == name
        above = goal > goal[here].mean()
        cells[str(name)] = np.flatnonzero(here & above), np.flatnonzero(here & ~above)
    return cells


@dataclass(frozen=True)
class _Dual:
    """A probe in terms of the examples' rows: `rows.t() @ alpha`.

    Attributes:
        alpha: [n].
        centres: [groups, n] the averages that make each group's centre.
        place: [n] each example's group.
    """

    alpha: Floats
    centres: Floats
    place: Indices


def _solve(kernel: Floats, examples: Examples, use: Indices, ridge: float) -> _Dual:
    """Ridge regression on the examples `use` (positions among the examples)."""
    n = len(kernel)
    names, place = np.unique(examples.group, return_inverse=True)
    centres, weight = np.zeros((len(names), n)), np.zeros(n)
    for centre, cells in zip(centres, _cells(examples.goal[use], examples.group[use]).values(), strict=True):
        for cell in cells:
            centre[use[cell]] = 0.5 / max(len(cell), 1)
            weight[use[cell]] = max(len(cell), 1) ** -0.5
    through = (kernel @ centres.T)[:, place]
    centred = (kernel - through - through.T + (centres @ kernel @ centres.T)[np.ix_(place, place)])[np.ix_(use, use)]
    goal = (examples.goal - (centres @ examples.goal)[place])[use]
    root = np.sqrt(weight[use] / weight[use].mean())
    matrix = torch.from_numpy(root[:, None] * centred * root + ridge * np.eye(len(use)))
    solved = torch.cholesky_solve(torch.from_numpy(root * goal)[:, None], torch.linalg.cholesky(matrix))
    dual = np.zeros(n)
    dual[use] = solved[:, 0].numpy() * root
    per_group = np.bincount(place, weights=dual, minlength=len(names))
    return _Dual(dual - per_group @ centres, centres, place)


def fit_probe(gallery: Gallery, examples: Examples, ridge: float = RIDGE) -> Probe:
    """The probe that a gallery's examples teach."""
    kernel = gallery.kernel[np.ix_(examples.index, examples.index)]
    dual = _solve(kernel, examples, np.arange(len(kernel)), ridge)
    rows = gallery.rows[torch.from_numpy(examples.index)]
    weight = rows.t() @ torch.from_numpy(dual.alpha).float() / (rows.shape[1] * gallery.spread)
    offsets = dual.centres @ kernel @ dual.alpha + float(gallery.mean @ weight)
    names = [str(name) for name in np.unique(examples.group)]
    return Probe(
        weight,
        dict(zip(names, offsets.tolist(), strict=True)),
        dict(zip(names, (dual.centres @ examples.goal).tolist(), strict=True)),
    )


def area_under_curve(scores: Floats, positive: Mask) -> float:
    """Chance that a random positive scores above a random negative; ties count half."""
    difference = scores[positive][:, None] - scores[~positive][None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def held_out_scores(gallery: Gallery, examples: Examples, ridge: float = RIDGE, seed: int = 0) -> Floats:
    """[n] each example's estimate above its group's centre, by a probe that it did not teach.

    `FOLDS`-fold, every cell spread evenly over the folds.
    """
    kernel = gallery.kernel[np.ix_(examples.index, examples.index)]
    fold, scores = np.zeros(len(kernel), dtype=np.int64), np.zeros(len(kernel))
    random = np.random.default_rng(seed)
    for cells in _cells(examples.goal, examples.group).values():
        for cell in cells:
            fold[random.permutation(cell)] = np.arange(len(cell)) % FOLDS
    for held in range(FOLDS):
        dual = _solve(kernel, examples, np.flatnonzero(fold != held), ridge)
        estimate = kernel @ dual.alpha
        scores[fold == held] = (estimate - (dual.centres @ estimate)[dual.place])[fold == held]
    return scores


def held_out_evidence(
    gallery: Gallery, examples: Examples, ridge: float = RIDGE, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Per group, on pictures that a probe was not fitted to.

    For a yes-or-no question: how many of each, area under the curve, balanced accuracy. Else: how many, and the
    correlation of goal and estimate.
    """
    scores = held_out_scores(gallery, examples, ridge, seed)
    evidence: dict[str, dict[str, Any]] = {}
    for name in np.unique(examples.group):
        here = examples.group == name
        goal, estimate = examples.goal[here], scores[here]
        if examples.is_binary:
            positive = goal > 0
            right = (estimate > 0) == positive
            evidence[str(name)] = {
                "positive": int(positive.sum()),
                "negative": int((~positive).sum()),
                "auc": round(area_under_curve(estimate, positive), 3),
                "balanced_accuracy": round(float(right[positive].mean() + right[~positive].mean()) / 2, 3),
            }
        else:
            together = np.corrcoef(goal, estimate)[0, 1] if estimate.std() > 0 else 0.0
            evidence[str(name)] = {"count": len(goal), "correlation": round(float(together), 3)}
    return evidence


def reliability(evidence: Mapping[str, Mapping[str, float]]) -> float:
    """What a chance guess has 0 of and certainty 1: 2 auc - 1, or the correlation; averaged over groups by size."""
    sizes = [group.get("count", group.get("positive", 0) + group.get("negative", 0)) for group in evidence.values()]
    values = [group["correlation"] if "correlation" in group else 2 * group["auc"] - 1 for group in evidence.values()]
    return float(np.average(values, weights=sizes))
