"""What the readers of foreign files share: arrays by name, and the network they hand over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.refusals import corrupt
from latentlayers.generators import GeneratorConfig

MAX_PARTS = 100_000
MAX_DEPTH = 8
MAX_NAME = 100


@dataclass(frozen=True)
class Network:
    """A generator as read from a foreign file; `build.build` checks `arrays` against `config`, and empties it.

    Attributes:
        note: what its owner should know about the reading, a clause; "" is nothing.
    """

    config: GeneratorConfig
    arrays: dict[str, Tensor]
    source_format: str
    note: str = ""


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
        self.shape(name, ndim)
        value = self._named[name]
        array = torch.tensor(value) if type(value) is float else self._lazy(name).load()
        self._budget.spend(array.numel() * array.itemsize)
        return array

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


def tables_in(value: Mapping[Any, Any]) -> list[Mapping[Any, Any]]:
    """The table itself and those directly in it, each once, though a file may name one a hundred thousand times."""
    return list({id(table): table for table in (value, *value.values()) if isinstance(table, dict)}.values())


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
