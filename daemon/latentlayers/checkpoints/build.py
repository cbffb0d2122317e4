"""A generator from a configuration and named arrays, both taken from a file that may be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from latentlayers.checkpoints.families.family import W_AVG, Family
from latentlayers.checkpoints.families.stylegan1 import STYLEGAN1
from latentlayers.checkpoints.families.stylegan2 import STYLEGAN2
from latentlayers.checkpoints.families.stylegan3 import STYLEGAN3
from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import Generator, GeneratorConfig

# Trained weights stay below 1e4. Far larger ones, which flipped bits make, overflow where layers multiply them.
MAX_WEIGHT = 1e8
FAMILIES: Mapping[str, Family] = {family.name: family for family in (STYLEGAN1, STYLEGAN2, STYLEGAN3)}


def family_named(name: str) -> Family:
    """Raises UnsupportedCheckpoint if this version does not know it."""
    if name not in FAMILIES:
        raise unsupported(f"its family is {name!r:.80}", "Update Latent Layers.")
    return FAMILIES[name]


def mean_latent(generator: Generator) -> Tensor:
    """[w_dim] float32: the mean of `w` over 4096 fixed z, for files that do not hold one.

    The sample size is that of rosinality's generate.py; labels, where there are any, take turns.
    """
    random, means = np.random.RandomState(123), []
    for first in range(0, 4096, 64):  # all at once, a small file of wide layers would need gigabytes
        z = torch.from_numpy(random.randn(64, generator.z_dim)).float()
        labels = torch.arange(first, first + 64)
        c = F.one_hot(labels % generator.c_dim, generator.c_dim) if generator.c_dim else None
        with torch.no_grad():
            means.append(generator.mapping(z, c).mean(dim=0))  # `map` would copy each w into every row of w+
    return torch.stack(means).mean(dim=0)


def build(cfg: GeneratorConfig, arrays: dict[str, Tensor | Lazy], *, foreign: bool = False) -> Generator:
    """The generator with these weights, in float32 on the CPU, frozen.

    Args:
        arrays: one for each entry of the generator's state_dict that is not `Family.derived`, in any floating dtype.
            Only `mapping.w_avg` may be left out; it is then estimated. Emptied, and read one after the other, so that
            a network is in memory once.
        foreign: another project wrote the file; an array that is not ours then tells that it is of another kind.

    Raises:
        CorruptCheckpoint: an array is missing, unknown, of the wrong shape, or holds NaN, infinity or what overflows.
        UnsupportedCheckpoint: an array of a `foreign` file is unknown.
    """
    family = FAMILIES[cfg.family]
    family.check(cfg)
    if family.least_size(cfg) > sum(math.prod(array.shape) for array in arrays.values()):
        raise corrupt("it holds fewer weights than its sizes call for")
    with _Uninitialised():
        generator = family.make(cfg)
    state = {name: tensor for name, tensor in generator.state_dict().items() if not family.derived(name)}
    estimated = W_AVG not in arrays
    for name in arrays:
        if name not in state:
            if foreign:
                raise unsupported(f"its generator has {name:.100}, which {type(generator).__name__}'s lacks")
            raise corrupt(f"{name:.100} has no place in this network")
    for name, weight in state.items():
        if name in arrays:
            _fill(name, weight, arrays.pop(name))
        elif name != W_AVG:
            raise corrupt(f"{name} is missing")
    if estimated:
        _fill(W_AVG, generator.w_avg, mean_latent(generator))
    return generator


@runtime_checkable
class InPieces(Protocol):
    """A `Lazy` of real numbers that need not be in memory as a whole to be copied."""

    def copy_to(self, target: Tensor) -> None:
        """Overwrites `target`, which is contiguous and has this shape, and any floating dtype."""
        ...


class _Uninitialised(TorchFunctionMode):
    """While it lasts, random initial weights are left unset: all of them are about to be replaced."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return (torch.empty if func is torch.randn else func)(*args, **(kwargs or {}))


def _fill(name: str, weight: Tensor, array: Tensor | Lazy) -> None:
    if tuple(array.shape) != tuple(weight.shape):
        raise corrupt(f"{name} has shape {list(array.shape)}, not {list(weight.shape)}")
    if isinstance(array, InPieces):
        array.copy_to(weight)
    else:
        array = array if isinstance(array, Tensor) else array.load()
        if not array.is_floating_point():
            raise corrupt(f"{name} holds {str(array.dtype).removeprefix('torch.')} instead of real numbers")
        weight.copy_(array)
    least, greatest = weight.aminmax()  # both are NaN if one number is
    if not (math.isfinite(least) and math.isfinite(greatest)):
        raise corrupt(f"{name} holds numbers that are not finite")
    if max(-least, greatest) > MAX_WEIGHT:
        raise corrupt(f"{name} holds numbers from {least:.3g} to {greatest:.3g}, which no network can use")
