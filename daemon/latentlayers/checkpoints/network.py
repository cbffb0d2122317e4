"""What a converter hands over: a configuration and the arrays under our names, still unchecked and not yet built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentlayers.checkpoints.inert import Lazy
from latentlayers.checkpoints.refusals import corrupt
from latentlayers.generators import StyleGAN2Config


@dataclass(frozen=True)
class Scalar:
    """A number where an array could be."""

    value: float
    shape: tuple[int, ...] = ()

    def load(self) -> Tensor:
        return torch.tensor(self.value)


@dataclass(frozen=True)
class Network:
    """A StyleGAN2 as read from a foreign file; see `build.build` for `arrays`."""

    config: StyleGAN2Config
    arrays: Mapping[str, Tensor]
    source_format: str


def array(tensors: Mapping[str, Any], name: str, *, ndim: int | None = None) -> Tensor:
    """The array of that name, read from the file, with `ndim` dimensions. Raises CorruptCheckpoint otherwise."""
    value = tensors.get(name)
    if type(value) is float:  # TensorFlow's scalars
        value = Scalar(value)
    if not isinstance(value, Lazy):
        raise corrupt(f"{name} is missing")
    if ndim is not None and len(value.shape) != ndim:
        raise corrupt(f"{name} has {len(value.shape)} dimensions, not {ndim}")
    return value.load()


def count(tensors: Mapping[str, Any], pattern: str, first: int = 0) -> int:
    """How many of pattern.format(first), pattern.format(first + 1), ... are there without a gap."""
    n = 0
    while pattern.format(first + n) in tensors:
        n += 1
    return n
