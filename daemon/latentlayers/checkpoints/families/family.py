"""What reading and writing files has to know about a family of networks, and the checks that all families share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from latentlayers.checkpoints.refusals import corrupt
from latentlayers.generators import Generator, GeneratorConfig

MAX_RESOLUTION = 4096
MAX_FEATURES = 1 << 16
MAX_MAPPING_LAYERS = 64
W_AVG = "mapping.w_avg"

C = TypeVar("C", bound=GeneratorConfig)


@dataclass(frozen=True)
class Family:
    """One family of networks, e.g. StyleGAN2. The functions take configurations of this family only.

    Attributes:
        name: as `Generator.family`.
        from_json: inverse of a configuration's `to_json`; may raise anything.
        check: raises CorruptCheckpoint for a configuration whose sizes or factors no network has, and
            UnsupportedCheckpoint for one that draws other than three colours.
        least_size: how many numbers the network's large arrays hold, without allocating them.
        make: the network, with random weights.
        derived: whether the entry of its state_dict follows from the configuration and is therefore not stored.
        exact: whether the entry of its state_dict is stored in float32 even where half precision is asked for.
    """

    name: str
    from_json: Callable[[Mapping[str, Any]], GeneratorConfig]
    check: Callable[[Any], None]
    least_size: Callable[[Any], int]
    make: Callable[[Any], Generator]
    derived: Callable[[str], bool] = lambda name: False
    exact: Callable[[str], bool] = lambda name: False

    def read_config(self, data: Mapping[str, Any]) -> GeneratorConfig:
        """`from_json` and `check` for input that may be anything. Raises as `check` does."""
        try:
            config = self.from_json(data)
            self.check(config)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise corrupt(f"its config is not one of {self.name} ({error!s:.200})") from None
        return config


def is_number(value: object) -> bool:
    """Whether it is a finite int or float, and not a bool."""
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def check_sizes(sizes: Mapping[str, tuple[object, int, int]]) -> None:
    """`sizes` maps a name to (value, least, most). Raises CorruptCheckpoint unless every value is an int in between."""
    for name, (value, low, high) in sizes.items():
        if type(value) is not int or not low <= value <= high:
            raise corrupt(f"its {name} is {value!r:.80}, not a whole number from {low} to {high}")
