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
from latentlayers.training.distortions import DISTORTIONS, REFERENCE_SIDE, Distortion, heat

TIE = 1e-3  # relative difference that counts as none; errors are made equal within it
TRIALS = 24
BATCH = 25
NEAR_ZERO = 0.1  # of the first level, for the growth at 0
LEAST_DAMAGE = 1e-4  # mean squared error; less cannot be seen
SMEAR, TWIST = 2.5, 2.0  # px of 64
Places = Sequence[tuple[float, float]]
EYES, MOUTH = ((0.36, 0.47), (0.64, 0.47)), ((0.43, 0.735), (0.57, 0.735))  # (x, y) in an FFHQ-like frame
BACKGROUND = ((0.09, 0.12), (0.91, 0.12))
SPOT = 0.075  # radius of the damage
FACE_CENTRE, FACE_RADII = (0.5, 0.56), (0.23, 0.31)

Distances = Callable[[Tensor], Tensor]
_BLUR, _SHIFT = (next(d for d in DISTORTIONS if d.name == name) for name in ("blur", "shift"))


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


def mse(a: Tensor, b: Tensor) -> Tensor:
    """[N] mean squared error of pictures [N, 3, R, R]."""
    return (a - b).square().mean(dim=(1, 2, 3))


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


def at_equal_mse(distortion: Distortion, images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures distorted until their mean squared error is `wanted` [N], and where that could be reached [N].

    By false position (the Illinois variant) on its root, which is nearly proportional to most strengths.
    """
    assert distortion.most is not None
    goal = wanted.sqrt()

    def miss(strength: Tensor) -> tuple[Tensor, Tensor]:
        found = distortion(images, strength)
        return found, mse(found, images).sqrt() - goal

    low, high = torch.zeros(len(images)), torch.full([len(images)], distortion.most)
    under, (found, over) = -goal, miss(high)
    out_of_reach, last = over < 0, torch.zeros(len(images))
    for _ in range(TRIALS):
        strength = torch.where(out_of_reach, high, (low * over - high * under) / (over - under).clamp_min(1e-12))
        found, missed = miss(strength)
        if bool((out_of_reach | (missed.abs() <= TIE / 8 * goal)).all()):
            break
        side = missed.sign()
        low, high = torch.where(side < 0, strength, low), torch.where(side < 0, high, strength)
        stale = torch.where(side == last, 0.5, 1.0)
        under, over = torch.where(side < 0, missed, under * stale), torch.where(side < 0, over * stale, missed)
        last = side
    return found, (mse(found, images) - wanted).abs() <= TIE / 2 * wanted


def nearest_others(images: Tensor, groups: Tensor, count: int) -> Tensor:
    """[N, count] positions of the nearest other pictures by pixels, of the same group [N] (colour, mono)."""
    flat = images.flatten(1)
    distances = torch.cdist(flat, flat)
    distances[groups[:, None] != groups[None, :]] = float("inf")
    distances.fill_diagonal_(float("inf"))
    return distances.topk(count, largest=False).indices


def relit(others: Tensor, images: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    """`others` with the mean and deviation, where `weights` are, of `images` per channel: tone tells nothing."""
    weights = torch.as_tensor(weights).expand(1, 1, *images.shape[2:])
    total = weights.sum()

    def moments(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = (x * weights).sum(dim=(2, 3), keepdim=True) / total
        return mean, ((x - mean).square() * weights).sum(dim=(2, 3), keepdim=True).div(total).sqrt()

    (mean, deviation), (other_mean, other_deviation) = moments(images), moments(others)
    return ((others - other_mean) / other_deviation.clamp_min(1e-3) * deviation + mean).clamp(-1, 1)


def ellipses(side: int, centres: Places, radii: tuple[float, float]) -> Tensor:
    """[1, 1, side, side]: 1 inside, falling smoothly to 0 at 1.4 times the radii; all lengths as shares of the side."""
    line = (torch.arange(side) + 0.5) / side
    y, x = line[:, None], line[None, :]
    mask = torch.zeros(side, side)
    for cx, cy in centres:
        reach = (((x - cx) / radii[0]).square() + ((y - cy) / radii[1]).square()).sqrt()
        mask = torch.maximum(mask, 0.5 + 0.5 * torch.cos(torch.pi * ((reach - 1) / 0.4).clamp(0, 1)))
    return mask[None, None]


def rivals(images: Tensor, others: Tensor) -> dict[str, Tensor]:
    """Pictures of, or with, another person, who keeps the tones of `images` [N, 3, R, R].

    "face": the other's face in the portrait (no ghost, same background); "half": the blend of both half way;
    "whole": the other's picture.
    """
    face = ellipses(images.shape[-1], [FACE_CENTRE], FACE_RADII)
    swapped = torch.lerp(images, relit(others, images, face), face)
    whole = relit(others, images)
    return {"face": swapped, "half": (images + whole) / 2, "whole": whole}


def person(
    distances: Distances, images: Tensor, others: Tensor, distortions: Sequence[Distortion]
) -> Iterator[tuple[str, str, Tensor]]:
    """(distortion, rival, answers): the rival is farther than the portrait distorted to the rival's error.

    Portraits that the distortion cannot bring so far without making them unrecognisable are left out.
    """
    for name, rival in rivals(images, others).items():
        wanted, far = mse(rival, images), distances(rival)
        for distortion in distortions:
            distorted, reached = at_equal_mse(distortion, images, wanted)
            yield distortion.name, name, farther(far, distances(distorted))[reached]


def damages(images: Tensor, others: Tensor) -> dict[str, Tensor]:
    """What may happen to a part of a portrait: another's pixels in its tones, smeared, or pulled aside."""
    scale, count = images.shape[-1] / REFERENCE_SIDE, len(images)
    return {
        "swapped": relit(others, images),
        "smeared": heat(images, torch.full([count], SMEAR * scale)).clamp(-1, 1),
        "pulled": _SHIFT(images, TWIST),
    }


def faded(picture: Tensor, images: Tensor, wanted: Tensor) -> Tensor:
    """`picture`, blended into `images` until its mean squared error is `wanted` [N], if it is not already smaller."""
    share = (wanted / mse(picture, images).clamp_min(1e-12)).clamp_max(1).sqrt()
    return images + (picture - images) * share[:, None, None, None]


def damage(distances: Distances, images: Tensor, others: Tensor, places: Places) -> Answers:
    """By what happened: it is farther at these places of the face than the same in the background.

    Whichever changes the picture more is faded to the other's error; left out where that is hardly to be seen.
    """
    there, elsewhere = (ellipses(images.shape[-1], spots, (SPOT, SPOT)) for spots in (places, BACKGROUND))
    for how, spoilt in damages(images, others).items():
        face, back = torch.lerp(images, spoilt, there), torch.lerp(images, spoilt, elsewhere)
        error = torch.minimum(mse(face, images), mse(back, images))
        answers = farther(distances(faded(face, images, error)), distances(faded(back, images, error)))
        yield how, answers[error >= LEAST_DAMAGE]


def ghost(distances: Distances, images: Tensor, others: Tensor) -> Tensor:
    """[n, K]: a blend with another person, half way or (where blur does not get so far) less, is farther than blur."""
    blend = rivals(images, others)["half"]
    assert _BLUR.most is not None
    blend = faded(blend, images, mse(_BLUR(images, _BLUR.most), images))
    blurred, reached = at_equal_mse(_BLUR, images, mse(blend, images))
    return farther(distances(blend), distances(blurred))[reached]


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

    solvable = [distortion for distortion in DISTORTIONS if distortion.most is not None]
    for chosen in torch.split(torch.arange(len(images)), BATCH):
        part = images[chosen]
        distances = metric.against(part)
        for distortion in DISTORTIONS:
            for kind, found in order(distances, part, distortion):
                note("order", distortion.name, kind, found)
        for near in others[chosen].unbind(dim=1):
            rival = images[near]
            for subject, kind, found in person(distances, part, rival, solvable):
                note("person", subject, kind, found)
            for subject, places in (("eyes", EYES), ("mouth", MOUTH)):
                for kind, found in damage(distances, part, rival, places):
                    note("damage", subject, kind, found)
            note("damage", "ghost", "blur", ghost(distances, part, rival))
        show(f"asked about {int(chosen[-1]) + 1} of {len(images)} portraits")
    figures = []
    for (group, subject, kind), parts in answers.items():
        rows = torch.cat(parts)
        values = rows.nanmedian(dim=0).values if kind == "growth" and len(rows) else rows.nanmean(dim=0)
        figures.append(Figure(group, subject, kind, len(rows), values))
    return figures
