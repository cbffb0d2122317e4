"""What the processes of a run hold in common."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch import multiprocessing as mp

from latentlayers.errors import Unavailable
from latentlayers.generators.discriminator import DiscriminatorConfig
from latentlayers.generators.stylegan2 import StyleGAN2Config
from latentlayers.training.codebook import first_codes, w_deviation
from latentlayers.training.flat import flatten_parameters
from latentlayers.training.settings import TrainSettings
from latentlayers.training.state import Counters, TrainState

BARRIER_TIMEOUT = 300.0  # seconds; a step takes well under one, writing files a few


@dataclass(frozen=True)
class RunPlan:
    """What one invocation does, as opposed to what the run is.

    Attributes:
        folder: where the state, the sample grids and the log go; made if need be.
        minutes: stop after this much wall time. The decay of the learning rates is planned against it, as a shared
            machine makes steps unpredictable.
        max_kimg: also stop once this many thousand pictures were shown in all.
        processes: processes of one thread each; 1 keeps torch's own threads. More than 1 needs the CPU.
        device: "cpu" or "cuda".
        dtype: precision of the convolutions.
        checkpoint_minutes, grid_minutes: how often to write the state, and a sample grid.
    """

    folder: Path
    minutes: float
    max_kimg: float = float("inf")
    processes: int = 1
    device: str = "cpu"
    dtype: torch.dtype = torch.bfloat16
    checkpoint_minutes: float = 5.0
    grid_minutes: float = 5.0


@dataclass(frozen=True)
class Common:
    """Given to every process; with several, the tensors are in shared memory.

    Attributes:
        images, weights: the pictures [N, 3, R, R] uint8 and their probabilities [N].
        generator, average, discriminator: flat parameter vectors.
        generator_moment, discriminator_moment: Adam's second moments.
        gradients: per process, one flat vector for the generator and one for the discriminator.
        codes: [N, num_ws, w_dim], the training pictures' codes; empty without reconstruction.
        centre, deviation: of w when this invocation began.
        signs: [processes], latest mean sign of D on real pictures.
        progress: [1], share of the planned time that is over, as the first process reads it.
        stop: [1], 1 once the first process has begun the last step.
        begin: counters at the beginning of this invocation.
    """

    settings: TrainSettings
    plan: RunPlan
    generator_config: StyleGAN2Config
    discriminator_config: DiscriminatorConfig
    images: Tensor
    weights: npt.NDArray[np.float64]
    generator: Tensor
    average: Tensor
    discriminator: Tensor
    generator_moment: Tensor
    discriminator_moment: Tensor
    gradients: list[tuple[Tensor, Tensor]]
    codes: Tensor
    centre: Tensor
    deviation: float
    signs: Tensor
    progress: Tensor
    stop: Tensor
    begin: Counters
    barrier: Barrier | None

    def meet(self) -> None:
        """Wait for the other processes.

        Raises:
            Unavailable: WORKER_DIED if one of them failed or does not come.
        """
        if self.barrier is None:
            return
        try:
            self.barrier.wait(BARRIER_TIMEOUT)
        except threading.BrokenBarrierError as error:
            raise Unavailable(
                "WORKER_DIED",
                "A training process has stopped answering.",
                "Start again with --resume: at most the minutes since the last checkpoint are lost.",
            ) from error


def share(
    state: TrainState, settings: TrainSettings, plan: RunPlan, images: Tensor, weights: npt.NDArray[np.float64]
) -> Common:
    """Move everything into place; the networks of `state` become views of the flat vectors."""

    def placed(tensor: Tensor) -> Tensor:
        # In place: views of the tensor follow its storage into shared memory.
        return tensor.share_memory_() if plan.processes > 1 else tensor  # type: ignore[no-untyped-call]

    generator, average, discriminator = (
        placed(flatten_parameters(module)) for module in (state.generator, state.average, state.discriminator)
    )
    return Common(
        settings=settings,
        plan=plan,
        generator_config=state.generator.config,
        discriminator_config=state.discriminator.config,
        images=placed(images),
        weights=weights,
        generator=generator,
        average=average,
        discriminator=discriminator,
        generator_moment=placed(state.generator_moment),
        discriminator_moment=placed(state.discriminator_moment),
        gradients=[
            (placed(torch.zeros_like(generator)), placed(torch.zeros_like(discriminator)))
            for _ in range(plan.processes)
        ],
        codes=placed(_codes(state, settings, images)),
        centre=state.average.w_avg.clone(),
        deviation=w_deviation(state.average),
        signs=placed(torch.zeros(plan.processes)),
        progress=placed(torch.zeros(1)),
        stop=placed(torch.zeros(1)),
        begin=Counters(**vars(state.counters)),
        barrier=mp.get_context("spawn").Barrier(plan.processes) if plan.processes > 1 else None,
    )


def _codes(state: TrainState, settings: TrainSettings, images: Tensor) -> Tensor:
    """The run's codes, or first ones if it has none for these pictures; `state` gets them too."""
    if not settings.reconstruct:
        return torch.zeros(0)
    wanted = (len(images), state.average.num_ws, state.average.w_dim)
    if state.codes is None or state.codes.shape != wanted:
        state.codes = first_codes(state.average, images)
    return state.codes
