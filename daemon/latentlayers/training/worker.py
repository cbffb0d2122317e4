"""One process's side of training: gradients of its share of the batch, updates of its slice of the parameters.

Per step, each process adds its share of the batch to its own gradient vectors; at a barrier they meet; each then
updates its slice of the parameters from the sum of all gradients; at a second barrier the new parameters are ready.
From there to the next first barrier nobody changes them, so that the first process may write files.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentlayers.generators.discriminator import Discriminator
from latentlayers.generators.stylegan2 import StyleGAN2
from latentlayers.training.codebook import Turn, Window
from latentlayers.training.data import Sampler
from latentlayers.training.flat import adam_step, bind_gradients, bind_parameters
from latentlayers.training.growth import open_discriminator_stem, open_generator_side
from latentlayers.training.shared import Common
from latentlayers.training.state import Counters, TrainState
from latentlayers.training.step import StepStats, accumulate_gradients, shrunk

SIGN_MEMORY = 0.98  # per step


class Worker:
    """Process `rank` of a run; the first one brings the state, whose counters it advances.

    Attributes:
        rates: the learning rates of the last step, generator's and discriminator's.
        stopping: the last step was the last one.
    """

    def __init__(self, common: Common, rank: int, state: TrainState | None = None) -> None:
        self.common, self.rank, self.state = common, rank, state
        if state is not None:
            self.counters = state.counters
            self.generator, self.discriminator = state.generator, state.discriminator
        else:
            self.counters = Counters(**vars(common.begin))
            self.generator = StyleGAN2(common.generator_config).requires_grad_(True)
            self.discriminator = Discriminator(common.discriminator_config)
            bind_parameters(self.generator, common.generator)
            bind_parameters(self.discriminator, common.discriminator)
        bind_gradients(self.generator, common.gradients[rank][0])
        bind_gradients(self.discriminator, common.gradients[rank][1])
        # Other random numbers in every process and after every resumption.
        seed = (common.settings.seed, rank, self.counters.steps)
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**63)))
        self.sampler = Sampler(common.images, common.weights, seed)
        self.window = Window.over(common.weights, common.settings.window, common.settings.visits, common.settings.seed)
        self.random = np.random.default_rng((*seed, 1))
        self.rates = (0.0, 0.0)
        self.stopping = False

    @property
    def side(self) -> int:
        """The side that pictures have now."""
        return self.common.settings.side_at(self.counters.images, self.generator.resolution)

    def step(self) -> StepStats:
        """One step; its statistics are those of this process's share."""
        common, settings, counters, side = self.common, self.common.settings, self.counters, self.side
        for gradient in common.gradients[self.rank]:
            gradient.zero_()
        turn = self._turn()
        stats = accumulate_gradients(
            self.generator,
            self.discriminator,
            self._reals(side),
            settings,
            augment_probability=counters.augment,
            penalise=counters.steps % settings.r1_every == 0,
            dtype=common.plan.dtype,
            codes=turn.codes if turn else None,
        )
        if turn:
            turn.write(common.codes)
        common.signs[self.rank] = stats.real_sign
        common.meet()
        self._update_slice()
        counters.images += settings.batch
        counters.steps += 1
        counters.real_sign += (1 - SIGN_MEMORY) * (float(common.signs.mean()) - counters.real_sign)
        counters.augment = settings.next_augment(counters.augment, counters.real_sign)
        self.stopping = bool(common.stop[0])
        common.meet()
        if self.side > side:
            self._open(self.side)
        return stats

    def _turn(self) -> Turn | None:
        """The pictures that some of this process's fakes are to be."""
        common, share = self.common, self.common.settings.batch // self.common.plan.processes
        count = round(share * common.settings.reconstruct)
        if not count:
            return None
        visited = int(self.counters.images * common.settings.reconstruct)
        picked = self.window.pick(visited, count, self.random)
        return Turn.of(picked, common.images, common.codes, common.centre, common.deviation)

    def _reals(self, side: int) -> Tensor:
        common = self.common
        share = common.settings.batch // common.plan.processes
        return shrunk(self.sampler.draw(share, torch.device(common.plan.device)), side)

    @torch.no_grad()
    def _update_slice(self) -> None:
        """Adam, and the moving average."""
        common, settings, counters = self.common, self.common.settings, self.counters
        self.rates = settings.rates_at(float(common.progress[0]), counters.steps)
        networks = ((common.generator, common.generator_moment), (common.discriminator, common.discriminator_moment))
        for which, (parameters, moment) in enumerate(networks):
            gradient = self._mine(common.gradients[0][which])
            for others in common.gradients[1:]:
                gradient += self._mine(others[which])
            adam_step(
                self._mine(parameters),
                gradient,
                self._mine(moment),
                rate=self.rates[which],
                beta2=settings.beta2,
                steps=counters.steps,
            )
        self._mine(common.average).lerp_(self._mine(common.generator), 1 - settings.ema_decay(counters.images))

    def _mine(self, flat: Tensor) -> Tensor:
        return torch.tensor_split(flat, self.common.plan.processes)[self.rank]

    def _open(self, side: int) -> None:
        """Grow to pictures of this side."""
        self.common.meet()
        if self.state is not None:
            open_generator_side(self.state.generator, side)
            open_generator_side(self.state.average, side)
            if side == self.generator.resolution:
                open_discriminator_stem(self.discriminator)
        self.common.meet()
