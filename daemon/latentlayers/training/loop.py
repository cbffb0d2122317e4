"""Running a training: the processes, the clock, and the files.

On CPUs, one process of one thread per core is several times faster than one process of many threads, as the tensors
are small. One process, or a GPU, is the same loop with nobody to wait for.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch import multiprocessing as mp

from latentlayers.errors import Unavailable
from latentlayers.training.grids import measure_w_avg, sample_grid, save_png
from latentlayers.training.progress import ProgressLog
from latentlayers.training.settings import TrainSettings
from latentlayers.training.shared import Common, RunPlan, share
from latentlayers.training.state import TrainState, save_state
from latentlayers.training.worker import Worker


def train(
    state: TrainState,
    settings: TrainSettings,
    plan: RunPlan,
    images: Tensor,
    weights: npt.NDArray[np.float64],
    show: Callable[[str], None] = print,
) -> None:
    """Train until the plan's end, SIGINT or SIGTERM, then write the state and a last grid.

    `state` is updated in place. images [N, 3, R, R] uint8 with R the generator's resolution, weights [N] summing to 1.

    Raises:
        ValueError: a batch that the processes cannot share equally, or several processes on a GPU.
        Unavailable: WORKER_DIED if one of the other processes was killed.
    """
    if settings.batch % plan.processes or (plan.processes > 1 and plan.device != "cpu"):
        raise ValueError(f"batch {settings.batch} does not go with {plan.processes} processes on {plan.device}")
    plan.folder.mkdir(parents=True, exist_ok=True)
    common = share(state, settings, plan, images, weights)
    with _helpers(common), _stop_signals() as asked:
        _lead(common, state, asked, show)


def _lead(common: Common, state: TrainState, asked: threading.Event, show: Callable[[str], None]) -> None:
    """The first process: trains like the others, keeps the clock and writes the files."""
    plan = common.plan
    worker = Worker(common, 0, state)
    log = ProgressLog(plan.folder, show)
    begin, earlier, planned = time.monotonic(), state.counters.seconds, plan.minutes * 60
    next_checkpoint, next_grid = plan.checkpoint_minutes * 60, 0.0
    while not worker.stopping:
        elapsed = time.monotonic() - begin
        state.counters.seconds = earlier + elapsed
        if elapsed >= next_grid:
            write_grid(state, common.settings, plan.folder)
            next_grid = elapsed + plan.grid_minutes * 60
        if elapsed >= next_checkpoint:
            write_checkpoint(state, common.settings, plan.folder)
            next_checkpoint = elapsed + plan.checkpoint_minutes * 60
        common.progress[0] = elapsed / planned
        if elapsed >= planned or state.counters.images >= plan.max_kimg * 1000 or asked.is_set():
            common.stop[0] = 1
        log.add(worker.step(), common.settings.batch)
        log.report_if_due(state.counters, worker.side, worker.rates[0], planned - elapsed)
    write_grid(state, common.settings, plan.folder)
    write_checkpoint(state, common.settings, plan.folder)
    show(f"stopped at {state.counters.images / 1000:.1f} kimg; state in {plan.folder}")


def write_checkpoint(state: TrainState, settings: TrainSettings, folder: Path) -> None:
    """The resumable state; the averaged generator's `w_avg` is brought up to date first."""
    state.average.w_avg.copy_(measure_w_avg(state.average))
    save_state(state, settings, folder)


def write_grid(state: TrainState, settings: TrainSettings, folder: Path) -> None:
    """samples/{kimg}.png, drawn by the averaged generator at truncation 0.7."""
    state.average.w_avg.copy_(measure_w_avg(state.average))
    (folder / "samples").mkdir(exist_ok=True)
    side = settings.side_at(state.counters.images, state.average.resolution)
    path = folder / "samples" / f"{state.counters.images // 1000:06d}.png"
    save_png(sample_grid(state.average, 0.7, side=side), path)


@contextmanager
def _helpers(common: Common) -> Iterator[None]:
    """The other processes, while the context lasts."""
    processes, threads = common.plan.processes, torch.get_num_threads()
    context = mp.get_context("spawn")
    helpers = [context.Process(target=_help, args=(common, rank), daemon=True) for rank in range(1, processes)]
    for helper in helpers:
        helper.start()
    try:
        if helpers:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)
        for helper in helpers:
            helper.join(5)
            helper.kill()


def _help(common: Common, rank: int) -> None:
    """Body of every process but the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides, and tells the others
    torch.set_num_threads(1)
    assert common.barrier is not None
    try:
        worker = Worker(common, rank)
        while not worker.stopping:
            worker.step()
    except Unavailable:
        return  # the first process is gone or has failed, and it is the one that reports
    except BaseException:
        common.barrier.abort()
        raise


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, instead of ending the process."""
    asked = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
