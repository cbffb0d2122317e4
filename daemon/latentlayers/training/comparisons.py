"""Pairs of pictures of which nobody doubts which is less like a portrait, at the same mean squared error.

- person: another person against the portrait itself, distorted as much;
- damage: a spoilt eye or mouth against a background spoilt as much, and a ghost of two people against a blur.

`perception` asks networks about them, `channels` teaches one with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latentlayers.training.distortions import DISTORTIONS, REFERENCE_SIDE, Distortion, heat

TIE = 1e-3  # relative difference that counts as none; errors are made equal within it
TRIALS = 24
LEAST_DAMAGE = 1e-4  # mean squared error; less cannot be seen
SMEAR, TWIST = 2.5, 2.0  # px of 64
Places = Sequence[tuple[float, float]]
EYES, MOUTH = ((0.36, 0.47), (0.64, 0.47)), ((0.43, 0.735), (0.57, 0.735))  # (x, y) in an FFHQ-like frame
BACKGROUND = ((0.09, 0.12), (0.91, 0.12))
SPOT = 0.075  # radius of the damage
FACE_CENTRE, FACE_RADII = (0.5, 0.56), (0.23, 0.31)

_BLUR, _SHIFT = (next(d for d in DISTORTIONS if d.name == name) for name in ("blur", "shift"))
SOLVABLE = tuple(distortion for distortion in DISTORTIONS if distortion.most is not None)


@dataclass(frozen=True)
class Comparison:
    """Two pictures of each portrait; a person would call the first one less like it.

    Attributes:
        group, subject, kind: such as "person", "shift", "face".
        far, near: [N, 3, R, R] in [-1, 1].
        asked: [N] bool: the two could be made of this portrait with the same error.
    """

    group: str
    subject: str
    kind: str
    far: Tensor
    near: Tensor
    asked: Tensor


def comparisons(images: Tensor, others: Tensor, distortions: Sequence[Distortion] = SOLVABLE) -> Iterator[Comparison]:
    """All of them for portraits [N, 3, R, R] in [-1, 1] and another person's portrait for each."""
    yield from person(images, others, distortions)
    for subject, places in (("eyes", EYES), ("mouth", MOUTH)):
        yield from damage(images, others, subject, places)
    yield ghost(images, others)


def mse(a: Tensor, b: Tensor) -> Tensor:
    """[N] mean squared error of pictures [N, 3, R, R]."""
    return (a - b).square().mean(dim=(1, 2, 3))


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


def measured(
    distances: Callable[[Tensor], Tensor], images: Tensor, others: Tensor
) -> Iterator[tuple[Comparison, Tensor, Tensor]]:
    """Every comparison with the distances [n, K] of its far and its near pictures, where it is asked."""
    far: tuple[Tensor, Tensor] | None = None
    for comparison in comparisons(images, others):
        if far is None or far[0] is not comparison.far:  # a rival stays for all distortions
            far = comparison.far, distances(comparison.far)
        yield comparison, far[1][comparison.asked], distances(comparison.near)[comparison.asked]


def person(images: Tensor, others: Tensor, distortions: Sequence[Distortion]) -> Iterator[Comparison]:
    """Each rival against the portrait distorted to the rival's error.

    Portraits that the distortion cannot bring so far without making them unrecognisable are not asked about.
    """
    for kind, rival in rivals(images, others).items():
        wanted = mse(rival, images)
        for distortion in distortions:
            distorted, reached = at_equal_mse(distortion, images, wanted)
            yield Comparison("person", distortion.name, kind, rival, distorted, reached)


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


def damage(images: Tensor, others: Tensor, subject: str, places: Places) -> Iterator[Comparison]:
    """By what happened: these places of the face against two spots of the background.

    Whichever changes the picture more is faded to the other's error; not asked where that is hardly to be seen.
    """
    there, elsewhere = (ellipses(images.shape[-1], spots, (SPOT, SPOT)) for spots in (places, BACKGROUND))
    for how, spoilt in damages(images, others).items():
        face, back = torch.lerp(images, spoilt, there), torch.lerp(images, spoilt, elsewhere)
        error = torch.minimum(mse(face, images), mse(back, images))
        seen = error >= LEAST_DAMAGE
        yield Comparison("damage", subject, how, faded(face, images, error), faded(back, images, error), seen)


def ghost(images: Tensor, others: Tensor) -> Comparison:
    """A blend with another person, half way or (where blur does not get so far) less, against blur."""
    blend = rivals(images, others)["half"]
    assert _BLUR.most is not None
    blend = faded(blend, images, mse(_BLUR(images, _BLUR.most), images))
    blurred, reached = at_equal_mse(_BLUR, images, mse(blend, images))
    return Comparison("damage", "ghost", "blur", blend, blurred, reached)
