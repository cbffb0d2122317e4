"""What the daemon costs: the same picture rendered through it and directly."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from latentlayers.bench.private import private_daemon
from latentlayers.bench.report import BenchOptions, Table, milliseconds, spread
from latentlayers.checkpoints import load_generator
from latentlayers.client import Latent
from latentlayers.engine.device import limit_threads
from latentlayers.generators.settled import settle
from latentlayers.imaging import encode_png
from latentlayers.library import ModelStore
from latentlayers.paths import Paths

REPETITIONS = 10


def run(options: BenchOptions) -> Table:
    """Alternates a direct call and one through gRPC, so that both meet the same machine."""
    limit_threads()
    with private_daemon() as client:
        store = ModelStore(Paths.default())
        entry = store.get(options.model) if options.model else store.default()
        generator = load_generator(entry.path)
        settle(generator)  # as the daemon has it
        ws = generator.map(torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(0)))
        latent = Latent.of(ws[0].numpy(), entry.digest)

        def direct() -> None:
            with torch.inference_mode():
                encode_png(generator.synthesize(ws)[0].numpy())

        def through_daemon() -> None:
            client.render(latent)

        def status() -> None:
            client.status()

        times: dict[str, list[float]] = {"direct": [], "daemon": [], "status": []}
        for call in (direct, through_daemon):
            call()  # loads the model, fills caches
        for _ in range(REPETITIONS * options.count):
            times["direct"].append(_timed(direct))
            times["daemon"].append(_timed(through_daemon))
            times["status"].append(_timed(status))
    medians = {name: spread(values)["median"] for name, values in times.items()}
    overhead = medians["daemon"] - medians["direct"]
    return Table(
        title=f"One picture of {entry.name}, rendered and encoded as PNG",
        columns=("call", "median (min to max)"),
        rows=(
            ("direct, in one process", milliseconds(times["direct"])),
            ("Render through the daemon", milliseconds(times["daemon"])),
            ("overhead of the daemon", f"{overhead * 1e3:.1f} ms"),
            ("GetStatus (front alone)", milliseconds(times["status"])),
        ),
        figures={
            **{name: spread(values) for name, values in times.items()},
            "overhead_seconds": overhead,
            "repetitions": REPETITIONS * options.count,
        },
    )


def _timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
