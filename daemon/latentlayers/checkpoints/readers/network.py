"""What the readers of foreign files share: arrays by name, and the network they hand over."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import GeneratorConfig

MAX_PARTS = 100_000
MAX_DEPTH = 8
MAX_NAME = 100
MAX_DRAWN = 1024  # px, of the largest network there is; maps that we add are not backed by bytes of the file
DRAWN = "its noise maps are draws of ours, as it has none"
_NOISE = re.compile(r"synthesis\.b([0-9]+)\.conv[01]\.noise_const")


@dataclass(frozen=True)
class Network:
    """A generator as read from a foreign file; `build.build` checks `arrays` against `config`, and empties it.

    Attributes:
        note: what its owner should know about the reading, a clause; "" is nothing.
    """

    config: GeneratorConfig
    arrays: dict[str, Tensor | Lazy]
    source_format: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class Later:
    """An array of `shape` that `load` makes of what is in the file: a `Lazy` in our layout."""

    shape: tuple[int, ...]
    itemsize: int
    load: Callable[[], Tensor]


class Arrays:
    """The named arrays of a file; each `get` reads one.

    Args:
        named: values that may be arrays, numbers, or anything else.
        budget: how many bytes the arrays may have in all, however often the file refers to the same ones.
    """

    def __init__(self, named: Mapping[Any, Any], budget: Budget) -> None:
        self._named, self._budget = named, budget

    def __contains__(self, name: str) -> bool:
        return name in self._named

    def shape(self, name: str, ndim: int | None = None) -> tuple[int, ...]:
        """Raises CorruptCheckpoint if there is no such array, or it does not have `ndim` dimensions (None: any)."""
        shape = () if type(self._named.get(name)) is float else self._lazy(name).shape
        if ndim is not None and len(shape) != ndim:
            raise corrupt(f"{name} has {len(shape)} dimensions, not {ndim}")
        return shape

    def get(self, name: str, ndim: int | None = None) -> Tensor:
        """The array, in the file's dtype. Raises as `shape` does."""
        return self.later(name, ndim).load()

    def later(
        self,
        name: str,
        ndim: int | None = None,
        *,
        shape: tuple[int, ...] | None = None,
        make: Callable[[Tensor], Tensor] = lambda array: array,
    ) -> Later:
        """What `make` makes of the array, read when it is wanted; of this `shape`, else of the array's own.

        Raises as `shape` does, and CorruptCheckpoint when the budget is spent, which is before memory is taken for a
        network of such arrays; and when it is loaded as `make` does.
        """
        own, value = self.shape(name, ndim), self._named[name]
        if type(value) is float:
            return Later(own, 4, lambda: make(torch.tensor(value)))
        array = self._lazy(name)
        self._budget.spend(math.prod(own) * array.itemsize)
        return Later(own if shape is None else shape, array.itemsize, lambda: make(array.load()))

    def all_later(self, names: Iterable[str]) -> dict[str, Tensor | Lazy]:
        """The arrays as they are, by name, read when they are wanted."""
        return {name: self.later(name) for name in names}

    def count(self, pattern: str, first: int = 0) -> int:
        """How many of pattern.format(first), pattern.format(first + 1), ... there are without a gap."""
        n = 0
        while pattern.format(first + n) in self:
            n += 1
        return n

    def _lazy(self, name: str) -> Lazy:
        value = self._named.get(name)
        if not isinstance(value, Lazy):
            raise corrupt(f"{name} is missing")
        return value


def check_square(const: tuple[int, ...]) -> None:
    """Raises UnsupportedCheckpoint if the learned input of this shape, [C, H, W], makes pictures of unequal sides."""
    if len(const) == 3 and const[1] != const[2]:
        raise unsupported(f"its pictures are not square: they begin with {const[1]} rows of {const[2]} pixels")


def noise_maps(names: Iterable[str], most: int) -> dict[str, Tensor]:
    """[side, side] float32 for each of our `names` of a noise map, the same draws every time.

    Args:
        most: side of the largest one, in pixels.

    Raises:
        CorruptCheckpoint: it is larger than `MAX_DRAWN`.
    """
    if most > MAX_DRAWN:
        raise corrupt(f"it lacks the noise maps of its {most} px")
    random, maps = np.random.RandomState(0), {}
    for name in names:
        if match := _NOISE.fullmatch(name):
            side = int(match[1])
            maps[name] = torch.from_numpy(random.randn(side, side)).float()
    return maps


def tables_in(value: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """The table itself and those directly in it, each once."""
    return [table for _, table in named_tables(value)]


def named_tables(value: Mapping[Any, Any]) -> list[tuple[str, Mapping[Any, Any]]]:
    """The table itself, under the name "", and those directly in it.

    Each comes once, under its first name, though a file may name one a hundred thousand times.
    """
    found: dict[int, tuple[str, Mapping[Any, Any]]] = {id(value): ("", value)}
    for name, table in value.items():
        if isinstance(table, dict):
            found.setdefault(id(table), (str(name), table))
    return list(found.values())


def named_tensors(root: Any, parts: Callable[[Any], Iterable[tuple[Any, Any]]]) -> dict[str, Lazy]:
    """Every array below `root`, by dotted name, in the file's order.

    Args:
        parts: (name, value) of what an object holds.

    Raises:
        CorruptCheckpoint: the tree is too large, too deep, or has improper names.
    """
    tensors: dict[str, Lazy] = {}
    budget = Budget(MAX_PARTS)
    pending = [("", root)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Lazy):
            tensors[name] = value
            continue
        inner = list(parts(value))
        budget.spend(len(inner))
        for key, part in reversed(inner):
            if not isinstance(key, str) or len(key) > MAX_NAME or name.count(".") > MAX_DEPTH:
                raise corrupt("a part of its network has no proper name")
            pending.append((f"{name}.{key}" if name else key, part))
    return tensors
