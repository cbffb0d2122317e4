"""Reading an expression off a picture: a linear probe fitted to labelled portraits.

Smiles go with colour photographs (and their decades, and their backgrounds), so everything here compares positives and
negatives within colour and within mono only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from latentlayers.errors import InvalidInput
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.data import Portraits

CERTAIN = 0.9
FOLDS = 5
RIDGE = 0.3
GROUPS = {"colour": True, "mono": False}

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Examples:
    """Portraits whose expression is certain.

    Attributes:
        index: [n] positions among the portraits.
        positive: [n], e.g. smiling.
        colour: [n].
    """

    index: npt.NDArray[np.int64]
    positive: Mask
    colour: Mask


@dataclass(frozen=True)
class Probe:
    """`features @ weight - offset` is about +1 for positives and -1 for negatives.

    Attributes:
        weight: [F] float32.
        offset: by group, keyed by "is in colour".
    """

    weight: Tensor
    offset: Mapping[bool, float]

    def score(self, features: Tensor) -> Tensor:
        """features [N, F] -> [N], before the offset; differentiable."""
        return features @ self.weight

    def centred(self, features: Tensor, colour: Mask) -> npt.NDArray[np.float64]:
        """[N] scores with each picture's group's offset taken off: positive above 0, negative below."""
        offset = np.where(colour, self.offset[True], self.offset[False])
        return np.asarray(self.score(features).double().numpy() - offset)


def choose_examples(portraits: Portraits, positive: str, negative: str) -> Examples:
    """All portraits with one of the two expression columns above `CERTAIN`.

    Raises:
        InvalidInput: ROWS_INVALID if a class has fewer pictures than folds in colour or in mono.
    """
    is_positive, is_negative = (portraits.numbers(column) > CERTAIN for column in (positive, negative))
    index = np.flatnonzero(is_positive | is_negative)
    examples = Examples(index, is_positive[index], portraits.is_colour[index])
    for name, colour in GROUPS.items():
        for column, label in ((positive, True), (negative, False)):
            found = int(((examples.colour == colour) & (examples.positive == label)).sum())
            if found < FOLDS:
                raise InvalidInput(
                    "ROWS_INVALID",
                    f"Only {found} {name} portraits have {column} above {CERTAIN}.",
                    f"Give metadata with at least {FOLDS} of them.",
                )
    return examples


def lower_face(trunk: DiscriminatorTrunk, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """[N, 3, R, R] in [-1, 1] -> [N, F] float32: the trunk's second tap, from mid-height to above the collar."""
    tap = trunk.features(images, dtype)[1]
    h, w = tap.shape[-2:]
    return tap[:, :, h // 2 : h * 7 // 8, w // 4 : w * 3 // 4].flatten(1).float()


def mouth_pixels(images: Tensor) -> Tensor:
    """[N, 3, R, R] -> [N, F]: grey values around the mouth, with mean 0 and standard deviation 1 per picture."""
    h, w = images.shape[-2:]
    grey = images.mean(dim=1)[:, h * 17 // 32 : h * 7 // 8, w // 4 : w * 3 // 4].flatten(1)
    grey = grey - grey.mean(dim=1, keepdim=True)
    return grey / grey.std(dim=1, keepdim=True).clamp_min(1e-3)


def fit_probe(features: Tensor, positive: Mask, colour: Mask, ridge: float = RIDGE) -> Probe:
    """Ridge regression of +-1 on standardised features [N, F], centred within each group between its class means.

    Each of the four classes counts with the square root of its size. Solved in the dual, as F exceeds N.
    """
    x = features.double()
    weights = np.zeros(len(x))
    centres: dict[bool, Tensor] = {}
    for is_colour in GROUPS.values():
        here = colour == is_colour
        sides = [torch.from_numpy(here & (positive == label)) for label in (True, False)]
        centres[is_colour] = torch.stack([x[side].mean(dim=0) for side in sides]).mean(dim=0)
        for side in sides:
            weights[side.numpy()] = float(side.sum()) ** -0.5
    x = x - torch.stack([centres[bool(c)] for c in colour])
    spread = x.std(dim=0) + 1e-3
    root = torch.from_numpy(np.sqrt(weights / weights.mean()))[:, None]
    rows = x / spread * root
    goal = torch.from_numpy(np.where(positive, 1.0, -1.0))[:, None] * root
    kernel = rows @ rows.t() + ridge * rows.shape[1] * torch.eye(len(rows), dtype=torch.float64)
    weight = (rows.t() @ torch.linalg.solve(kernel, goal))[:, 0] / spread
    return Probe(weight.float(), {is_colour: float(centre @ weight) for is_colour, centre in centres.items()})


def area_under_curve(scores: npt.NDArray[np.float64], positive: Mask) -> float:
    """Chance that a random positive scores above a random negative; ties count half."""
    difference = scores[positive][:, None] - scores[~positive][None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def held_out_evidence(features: Tensor, positive: Mask, colour: Mask, seed: int = 0) -> dict[str, dict[str, float]]:
    """Per group: counts, and area under the curve and balanced accuracy on pictures the probe was not fitted to.

    `FOLDS`-fold, every class spread evenly over the folds.
    """
    fold = np.zeros(len(features), dtype=np.int64)
    random = np.random.default_rng(seed)
    for is_colour in GROUPS.values():
        for label in (True, False):
            here = np.flatnonzero((colour == is_colour) & (positive == label))
            fold[random.permutation(here)] = np.arange(len(here)) % FOLDS
    scores = np.zeros(len(features))
    for held in range(FOLDS):
        test, use = fold == held, fold != held
        probe = fit_probe(features[torch.from_numpy(use)], positive[use], colour[use])
        scores[test] = probe.centred(features[torch.from_numpy(test)], colour[test])
    evidence = {}
    for name, is_colour in GROUPS.items():
        here = colour == is_colour
        right = (scores > 0) == positive
        evidence[name] = {
            "positive": int((here & positive).sum()),
            "negative": int((here & ~positive).sum()),
            "auc": round(area_under_curve(scores[here], positive[here]), 3),
            "balanced_accuracy": round(
                float(np.mean([right[here & (positive == label)].mean() for label in (True, False)])), 3
            ),
        }
    return evidence
