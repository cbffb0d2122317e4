"""What the networks of both families have in common: kernels, sides, keyword arguments, the mapping network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentlayers.checkpoints.families.stylegan2 import MAX_SIDES
from latentlayers.checkpoints.readers.network import Arrays
from latentlayers.checkpoints.refusals import corrupt, unsupported


def kernel(variables: Arrays, name: str) -> Tensor:
    """[kh, kw, in, out] -> [out, in, kh, kw]"""
    return variables.get(name, 4).permute(3, 2, 0, 1)


def resolution(variables: Arrays) -> int:
    """Side of the last of the blocks, which follow each other without a gap."""
    side = 4
    while f"{side * 2}x{side * 2}/Conv1/weight" in variables and side < 2 << MAX_SIDES:
        side *= 2
    return side


def require_usual(kwargs: Mapping[str, Any], usual: Mapping[str, bool | str]) -> None:
    """Raises UnsupportedCheckpoint for a keyword argument with which another picture would be drawn than with ours."""
    for name, ours in usual.items():
        value = kwargs.get(name, ours)
        if type(value) is not type(ours) or value != ours:
            raise unsupported(f"it was built with an unusual {name}")


def taps(kwargs: Mapping[str, Any], name: str, usual: tuple[float, ...], none: tuple[float, ...]) -> tuple[float, ...]:
    """The filter that a keyword argument gives: `usual` if it is left out, `none` if it is None."""
    value = kwargs.get(name, usual)
    if value is None:
        return none
    if not isinstance(value, (list, tuple)) or any(type(tap) not in (int, float) for tap in value):
        raise corrupt(f"its {name} is not a list of numbers")
    return tuple(float(tap) for tap in value)


def number(kwargs: Mapping[str, Any], name: str, usual: float | None) -> float | None:
    """The number that a keyword argument gives; None if it is None."""
    value = kwargs.get(name, usual)
    if value is None:
        return None
    if type(value) not in (int, float):
        raise corrupt(f"its {name} is not a number")
    return float(value)


def mapping(variables: Arrays, kwargs: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of the mapping network, and the configuration fields that follow from their shapes and `kwargs`."""
    layers = variables.count("Dense{}/weight")
    if layers == 0:
        raise corrupt("its mapping network has no layers")
    arrays = {}
    for i in range(layers):
        arrays[f"mapping.fc{i}.weight"] = variables.get(f"Dense{i}/weight", 2).t()
        arrays[f"mapping.fc{i}.bias"] = variables.get(f"Dense{i}/bias", 1)
    width, inputs = arrays["mapping.fc0.weight"].shape
    fields: dict[str, Any] = {
        "z_dim": inputs,
        "w_dim": arrays[f"mapping.fc{layers - 1}.weight"].shape[0],
        "mapping_layers": layers,
        "layer_features": width if layers > 1 else 0,
        "lr_multiplier": number(kwargs, "mapping_lrmul", 0.01),
    }
    label = next((name for name in ("LabelEmbed", "LabelConcat") if f"{name}/weight" in variables), None)
    if label is not None:
        weight = variables.get(f"{label}/weight", 2).t()
        features, c_dim = weight.shape
        fields |= {"c_dim": c_dim, "embed_features": features, "z_dim": inputs - features}
        if label == "LabelEmbed":
            bias = variables.get("LabelEmbed/bias", 1)
            fields["label_mode"] = "embed"
        else:  # neither scaled at run time nor biased: undo the 1/sqrt(c_dim) that our layer applies
            weight, bias = weight * math.sqrt(c_dim), torch.zeros(features)
            fields["label_mode"] = "concat"
        arrays |= {"mapping.embed.weight": weight, "mapping.embed.bias": bias}
    return arrays, fields
