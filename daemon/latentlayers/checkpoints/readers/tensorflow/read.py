"""From a file's value to the networks in it, and to the reader of their family."""

from __future__ import annotations

from typing import Any

from latentlayers.checkpoints.families.family import W_AVG
from latentlayers.checkpoints.pickles.inert import NETWORK, Record
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.readers.network import Arrays, Network
from latentlayers.checkpoints.readers.tensorflow import stylegan1, stylegan2
from latentlayers.checkpoints.refusals import corrupt, unsupported

SOURCE_FORMAT = "nvidia-tf"


def read(value: Any, budget: Budget) -> Network | None:
    """The averaged generator, third of the file's tuple; None if the file holds no such network.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: a network that is neither StyleGAN1 nor StyleGAN2.
    """
    network = value[2] if isinstance(value, tuple) and len(value) == 3 else value
    if not isinstance(network, Record) or network.name != NETWORK:
        return None
    own, kwargs, parts = _state(network)
    if "mapping" not in parts or "synthesis" not in parts:
        raise unsupported("its generator has no mapping and synthesis networks")
    mapping, mapping_kwargs, _ = _state(parts["mapping"])
    synthesis, synthesis_kwargs, _ = _state(parts["synthesis"])
    kwargs = kwargs | mapping_kwargs | synthesis_kwargs
    variables = Arrays(own, budget)
    growing = "ToRGB_lod0/weight" in synthesis and kwargs.get("structure") != "fixed"
    lod = float(variables.get("lod", 0)) if growing and "lod" in own else 0.0
    styled = any(name.endswith("StyleMod/weight") for name in synthesis)
    convert = stylegan1.convert if styled else stylegan2.convert
    config, arrays = convert(Arrays(mapping, budget), Arrays(synthesis, budget), kwargs, lod)
    if "dlatent_avg" in own:
        arrays[W_AVG] = variables.get("dlatent_avg", 1)
    return Network(config, {**arrays}, SOURCE_FORMAT)


def _state(network: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Variables, static keyword arguments and components of a network."""
    if isinstance(network, Record) and network.name == NETWORK:
        match network.state:
            case {"variables": list(pairs), "static_kwargs": dict(kwargs)}:
                components = network.state.get("components", {})  # older files leave it out where there are none
                if isinstance(components, dict):
                    return {name: value for name, value in pairs if isinstance(name, str)}, kwargs, components
    raise corrupt("one of its networks has no variables")
