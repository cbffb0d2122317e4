"""Whether a perceptual network's distances agree with what people see, as far as it can be told without asking any.

Three kinds of question, each to many portraits; a share of right answers is given, and a tie is half an answer:

- order: is the stronger one of two neighbouring levels of a distortion farther from the portrait?
- person: is a distorted picture of somebody nearer than another person's at the same mean squared error?
- damage: is a spoilt eye or mouth farther than a background spoilt as much, and a ghost of two people farther than a
  blurred one, again at the same mean squared error?

Squared pixel error itself gets one half of the last two by construction. What is asked is the objective that the
daemon minimises (`inversion.objective`), with the weights that it gives the network's maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentlayers.inversion.features import FeatureNetwork
from latentlayers.inversion.objective import Objective
from latentlayers.training.comparisons import TIE, measured, mse, nearest_others
from latentlayers.training.distortions import DISTORTIONS, Distortion

BATCH = 25
NEAR_ZERO = 0.1  # of the first level, for the growth at 0

Distances = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Metric:
    """Distances of pictures from targets.

    Attributes:
        columns: names of the K distances that are judged side by side.
        against: targets [N, 3, R, R] -> (pictures [N, 3, R, R] -> distances [N, K]).
    """

    name: str
    columns: tuple[str, ...]
    against: Callable[[Tensor], Distances]


Answers = Iterator[tuple[str, Tensor]]
"""(kind, [n, K]): per portrait that could be asked about, the share of right answers of each column."""


class NoFeatures(FeatureNetwork):
    """No maps: the objective is the squared pixel error alone."""

    name = "mse"
    judges = False

    def forward(self, picture: Tensor) -> list[Tensor]:
        return []


def objective_metric(features: FeatureNetwork, gains: Sequence[float], name: str | None = None) -> Metric:
    """The daemon's objective: its feature terms together ("features"), each alone, and with the pixels ("objective").

    Args:
        gains: the weight of each feature map, from `inversion.calibrate.scales`.
    """
    taps = tuple(f"tap {j + 1}" for j in range(len(gains)))
    columns = ("features", "objective", *taps) if taps else ("objective",)

    def against(targets: Tensor) -> Distances:
        objective = Objective(features, targets, gains=gains)

        @torch.no_grad()
        def distances(pictures: Tensor) -> Tensor:
            terms = objective(pictures)
            sums = [terms[:, 1:].sum(dim=1), terms.sum(dim=1)] if taps else [terms.sum(dim=1)]
            return torch.stack([*sums, *terms[:, 1:].unbind(dim=1)], dim=1)

        return distances

    return Metric(name or features.name, columns, against)


def farther(far: Tensor, near: Tensor) -> Tensor:
    """1 where `far` exceeds `near`, 1/2 where they are equal within `TIE`, else 0."""
    tied = (far - near).abs() <= TIE * torch.maximum(far.abs(), near.abs())
    return torch.where(tied, 0.5, (far > near).float())


def joined(metrics: Sequence[Metric]) -> Metric:
    """All of them as one, whose columns are "metric: column"; pictures are then made once for all."""

    def against(targets: Tensor) -> Distances:
        each = [metric.against(targets) for metric in metrics]
        return lambda pictures: torch.cat([distances(pictures) for distances in each], dim=1)

    columns = tuple(f"{metric.name}: {column}" for metric in metrics for column in metric.columns)
    return Metric("all", columns, against)


def order(distances: Distances, images: Tensor, distortion: Distortion) -> Answers:
    """ "pairs": neighbouring levels are in their order; "whole": all levels are; and "growth", no answer but a number:

    it is d log(distance) / d log(MSE) just above strength 0: 1 for a smooth distance, more for one with a
    plateau, less for one with a kink. It is not taken where strengths are steps.
    """
    steps = torch.stack([distances(distortion(images, level)) for level in distortion.levels])
    right = farther(steps[1:], steps[:-1])
    yield "pairs", right.mean(dim=0)
    yield "whole", (right == 1).all(dim=0).float()
    if distortion.most is not None:
        less, more = (distortion(images, distortion.levels[0] * NEAR_ZERO * factor) for factor in (1, 2))
        grown = (distances(more) / distances(less)).log()
        yield "growth", grown / (mse(more, images) / mse(less, images)).log()[:, None]


@dataclass(frozen=True)
class Figure:
    """What was answered to one question.

    Attributes:
        group, subject, kind: such as "person", "shift", "face".
        count: of how many portraits, or pairs of them, it was asked.
        values: [K] means over them; medians of "growth". NaN where it could never be asked.
    """

    group: str
    subject: str
    kind: str
    count: int
    values: Tensor


def judge(
    metric: Metric,
    images: Tensor,
    groups: Tensor,
    *,
    rivals_each: int = 3,
    show: Callable[[str], None] = lambda line: None,
) -> list[Figure]:
    """All questions to portraits [N, 3, R, R] in [-1, 1].

    Args:
        groups: [N] only pictures of the same group (colour, mono) are each other's rivals.
        rivals_each: how many of the nearest others every portrait is compared with.
        show: is told how far it is.
    """
    others = nearest_others(images, groups, rivals_each)
    answers: dict[tuple[str, str, str], list[Tensor]] = {}

    def note(group: str, subject: str, kind: str, found: Tensor) -> None:
        answers.setdefault((group, subject, kind), []).append(found)

    for chosen in torch.split(torch.arange(len(images)), BATCH):
        part = images[chosen]
        distances = metric.against(part)
        for distortion in DISTORTIONS:
            for kind, found in order(distances, part, distortion):
                note("order", distortion.name, kind, found)
        for other in others[chosen].unbind(dim=1):
            for comparison, far, near in measured(distances, part, images[other]):
                note(comparison.group, comparison.subject, comparison.kind, farther(far, near))
        show(f"asked about {int(chosen[-1]) + 1} of {len(images)} portraits")
    figures = []
    for (group, subject, kind), parts in answers.items():
        rows = torch.cat(parts)
        values = rows.nanmedian(dim=0).values if kind == "growth" and len(rows) else rows.nanmean(dim=0)
        figures.append(Figure(group, subject, kind, len(rows), values))
    return figures
