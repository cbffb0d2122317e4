"""Where the time of an optimiser step goes."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from latentlayers.bench.report import BenchOptions, Table, milliseconds, spread
from latentlayers.checkpoints import load_generator
from latentlayers.engine.device import choose_device, limit_threads
from latentlayers.engine.models import ModelCache
from latentlayers.generators import Generator
from latentlayers.inversion import Objective
from latentlayers.library import ModelStore
from latentlayers.paths import Paths

REPETITIONS = 5
AS_READ = "the same with the generator's weights as they were read, not laid out"


def run(options: BenchOptions) -> Table:
    """Times synthesis alone, with its gradient, and the whole evaluation, with and without `settle`, in turn."""
    limit_threads()
    model = ModelCache(ModelStore(Paths.default()), choose_device()).get(options.model)
    generator, features = model.generator, model.features
    z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(model.device)
    samples = generator.map(z)
    ws, other = samples[:1], samples[1:]
    with torch.no_grad():
        objective = Objective(features, generator.synthesize(other))

    def forward() -> None:
        with torch.no_grad():
            generator.synthesize(ws)

    def backward() -> None:
        code = ws.clone().requires_grad_(True)
        torch.autograd.grad(generator.synthesize(code).sum(), code)

    def evaluation(drawer: Generator = generator) -> None:
        code = ws.clone().requires_grad_(True)
        torch.autograd.grad(objective(drawer.synthesize(code)).sum(), code)

    as_read = load_generator(model.entry.path).to(model.device)
    calls: dict[str, Callable[[], None]] = {
        "synthesis": forward,
        "synthesis and its gradient": backward,
        "one evaluation: with the perceptual network": evaluation,
        AS_READ: lambda: evaluation(as_read),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}

    def clock(name: str, call: Callable[[], None]) -> None:
        began = time.perf_counter()
        call()
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        times[name].append(time.perf_counter() - began)

    for warm_up in calls.values():
        warm_up()
        warm_up()
    for _ in range(REPETITIONS * options.count):
        for name, call in calls.items():
            clock(name, call)
    return Table(
        title=f"One optimiser step of {model.entry.name}, {torch.get_num_threads()} thread(s)",
        columns=("part", "median (min to max)"),
        rows=[(name, milliseconds(values)) for name, values in times.items()],
        figures={name: spread(values) for name, values in times.items()},
    )
