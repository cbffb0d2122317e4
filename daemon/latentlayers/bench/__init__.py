"""Measured comparisons, `latentlayers bench NAME`: each runs both sides in one go and reports ratios."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from latentlayers.bench.report import Benchmark, BenchOptions, Table

_SUMMARIES = {
    "embed": "seconds and objective of `fast`, `projector` and `paper` on the same pictures",
    "step": "one optimiser step: synthesis, perceptual network, gradient",
    "rpc": "a call through the daemon against the same work done directly",
    "front": "time until the front answers, and its resident memory",
    "load": "time and memory to load a 1024 px StyleGAN2, per file format",
    "preview": "latency of a slider preview, alone and while an embedding runs",
}


def _benchmark(name: str, summary: str) -> Benchmark:
    def run(options: BenchOptions) -> Table:
        # Imported when it runs: some need torch, and listing them should not.
        table: Table = import_module(f"latentlayers.bench.{name}").run(options)
        return table

    return Benchmark(name, summary, run)


BENCHMARKS: Mapping[str, Benchmark] = {name: _benchmark(name, summary) for name, summary in _SUMMARIES.items()}

__all__ = ["BENCHMARKS", "BenchOptions", "Benchmark", "Table"]
