"""How soon the front answers after its process starts, and how much memory it holds while nothing is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from latentlayers.bench.report import BenchOptions, Table, milliseconds, spread
from latentlayers.paths import Paths

TIMEOUT_S = 20.0


def run(options: BenchOptions) -> Table:
    """Starts a daemon `options.count` times and asks its health until it says SERVING."""
    starts, memory = [], []
    for _ in range(options.count):
        with tempfile.TemporaryDirectory(prefix="ll-bench-") as home:
            seconds, resident = _start_once(Path(home))
        starts.append(seconds)
        memory.append(resident / 1e6)
        options.log(f"answered after {seconds:.3f} s with {resident / 1e6:.1f} MB resident")
    size = spread(memory)
    return Table(
        title="The front process",
        columns=("figure", "median (min to max)"),
        rows=(
            ("process start to health SERVING", milliseconds(starts)),
            (
                "resident memory, worker unloaded",
                f"{size['median']:.1f} ({size['min']:.1f} to {size['max']:.1f}) MB",
            ),
        ),
        figures={"start_seconds": spread(starts), "resident_megabytes": size, "repetitions": options.count},
    )


def _start_once(home: Path) -> tuple[float, int]:
    """(seconds until SERVING, resident bytes after it answered)."""
    environment = {k: v for k, v in os.environ.items() if k != "LATENTLAYERS_ADDRESS"}
    target = f"unix:{Paths.under(home).socket}"
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "latentlayers.service"],
        env={**environment, "LATENTLAYERS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # A fresh channel for each attempt: one that failed waits longer and longer before it tries again.
        while time.monotonic() - began < TIMEOUT_S:
            with grpc.insecure_channel(target) as channel:
                try:
                    stub: Any = health_pb2_grpc.HealthStub(channel)
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
                except grpc.RpcError:
                    time.sleep(0.005)
                    continue
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return time.monotonic() - began, psutil.Process(process.pid).memory_info().rss
        raise TimeoutError("the front did not answer")
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
