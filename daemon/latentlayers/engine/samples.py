"""Codes that a model draws by itself, from a seed."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from latentlayers.engine.models import LoadedModel
from latentlayers.errors import InvalidInput
from latentlayers.v1 import latent_pb2

TRUNCATION = 0.7


def sample(source: latent_pb2.SampleSource, model: LoadedModel) -> Tensor:
    """[1, num_ws, w_dim] on the model's device: `map(z, c, truncation)` of NumPy's `RandomState(seed).randn(1, z_dim)`.

    Raises:
        InvalidInput: OPTION_INVALID, a truncation that is not finite. LABEL_INVALID, a conditional model's label is
            missing or out of range, or another model is given one.
    """
    psi = source.truncation if source.HasField("truncation") else TRUNCATION
    if not math.isfinite(psi):
        raise InvalidInput("OPTION_INVALID", f"The truncation is {psi}.", "Use a number, usually from 0 to 1.")
    z = torch.from_numpy(np.random.RandomState(source.seed).randn(1, model.generator.z_dim)).float()
    label = _one_hot(source.label if source.HasField("label") else None, model)
    with torch.no_grad():  # not inference_mode: an embedding may start from this code
        return model.generator.map(z.to(model.device), label, psi)


def _one_hot(label: int | None, model: LoadedModel) -> Tensor | None:
    """[1, c_dim] on the model's device, or None for unconditional models."""
    name, count = model.entry.name, model.generator.c_dim
    if count == 0:
        if label is not None:
            raise InvalidInput("LABEL_INVALID", f"{name} knows no classes.", "Leave the label out.")
        return None
    if label is None or label >= count:
        fault = f"{name} has no class {label}." if label is not None else f"{name} draws one of {count} classes."
        raise InvalidInput("LABEL_INVALID", fault, f"Name a class from 0 to {count - 1}, as in seed:17#{count - 1}.")
    return torch.eye(count, device=model.device)[label, None]
