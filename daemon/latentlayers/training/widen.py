"""Starting a larger run from a smaller one without losing what it has learnt (after Net2Net, Chen et al., ICLR 2016).

The small networks become the leading channels of the large ones. Fresh channels compute random functions from the
start, but nothing reads them yet: their weights into the old channels begin at 0, so a large network computes what the
small one did, and the optimiser decides what the fresh channels are for.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlayers.errors import InvalidInput
from latentlayers.generators.discriminator import DiscriminatorConfig
from latentlayers.generators.stylegan2 import StyleGAN2Config
from latentlayers.generators.widening import take_over
from latentlayers.training.data import Sampler
from latentlayers.training.grids import draw_samples, measure_w_avg
from latentlayers.training.growth import open_generator_side
from latentlayers.training.state import TrainState, new_state

ENTRY_RATE = 0.02
FAKES = 128


@torch.no_grad()
def widened_state(small: TrainState, config: StyleGAN2Config, judge: DiscriminatorConfig, seed: int) -> TrainState:
    """A new run whose larger networks compute what those of `small` do; counters and optimiser start anew.

    Both generators start from the average of `small` and draw its pictures, enlarged if `config` has a larger side.
    With a wider z they do so nearly: z is divided by its length, in which the fresh numbers now count.
    A discriminator of a larger side still has random first layers: see `fit_entry`.

    Raises:
        InvalidInput: SIZES_INVALID if `small` does not fit into the larger networks.
    """
    _require_growth(small, config, judge)
    state = new_state(config, judge, seed, small.average.w_avg.device)
    take_over(small.average, state.generator)
    for side in state.generator.synthesis.sides:
        if side > small.generator.resolution:
            open_generator_side(state.generator, side)
    state.average.load_state_dict(state.generator.state_dict())
    state.average.w_avg.copy_(measure_w_avg(state.average))
    grows = judge.resolution > small.discriminator.config.resolution
    take_over(small.discriminator, state.discriminator, leave=("stem",) if grows else ())
    return state


def _require_growth(small: TrainState, config: StyleGAN2Config, judge: DiscriminatorConfig) -> None:
    old, old_judge = small.generator.config, small.discriminator.config
    pairs = [(old.z_dim, config.z_dim), (old.w_dim, config.w_dim), (old_judge.head_features, judge.head_features)]
    for narrow, wide in ((old.channels, config.channels), (old_judge.channels, judge.channels)):
        pairs += [(width, wide.get(side, 0)) for side, width in narrow.items()]
    problem = ""
    if any(after < before for before, after in pairs):
        problem = "a layer would be narrower than before"
    elif old.mapping_layers != config.mapping_layers:
        problem = "the number of mapping layers has to stay"
    elif old_judge.channels[4] != judge.channels[4]:
        # The batch statistic is a mean over these channels: fresh ones would change it.
        problem = "the discriminator's width at 4 px has to stay"
    if problem:
        raise InvalidInput(
            "SIZES_INVALID", f"The run cannot grow to these sizes: {problem}.", "Give sizes that hold the old ones."
        )


def fit_entry(small: TrainState, state: TrainState, reals: Sampler, *, steps: int = 300, batch: int = 16) -> float:
    """Teach the first layers of a discriminator of larger side to see what the smaller one's stem saw.

    Those layers, down to the side at which the old network's stem took over, are fitted with Adam to the stem's output
    for the same pictures, halved: half of them `reals`, half drawn by the generator. No weights do this exactly, as the
    new layers average where the stem told pixels apart.

    Returns:
        The share of the stem's variance that the fitted layers miss, in the last steps' mean; 0 if no side was added.
    """
    judge, stem = state.discriminator, small.discriminator.stem
    scale = judge.config.resolution // small.discriminator.config.resolution
    if scale == 1:
        return 0.0
    added = [side for side in judge.sides if side >= small.discriminator.config.resolution]
    entry = nn.Sequential(judge.stem, *(judge.get_submodule(f"b{side}") for side in added))
    optimiser = torch.optim.Adam(entry.parameters(), lr=ENTRY_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    device = state.average.w_avg.device
    misses: list[float] = []
    fakes = draw_samples(state.average, FAKES)
    for _ in range(steps):
        with torch.no_grad():
            drawn = fakes[torch.randint(len(fakes), [batch // 2])]
            images = torch.cat([reals.draw(batch // 2, device), drawn])
            wanted: Tensor = stem(F.pixel_unshuffle(F.avg_pool2d(images, scale), 2))
        seen = entry(F.pixel_unshuffle(images, 2))[:, : wanted.shape[1]]
        miss = (seen - wanted).square().mean() / wanted.var()
        optimiser.zero_grad()
        torch.autograd.backward(miss)
        optimiser.step()
        schedule.step()
        misses.append(float(miss.detach()))
    return sum(misses[-10:]) / len(misses[-10:])
