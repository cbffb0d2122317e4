"""StyleGAN2 from NVIDIA's TensorFlow pickles: a tuple (G, D, Gs) of `dnnlib.tflib.network.Network`; Gs is the average.

A network's state holds its variables as (name, array) pairs and, in `build_module_src`, source code that stock loading
executes and this module never looks at. Names and layouts as in stylegan2-ada-pytorch's legacy.py.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from latentlayers.checkpoints.family import W_AVG
from latentlayers.checkpoints.inert import NETWORK, Record
from latentlayers.checkpoints.limits import Budget
from latentlayers.checkpoints.network import Arrays, Network
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.checkpoints.stylegan2 import MAX_SIDES
from latentlayers.generators import StyleGAN2Config
from latentlayers.generators.stylegan2 import Architecture

SOURCE_FORMAT = "nvidia-tf"
UPDATE = "Update Latent Layers, or use a StyleGAN2 network."
# Keyword -> the value that our StyleGAN2 implements; any other would draw a different picture.
USUAL: dict[str, bool | str] = {
    "normalize_latents": True,
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "use_wscale": True,
}


def read(value: Any, budget: Budget) -> Network | None:
    """The averaged generator, third of the file's tuple; None if the file holds no such network.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: StyleGAN1, or StyleGAN2's configurations B to D.
    """
    network = value[2] if isinstance(value, tuple) and len(value) == 3 else value
    if not isinstance(network, Record) or network.name != NETWORK:
        return None
    own, kwargs, parts = _state(network)
    if "mapping" not in parts or "synthesis" not in parts:
        raise unsupported("its generator has no mapping and synthesis networks")
    mapping_variables, mapping_kwargs, _ = _state(parts["mapping"])
    variables, synthesis_kwargs, _ = _state(parts["synthesis"])
    if any(name.endswith("StyleMod/weight") for name in variables):
        raise unsupported("it is a StyleGAN1 network, and only StyleGAN2 is read so far", UPDATE)
    if any(name.startswith("ToRGB_lod") for name in variables):
        raise unsupported("it is a StyleGAN2 network of configuration B, C or D, and only E and F are read", UPDATE)

    mapping, mapping_fields = _mapping(Arrays(mapping_variables, budget))
    synthesis, synthesis_fields = _synthesis(Arrays(variables, budget))
    mean = {W_AVG: Arrays(own, budget).get("dlatent_avg", 1)} if "dlatent_avg" in own else {}
    fields = mapping_fields | synthesis_fields | _options(kwargs | mapping_kwargs | synthesis_kwargs)
    return Network(StyleGAN2Config(**fields), mean | mapping | synthesis, SOURCE_FORMAT)


def _state(network: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Variables, static keyword arguments and components of a network."""
    if isinstance(network, Record) and network.name == NETWORK:
        match network.state:
            case {"variables": list(pairs), "static_kwargs": dict(kwargs), "components": dict(components)}:
                return {name: value for name, value in pairs if isinstance(name, str)}, kwargs, components
            case {"variables": list(_), "static_kwargs": dict(_)}:
                raise unsupported("it was written by a version of StyleGAN older than the published ones")
    raise corrupt("one of its networks has no variables")


def _options(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The configuration fields that only the keyword arguments tell."""
    for name, usual in USUAL.items():
        value = kwargs.get(name, usual)
        if type(value) is not type(usual) or value != usual:
            raise unsupported(f"it was built with an unusual {name}")
    clamp, taps = kwargs.get("conv_clamp"), kwargs.get("resample_kernel", [1, 3, 3, 1])
    lrmul = kwargs.get("mapping_lrmul", 0.01)
    if not isinstance(taps, (list, tuple)) or any(type(n) not in (int, float) for n in (clamp or 1, lrmul, *taps)):
        raise corrupt("its keyword arguments are not numbers")
    return {"conv_clamp": clamp, "resample_filter": tuple(taps), "lr_multiplier": lrmul}


def _mapping(variables: Arrays) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of the mapping network and the configuration fields that follow from their shapes."""
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
    }
    label = next((name for name in ("LabelEmbed", "LabelConcat") if f"{name}/weight" in variables), None)
    if label is not None:
        weight = variables.get(f"{label}/weight", 2).t()
        features, c_dim = weight.shape
        fields |= {"c_dim": c_dim, "embed_features": features, "z_dim": inputs - features}
        fields["label_mode"] = "embed" if label == "LabelEmbed" else "concat"
        if label == "LabelEmbed":
            bias = variables.get("LabelEmbed/bias", 1)
        else:  # neither scaled at run time nor biased: undo the 1/sqrt(c_dim) that our layer applies
            weight, bias = weight * math.sqrt(c_dim), torch.zeros(features)
        arrays |= {"mapping.embed.weight": weight, "mapping.embed.bias": bias}
    return arrays, fields


def _synthesis(variables: Arrays) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of the synthesis network and the configuration fields that follow from their names and shapes."""
    sides = [4]
    while f"{sides[-1] * 2}x{sides[-1] * 2}/Conv1/weight" in variables and len(sides) < MAX_SIDES:
        sides.append(sides[-1] * 2)
    use_noise = "4x4/Conv/noise_strength" in variables
    arrays = {"synthesis.b4.const": variables.get("4x4/Const/const", 4).squeeze(0)}
    noise_index = itertools.count()
    for side in sides:
        source, ours = f"{side}x{side}", f"synthesis.b{side}"
        for theirs, name in (("Conv", "conv1"),) if side == 4 else (("Conv0_up", "conv0"), ("Conv1", "conv1")):
            arrays |= _modulated(variables, f"{source}/{theirs}", f"{ours}.{name}", flip=name == "conv0")
            if use_noise:
                arrays[f"{ours}.{name}.noise_const"] = variables.get(f"noise{next(noise_index)}", 4)[0, 0]
                arrays[f"{ours}.{name}.noise_strength"] = variables.get(f"{source}/{theirs}/noise_strength", 0)
        if f"{source}/ToRGB/weight" in variables:
            arrays |= _modulated(variables, f"{source}/ToRGB", f"{ours}.torgb")
        if f"{source}/Skip/weight" in variables:
            arrays[f"{ours}.skip.weight"] = _kernel(variables, f"{source}/Skip/weight", flip=True)
    architecture: Architecture = "orig"
    if "4x4/ToRGB/weight" in variables:
        architecture = "skip"
    elif "8x8/Skip/weight" in variables:
        architecture = "resnet"
    channels = {side: arrays[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides}
    fields = {"resolution": sides[-1], "channels": channels, "architecture": architecture, "use_noise": use_noise}
    return arrays, fields


def _modulated(variables: Arrays, source: str, ours: str, *, flip: bool = False) -> dict[str, Tensor]:
    return {
        f"{ours}.weight": _kernel(variables, f"{source}/weight", flip=flip),
        f"{ours}.bias": variables.get(f"{source}/bias", 1),
        f"{ours}.affine.weight": variables.get(f"{source}/mod_weight", 2).t(),
        f"{ours}.affine.bias": variables.get(f"{source}/mod_bias", 1) + 1,
    }


def _kernel(variables: Arrays, name: str, *, flip: bool) -> Tensor:
    """[kh, kw, in, out] -> [out, in, kh, kw], mirrored in both axes if `flip`."""
    weight = variables.get(name, 4)
    return (weight.flip(0, 1) if flip else weight).permute(3, 2, 0, 1)
