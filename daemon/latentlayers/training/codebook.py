"""Embedding while training: codes of training pictures that are fitted beside the generator that draws them.

A generator that is only asked for samples that look real need not be able to draw any given person. This makes it one
that can: some pictures have a code in `w+`, and code and generator descend together on the error of the reconstruction
(Bojanowski et al., "Optimizing the Latent Space of Generative Networks", ICML 2018, here beside the adversarial loss).
Codes need many visits before what they miss is the generator's fault. So a window of few pictures moves slowly over the
data: every picture in it is visited some forty times, with steps that become smaller, then leaves with its code kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.generators.stylegan2 import StyleGAN2
from latentlayers.training.grids import sample_ws, to_signed

PIXEL_WEIGHT = 10.0  # of the mean squared error, beside features' errors that are shares of 1
PRIOR_WEIGHT = 0.01
RATE = 0.1  # length of a code's first step, as a share of the deviation of w ...
LAST_RATE = 0.1  # ... and of its last one, as a share of the first
ROUNDS = 8  # times that the window's order holds as many entries as there are pictures
REGRESSION_SAMPLES = 4096
REGRESSION_SIDE = 16
RIDGE = 0.03


@dataclass(frozen=True)
class Window:
    """Which pictures have their turn.

    Attributes:
        order: the pictures' indices in the order in which they enter; drawn with the sampling weights.
        size: how many are visited in turn.
        visits: how often each is, on average, until it leaves.
    """

    order: npt.NDArray[np.int64]
    size: int
    visits: float

    @classmethod
    def over(cls, weights: npt.NDArray[np.float64], size: int, visits: float, seed: int) -> Window:
        """A window over as many pictures as there are weights."""
        count = len(weights)
        order = np.random.default_rng((seed, 29)).choice(count, size=ROUNDS * count, p=weights / weights.sum())
        return cls(order, min(size, len(order)), visits)

    def pick(
        self, visited: int, count: int, random: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """[count] pictures, none twice if there are enough, and how far each is through its stay, in [0, 1).

        `visited` counts the visits of all pictures before.
        """
        places = random.choice(self.size, size=count, replace=count > self.size)
        first = int(visited / self.visits)
        chosen = self.order[(first + places) % len(self.order)]
        return chosen, 1 - (places + 1) / self.size


@dataclass(frozen=True)
class Codes:
    """Pictures to reconstruct, with their codes. (The discriminator's real pictures are others: it would soon know the
    few that have their turn by heart.)

    Attributes:
        ws: [m, num_ws, w_dim], a leaf whose `.grad` is filled.
        wanted: [m, 3, r, r] in [-1, 1].
        centre, deviation: where w lies, and how far from there: see `prior_slope`.
    """

    ws: Tensor
    wanted: Tensor
    centre: Tensor
    deviation: float


@dataclass(frozen=True)
class Turn:
    """Pictures of one step that are reconstructed: indices [m] and ages [m] of `Window.pick`, and their codes."""

    pictures: npt.NDArray[np.int64]
    age: npt.NDArray[np.float64]
    codes: Codes

    @classmethod
    def of(
        cls,
        picked: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
        images: Tensor,
        table: Tensor,
        centre: Tensor,
        deviation: float,
    ) -> Turn:
        """Take them out of all training pictures [N, 3, R, R] uint8 and codes [N, num_ws, w_dim]."""
        pictures, age = picked
        index = torch.from_numpy(pictures)
        ws = table[index].to(centre.device).requires_grad_(True)
        return cls(pictures, age, Codes(ws, to_signed(images[index].to(centre.device)), centre, deviation))

    @torch.no_grad()
    def write(self, table: Tensor) -> None:
        """Move the codes against their gradient and put them back."""
        assert self.codes.ws.grad is not None
        ws = moved(self.codes.ws, self.codes.ws.grad, self.codes.deviation, self.age)
        table[torch.from_numpy(self.pictures)] = ws.to(table.device)


def step_length(age: npt.NDArray[np.float64]) -> Tensor:
    """[N] share of `w`'s deviation that a code moves by, at `age` of `Window.pick`: half a cosine, from RATE."""
    share = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + np.cos(np.pi * age))
    return torch.from_numpy(RATE * share).float()


def moved(codes: Tensor, gradient: Tensor, deviation: float, age: npt.NDArray[np.float64]) -> Tensor:
    """Codes [N, num_ws, w_dim] after one step against `gradient`, each of its own length whatever the gradient's."""
    gradient = torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
    size = gradient.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp_min(1e-12)
    return codes - gradient / size * (deviation * step_length(age).to(codes.device)[:, None, None])


def reconstruction_slope(
    drawn: Tensor, wanted: Tensor, trunk: DiscriminatorTrunk, dtype: torch.dtype
) -> tuple[Tensor, float]:
    """d loss / d drawn, and the pictures' mean squared error; the trunk's gradients stay as they are.

    drawn, wanted [N, 3, R, R] in [-1, 1]. The loss of a picture is `10 * MSE + mean over taps of the features'
    squared error / the wanted features' mean square`: the trunk is the one being trained, and has no fixed scale.
    """
    with torch.no_grad():
        goals = [tap.float() for tap in trunk.features(wanted, dtype)]
    seen = drawn.detach().requires_grad_(True)
    pixels = (seen - wanted).square().mean(dim=(1, 2, 3))
    loss = PIXEL_WEIGHT * pixels.sum()
    for tap, goal in zip(trunk.features(seen, dtype), goals, strict=True):
        misses = (tap.float() - goal).square().mean(dim=(1, 2, 3))
        loss = loss + (misses / goal.square().mean().clamp_min(1e-12)).sum() / len(goals)
    (slope,) = torch.autograd.grad(loss, seen)
    return slope, float(pixels.detach().mean())


def prior_slope(codes: Tensor, centre: Tensor, deviation: float) -> Tensor:
    """Gradient of `0.01 * mean(((w - w_avg) / deviation)^2)` per code, which keeps codes where samples are."""
    return (codes - centre) * (2 * PRIOR_WEIGHT / (deviation**2 * codes[0].numel()))


@torch.no_grad()
def w_deviation(generator: StyleGAN2, count: int = 2048) -> float:
    """RMS distance of a sample's w from `w_avg` in one coordinate."""
    return float((sample_ws(generator, count, seed=5)[:, 0] - generator.w_avg).square().mean().sqrt())


@torch.no_grad()
def first_codes(generator: StyleGAN2, images: Tensor) -> Tensor:
    """Codes to start from, [N, num_ws, w_dim] float32, for pictures [N, 3, R, R] uint8.

    A ridge regression from 16 px thumbnails to w, learnt on the generator's own samples: about pose, tone and light.
    """
    device = generator.w_avg.device
    thumbnails, latents = [], []
    side = min(2 * REGRESSION_SIDE, generator.resolution)
    for ws in torch.split(sample_ws(generator, REGRESSION_SAMPLES, seed=13), 64):
        drawn = generator.synthesize(ws, resolution=side).clamp(-1, 1)
        thumbnails.append(F.adaptive_avg_pool2d(drawn, REGRESSION_SIDE).flatten(1))
        latents.append(ws[:, 0])
    seen, wanted = torch.cat(thumbnails), torch.cat(latents) - generator.w_avg
    centre = seen.mean(dim=0)
    seen = seen - centre
    gram = seen.t() @ seen
    gram.diagonal().add_(RIDGE * float(gram.diagonal().mean()))
    solution = torch.linalg.solve(gram, seen.t() @ wanted)
    pictures = F.adaptive_avg_pool2d(images.to(device).float() / 127.5 - 1, REGRESSION_SIDE).flatten(1)
    w: Tensor = generator.w_avg + (pictures - centre) @ solution
    return w[:, None].repeat(1, generator.num_ws, 1)
