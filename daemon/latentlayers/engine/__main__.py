"""`python -m latentlayers.engine`: the worker process. Started by the front, not by hand."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path


def main() -> None:
    """Takes standard input and output for frames, loads torch, and works until told to stop."""
    parser = argparse.ArgumentParser(prog="latentlayers.engine")
    parser.add_argument("--home", type=Path, help="folder for all of the daemon's files")
    arguments = parser.parse_args()
    # Whatever a library prints must not end up between frames.
    outgoing = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(levelname)s %(name)s: %(message)s")

    # Threads that wait for others must not take the time those need; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    import torch

    from latentlayers.engine import device as devices
    from latentlayers.engine.assemble import build_worker
    from latentlayers.paths import Paths

    devices.limit_threads()
    device = devices.choose_device(os.environ.get("LATENTLAYERS_DEVICE", ""))
    paths = Paths.under(arguments.home) if arguments.home else Paths.default()
    worker = build_worker(sys.stdin.buffer, outgoing, paths, device)
    worker.run({"pid": os.getpid(), "device": devices.describe(device), "torch": torch.__version__})


if __name__ == "__main__":
    main()
