"""How long a checkpoint of the official size takes to load, and how much memory: one random file per format."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from latentlayers.bench.report import BenchOptions, Table, spread

MEGA = 1e6
FORMATS = {
    "ours, safetensors": "write_native",
    "rosinality, converted": "write_rosinality",
    "rosinality, training": "write_rosinality_training",
    "encoder4editing": "write_encoder",
    "NVIDIA, PyTorch": "write_nvidia",
    "NVIDIA, TensorFlow": "write_tensorflow",
}

T = TypeVar("T")


def run(options: BenchOptions) -> Table:
    """Writes a StyleGAN2 of configuration F at 1024 px in each format and loads it, each time in a fresh process."""
    rows, figures = [], {}
    for name, writer in FORMATS.items():
        with tempfile.TemporaryDirectory(prefix="ll-bench-") as folder:
            path = Path(folder) / "checkpoint"
            _in_fresh_process(_write, writer, path)
            size = path.stat().st_size
            loads = [_in_fresh_process(_load, path) for _ in range(options.count)]
        times, peak = spread([seconds for seconds, _ in loads]), max(peak for _, peak in loads)
        options.log(f"{name}: {times['median']:.2f} s, {peak / size:.2f} times its {size / MEGA:.0f} MB")
        rows.append(
            (
                name,
                f"{size / MEGA:.0f} MB",
                f"{times['median']:.2f} ({times['min']:.2f} to {times['max']:.2f}) s",
                f"{peak / MEGA:.0f} MB",
                f"{peak / size:.2f}",
            )
        )
        figures[name] = {"bytes": size, "seconds": times, "peak_bytes": peak, "peak_per_byte": peak / size}
    return Table(
        title="Loading a StyleGAN2 of 1024 px, configuration F",
        columns=("format", "file", "median (min to max)", "peak memory", "times the file"),
        rows=rows,
        figures=figures,
        notes=("Peak memory is what the process held at most beyond what importing torch took.",),
    )


def _in_fresh_process(call: Callable[..., T], *arguments: object) -> T:
    # A process starts with the peak of the one that started it; this one stays small, so that it does not matter.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, arguments)


def _write(writer: str, path: Path) -> None:
    from latentlayers.bench import checkpoints
    from latentlayers.generators import StyleGAN2

    getattr(checkpoints, writer)(path, StyleGAN2(checkpoints.CONFIG_F))


def _load(path: Path) -> tuple[float, int]:
    """(seconds, bytes of memory at most) that loading takes."""
    import torch  # noqa: F401

    before = _peak_bytes()
    from latentlayers.checkpoints import load_checkpoint

    began = time.perf_counter()
    load_checkpoint(path)
    return time.perf_counter() - began, _peak_bytes() - before


def _peak_bytes() -> int:
    """The most memory that this process has held so far."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
