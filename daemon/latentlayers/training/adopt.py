"""Going on from a model as it is shipped: its generator and the trunk of its discriminator, and no more of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from latentlayers.checkpoints import load_generator
from latentlayers.errors import NotFound, UnsupportedCheckpoint
from latentlayers.generators.base import Generator
from latentlayers.generators.stylegan2 import StyleGAN2
from latentlayers.inversion.features import TrunkFeatures, load_features
from latentlayers.training.data import Sampler
from latentlayers.training.export import FEATURES_FILE, GENERATOR_FILE, trunk_of
from latentlayers.training.grids import draw_samples
from latentlayers.training.state import TrainState, new_state, run_or_seed

HEAD_RATE = 0.002
HEAD_PICTURES = 512


def is_model(folder: Path) -> bool:
    """True if the folder holds a model's files rather than a run's or a seed's."""
    return (folder / GENERATOR_FILE).is_file()


def networks_of(folder: Path) -> tuple[Generator, TrunkFeatures, float]:
    """What can be measured of a model, a run or a seed: its averaged generator, its perceptual network (of a run, the
    trunk, calibrated), and how many thousand pictures it was shown (0 if the folder does not say).

    Raises:
        NotFound, CorruptCheckpoint, UnsupportedCheckpoint: the folder holds none of the three.
    """
    if is_model(folder):
        return (*opened_model(folder), 0.0)
    state = run_or_seed(folder, torch.device("cpu"))
    return state.average, TrunkFeatures(trunk_of(state)), round(state.counters.images / 1000, 1)


def adopted_state(
    folder: Path, reals: Callable[[int], Sampler], device: torch.device, *, steps: int = 100, batch: int = 32
) -> TrainState:
    """A run's state from a model's folder; counters and optimiser start anew.

    The discriminator's head is not part of a model: a fresh one learns, on the trunk as it is, to tell pictures of
    `reals(resolution)` from the generator's, with Adam for `steps` steps.

    Raises:
        NotFound, UnsupportedCheckpoint: see `opened_model`.
    """
    drawing, seeing = opened_model(folder)
    trunk = seeing.trunk
    state = new_state(drawing.config, trunk.config, seed=0, device=device)
    for generator in (state.generator, state.average):
        generator.load_state_dict(drawing.state_dict())
    state.discriminator.load_state_dict(trunk.state_dict(), strict=False)
    _fit_head(state, reals(drawing.resolution), steps, batch)
    return state


def opened_model(folder: Path) -> tuple[StyleGAN2, TrunkFeatures]:
    """The generator and the perceptual network of a model's folder.

    Raises:
        NotFound: MODEL_UNKNOWN if the folder lacks one of the files.
        UnsupportedCheckpoint: MODEL_UNSUPPORTED if they are not a StyleGAN2 and a discriminator's trunk.
    """
    if not (folder / FEATURES_FILE).is_file():
        raise NotFound("MODEL_UNKNOWN", f"{folder} holds no {FEATURES_FILE}.", "Give the folder of an exported model.")
    drawing, seeing = load_generator(folder / GENERATOR_FILE), load_features(folder / FEATURES_FILE)
    if not isinstance(drawing, StyleGAN2) or not isinstance(seeing, TrunkFeatures):
        raise UnsupportedCheckpoint(
            "MODEL_UNSUPPORTED",
            f"{folder} holds no StyleGAN2 with the trunk of its discriminator.",
            "Give the folder of a model that latentlayers.training has exported.",
        )
    return drawing, seeing


def _fit_head(state: TrainState, reals: Sampler, steps: int, batch: int) -> None:
    judge, device = state.discriminator, state.average.w_avg.device
    head = [*judge.conv.parameters(), *judge.fc.parameters(), *judge.out.parameters()]
    optimiser = torch.optim.Adam(head, lr=HEAD_RATE, betas=(0.0, 0.99))
    with torch.no_grad():  # once, as the trunk stays what it is
        pictures = draw_samples(state.average, HEAD_PICTURES), reals.draw(HEAD_PICTURES, device)
        known = [torch.cat([judge.features(part)[-1] for part in torch.split(images, 64)]) for images in pictures]
    for _ in range(steps):
        fake, real = (judge.judge(rows[torch.randint(len(rows), [batch // 2])]) for rows in known)
        optimiser.zero_grad()
        torch.autograd.backward(F.softplus(fake).mean() + F.softplus(-real).mean())
        optimiser.step()
