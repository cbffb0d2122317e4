"""The model that comes with the package: tests ask for its sizes here, so that another one can take its place."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from latentlayers.checkpoints.header import num_ws, read_header
from latentlayers.library.models import DEFAULT_MODEL, GENERATOR

MODEL = DEFAULT_MODEL
FOLDER = Path(str(files("latentlayers"))) / "models" / MODEL
_HEADER = read_header(FOLDER / GENERATOR)
RESOLUTION: int = _HEADER.config["resolution"]
CHANNELS = {int(side): int(width) for side, width in _HEADER.config["channels"].items()}
W_DIM: int = _HEADER.config["w_dim"]
NUM_WS = num_ws(_HEADER.family, _HEADER.config)


def codes(value: float = 0.0, *, rows: int = NUM_WS, width: int = W_DIM) -> np.ndarray:
    """[rows, width] float32, all `value`; of the shape that the model takes unless told otherwise."""
    return np.full((rows, width), value, dtype="<f4")
