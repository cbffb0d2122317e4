"""`python -m latentlayers.cli.probe`: what torch can do here, as JSON. A process of its own: torch loads slowly."""

from __future__ import annotations

import json

import torch

from latentlayers.checkpoints.vgg16 import find_vgg16
from latentlayers.errors import LatentLayersError
from latentlayers.paths import Paths


def probe() -> dict[str, object]:
    """torch's version, the GPUs it can use, its number of threads, and the VGG16 file."""
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    found: dict[str, object] = {
        "version": torch.__version__,
        "cuda_build": torch.version.cuda or "",
        "gpus": [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in gpus],
        "mps": torch.backends.mps.is_available(),
        "threads": torch.get_num_threads(),
    }
    try:
        vgg16 = find_vgg16([Paths.default().features])
        return {**found, "vgg16": str(vgg16) if vgg16 else "", "vgg16_problem": ""}
    except LatentLayersError as error:
        return {**found, "vgg16": "", "vgg16_problem": error.message}


if __name__ == "__main__":
    print(json.dumps(probe()))
