"""Modules as NVIDIA's PyTorch pickles hold them, walked without running anything.

Every module is `torch_utils.persistence._reconstruct_persistent_obj(meta)`, where meta holds `class_name`, `module_src`
and `state`. Stock loading executes `module_src`; here only `state`, the module's `__dict__`, is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from latentlayers.checkpoints.pickles.inert import MODULE, Record
from latentlayers.checkpoints.refusals import corrupt


def is_module(value: Any) -> bool:
    return isinstance(value, Record) and value.name == MODULE


def state_of(module: Any) -> dict[str, Any]:
    """A module's attributes. Raises CorruptCheckpoint if it is none."""
    if is_module(module) and len(module.arguments) == 1:
        match module.arguments[0]:
            case {"state": dict(state)}:
                return state
    raise corrupt("one of its modules has no state")


def child(state: dict[str, Any], *names: str) -> dict[str, Any]:
    """The attributes of a submodule. Raises CorruptCheckpoint if there is none."""
    for name in names:
        modules = attribute(state, "_modules", dict)
        if name not in modules:
            raise corrupt(f"its module {name:.100} is missing")
        state = state_of(modules[name])
    return state


def parts(module: Any) -> Iterator[tuple[Any, Any]]:
    """Name and value of a module's parameters, buffers and submodules."""
    state = state_of(module)
    for kind in ("_parameters", "_buffers", "_modules"):
        yield from ((name, value) for name, value in attribute(state, kind, dict).items() if value is not None)


def attribute(state: dict[str, Any], name: str, *kinds: type) -> Any:
    """`state[name]`. Raises CorruptCheckpoint unless its type is one of `kinds`."""
    value = state.get(name)
    if type(value) not in kinds:
        raise corrupt(f"its {name} is a {type(value).__name__}")
    return value


def clamp_of(layer: dict[str, Any]) -> float | None:
    """A layer's `conv_clamp`."""
    clamp = attribute(layer, "conv_clamp", int, float, type(None))
    return None if clamp is None else float(clamp)
