"""How long a slider waits for its picture: alone, and while a long embedding holds the device."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from latentlayers.bench.private import private_daemon
from latentlayers.bench.report import BenchOptions, Table, milliseconds, spread
from latentlayers.checkpoints import load_generator
from latentlayers.client import CancelToken, Client, EmbedOptions, Latent, Morph, Picture, Progress
from latentlayers.client.events import Event
from latentlayers.errors import Cancelled
from latentlayers.library import ModelStore
from latentlayers.paths import Paths

REPETITIONS = 5


def run(options: BenchOptions) -> Table:
    """Morphs between two samples, one weight per call, as a slider does."""
    with private_daemon() as client:
        store = ModelStore(Paths.default())
        entry = store.get(options.model) if options.model else store.default()
        generator = load_generator(entry.path)
        z = torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(0))
        a, b = (Latent.of(ws.numpy(), entry.digest) for ws in generator.map(z))
        picture = client.render(a).images[0].picture
        idle = _slide(client, a, b, REPETITIONS * options.count)
        with _busy(client, picture):
            busy = _slide(client, a, b, REPETITIONS * options.count)
    return Table(
        title=f"Latency of one morph preview at {entry.resolution} px",
        columns=("daemon", "median (min to max)"),
        rows=(("idle", milliseconds(idle)), ("embedding with the preset paper", milliseconds(busy))),
        figures={"idle": spread(idle), "busy": spread(busy), "repetitions": REPETITIONS * options.count},
    )


def _slide(client: Client, a: Latent, b: Latent, count: int) -> list[float]:
    times = []
    for i in range(count):
        began = time.perf_counter()
        client.run(Morph(a, b, weights=[i / count], latest_wins_key="bench"))
        times.append(time.perf_counter() - began)
    return times


@contextmanager
def _busy(client: Client, picture: Picture) -> Iterator[None]:
    """A `paper` embedding runs, past its first step, while the body does."""
    token, under_way = CancelToken(), threading.Event()

    def on_event(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "embedding" and event.step > 0:
            under_way.set()

    def embed() -> None:
        try:
            client.embed(picture, EmbedOptions(preset="paper", refresh=True), on_event=on_event, cancel=token)
        except Cancelled:
            pass
        finally:
            under_way.set()

    thread = threading.Thread(target=embed)
    thread.start()
    under_way.wait()
    try:
        yield
    finally:
        token.cancel()
        thread.join()
