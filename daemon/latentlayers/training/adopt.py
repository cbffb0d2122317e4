"""Going on from a model as it is shipped: its generator and the trunk of its discriminator, and no more of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from latentlayers.checkpoints import load_generator
from latentlayers.errors import NotFound, UnsupportedCheckpoint
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.generators.stylegan2 import StyleGAN2
from latentlayers.inversion.features import TrunkFeatures, load_features
from latentlayers.training.data import Sampler
from latentlayers.training.export import FEATURES_FILE, GENERATOR_FILE
from latentlayers.training.state import TrainState, new_state
from latentlayers.training.step import mixed_latents

HEAD_RATE = 0.002


def is_model(folder: Path) -> bool:
    """True if the folder holds a model's files rather than a run's or a seed's."""
    return (folder / GENERATOR_FILE).is_file()


def opened_model(folder: Path) -> tuple[StyleGAN2, DiscriminatorTrunk]:
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
    return drawing, seeing.trunk


def adopted_state(
    folder: Path, reals: Callable[[int], Sampler], device: torch.device, *, steps: int = 200, batch: int = 32
) -> TrainState:
    """A run's state from a model's folder; counters and optimiser start anew.

    The discriminator's head is not part of a model: a fresh one learns, on the trunk as it is, to tell pictures of
    `reals(resolution)` from the generator's, with Adam for `steps` steps.

    Raises:
        NotFound, UnsupportedCheckpoint: see `opened_model`.
    """
    drawing, trunk = opened_model(folder)
    state = new_state(drawing.config, trunk.config, seed=0, device=device)
    for generator in (state.generator, state.average):
        generator.load_state_dict(drawing.state_dict())
    state.discriminator.load_state_dict(trunk.state_dict(), strict=False)
    _fit_head(state, reals(drawing.resolution), steps, batch)
    return state


def _fit_head(state: TrainState, reals: Sampler, steps: int, batch: int) -> None:
    judge, device = state.discriminator, state.average.w_avg.device
    head = [*judge.conv.parameters(), *judge.fc.parameters(), *judge.out.parameters()]
    optimiser = torch.optim.Adam(head, lr=HEAD_RATE, betas=(0.0, 0.99))
    for _ in range(steps):
        with torch.no_grad():
            fakes = state.average.synthesize(mixed_latents(state.average, batch // 2, 0.5, device), noise="random")
            seen = [judge.features(images)[-1] for images in (fakes, reals.draw(batch // 2, device))]
        fake, real = (judge.judge(features) for features in seen)
        optimiser.zero_grad()
        torch.autograd.backward(F.softplus(fake).mean() + F.softplus(-real).mean())
        optimiser.step()
