"""Embeddings and models to put into a library."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from latentlayers.library import Embedding, Latent, ModelEntry, embedding_key, new_id

ROWS, WIDTH = 10, 16
MODEL = ModelEntry("tiny", Path("generator.safetensors"), num_ws=ROWS, w_dim=WIDTH, digest="ab" * 32)


def latent(seed: int = 0, rows: int = ROWS, width: int = WIDTH) -> Latent:
    return Latent(np.random.default_rng(seed).standard_normal((rows, width), "f4").tobytes(), rows, width)


def embedding(seed: int = 0, **changes: object) -> Embedding:
    values: dict[str, object] = {
        "id": new_id(),
        "key": embedding_key([str(seed).encode()], {"preset": "fast"}),
        "name": f"picture {seed}.png",
        "model": MODEL.name,
        "model_digest": MODEL.digest,
        "space": "w_plus",
        "preset": "fast",
        "seed": seed,
        "steps": 300,
        "seconds": 4.5,
        "objective": 0.25,
        "psnr": 21.5,
        "perceptual": 0.125,
        "distance_from_mean": 7.0,
        "verdict": "good",
        "verdict_text": "A good likeness.",
        "frame": (1.0, 0.0, 3.5, 0.0, 1.0, -2.0),
        "source_width": 640,
        "source_height": 480,
        "created": time.time(),
        "thumbnail": b"\x89PNG thumbnail",
        "ws": latent(seed),
    }
    return Embedding(**(values | changes))  # type: ignore[arg-type]


def model_file(path: Path, name: str = "tiny", resolution: int = 64, w_dim: int = WIDTH) -> None:
    """A generator file as far as its header goes."""
    config = {"resolution": resolution, "z_dim": 8, "w_dim": w_dim, "c_dim": 0}
    header = {
        "name": name,
        "family": "stylegan2",
        "config": config,
        "licence": "CC0-1.0",
        "provenance": "a test",
        "source_sha256": "",
        "source_format": "native",
        "domain": "portraits",
        "format_version": 1,
    }
    tensor_file(path, {"w_avg": w_dim}, {"latentlayers": json.dumps(header)})


def tensor_file(path: Path, sizes: dict[str, int], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file of float32 vectors of the given lengths."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.zeros(size, "f4") for name, size in sizes.items()}, path, metadata)
