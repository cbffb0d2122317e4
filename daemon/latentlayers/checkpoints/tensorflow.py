"""StyleGAN2 from NVIDIA's TensorFlow pickles: a tuple (G, D, Gs) of `dnnlib.tflib.network.Network`; Gs is the average.

A network's state holds its variables as (name, array) pairs and, in `build_module_src`, source code that stock loading
executes and this module never looks at. Names and layouts as in stylegan2-ada-pytorch's legacy.py.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from latentlayers.checkpoints.build import W_AVG
from latentlayers.checkpoints.inert import NETWORK, Record
from latentlayers.checkpoints.network import Network, array, count
from latentlayers.checkpoints.refusals import corrupt, unsupported
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


def read(value: Any) -> Network | None:
    """The averaged generator, third of the file's tuple; None if the file holds no such network.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: StyleGAN1, or StyleGAN2's configurations B to D.
    """
    network = value[2] if isinstance(value, tuple) and len(value) == 3 else value
    if not isinstance(network, Record) or network.name != NETWORK:
        return None
    own, kwargs, parts = _read(network)
    if "mapping" not in parts or "synthesis" not in parts:
        raise unsupported("its generator has no mapping and synthesis networks")
    mapping, mapping_kwargs, _ = _read(parts["mapping"])
    synthesis, synthesis_kwargs, _ = _read(parts["synthesis"])
    kwargs = kwargs | mapping_kwargs | synthesis_kwargs
    if any(name.endswith("StyleMod/weight") for name in synthesis):
        raise unsupported("it is a StyleGAN1 network, and only StyleGAN2 is read so far", UPDATE)
    if any(name.startswith("ToRGB_lod") for name in synthesis):
        raise unsupported("it is a StyleGAN2 network of configuration B, C or D, and only E and F are read", UPDATE)
    for name, usual in USUAL.items():
        value = kwargs.get(name, usual)
        if type(value) is not type(usual) or value != usual:
            raise unsupported(f"it was built with an unusual {name}")

    sides = [4 << i for i in range(count(synthesis, "noise{}", first=1) // 2 + 1)]
    use_noise = "4x4/Conv/noise_strength" in synthesis
    arrays = _mapping(mapping)
    if "dlatent_avg" in own:
        arrays[W_AVG] = array(own, "dlatent_avg", ndim=1)
    arrays["synthesis.b4.const"] = array(synthesis, "4x4/Const/const", ndim=4).squeeze(0)
    for i, side in enumerate(sides):
        source, ours = f"{side}x{side}", f"synthesis.b{side}"
        layers = {"Conv": "conv1"} if side == 4 else {"Conv0_up": "conv0", "Conv1": "conv1"}
        for j, (theirs, name) in enumerate(layers.items()):
            arrays |= _modulated(synthesis, f"{source}/{theirs}", f"{ours}.{name}", flip=theirs == "Conv0_up")
            if use_noise:
                noise = array(synthesis, f"noise{max(2 * i - 1 + j, 0)}", ndim=4)[0, 0]
                strength = array(synthesis, f"{source}/{theirs}/noise_strength", ndim=0)
                arrays |= {f"{ours}.{name}.noise_const": noise, f"{ours}.{name}.noise_strength": strength}
        if f"{source}/ToRGB/weight" in synthesis:
            arrays |= _modulated(synthesis, f"{source}/ToRGB", f"{ours}.torgb")
        if f"{source}/Skip/weight" in synthesis:
            arrays[f"{ours}.skip.weight"] = _kernel(synthesis, f"{source}/Skip/weight", flip=True)

    architecture: Architecture = "orig"
    if "4x4/ToRGB/weight" in synthesis:
        architecture = "skip"
    elif "8x8/Skip/weight" in synthesis:
        architecture = "resnet"
    layers_count = count(mapping, "Dense{}/weight")
    embed = arrays.get("mapping.embed.weight")
    embed_features, c_dim = (0, 0) if embed is None else (embed.shape[0], embed.shape[1])
    dense = [arrays[f"mapping.fc{i}.weight"] for i in range(layers_count)]
    clamp = kwargs.get("conv_clamp")
    config = StyleGAN2Config(
        resolution=sides[-1],
        z_dim=dense[0].shape[1] - embed_features,
        w_dim=dense[-1].shape[0],
        c_dim=c_dim,
        channels={side: arrays[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides},
        mapping_layers=layers_count,
        architecture=architecture,
        conv_clamp=None if clamp is None else _number("conv_clamp", clamp),
        resample_filter=[_number("resample_kernel", tap) for tap in _taps(kwargs)],
        lr_multiplier=_number("mapping_lrmul", kwargs.get("mapping_lrmul", 0.01)),
        label_mode="concat" if "LabelConcat/weight" in mapping else "embed",
        embed_features=embed_features,
        layer_features=dense[0].shape[0] if layers_count > 1 else 0,
        use_noise=use_noise,
    )
    return Network(config, arrays, SOURCE_FORMAT)


def _read(network: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Variables, static keyword arguments and components of a network."""
    if isinstance(network, Record) and network.name == NETWORK:
        match network.state:
            case {"variables": list(pairs), "static_kwargs": dict(kwargs), "components": dict(components)}:
                return {name: value for name, value in pairs if isinstance(name, str)}, kwargs, components
            case {"variables": list(_), "static_kwargs": dict(_)}:
                raise unsupported("it was written by a version of StyleGAN older than the published ones")
    raise corrupt("one of its networks has no variables")


def _mapping(mapping: dict[str, Any]) -> dict[str, Tensor]:
    arrays = {}
    for i in range(count(mapping, "Dense{}/weight")):
        arrays[f"mapping.fc{i}.weight"] = array(mapping, f"Dense{i}/weight", ndim=2).t()
        arrays[f"mapping.fc{i}.bias"] = array(mapping, f"Dense{i}/bias")
    if "LabelEmbed/weight" in mapping:
        arrays["mapping.embed.weight"] = array(mapping, "LabelEmbed/weight", ndim=2).t()
        arrays["mapping.embed.bias"] = array(mapping, "LabelEmbed/bias")
    elif "LabelConcat/weight" in mapping:
        weight = array(mapping, "LabelConcat/weight", ndim=2).t()
        # Neither scaled at run time nor biased: undo the 1/sqrt(c_dim) that our layer applies.
        arrays["mapping.embed.weight"] = weight * math.sqrt(weight.shape[1])
        arrays["mapping.embed.bias"] = torch.zeros(weight.shape[0])
    if "mapping.fc0.weight" not in arrays:
        raise corrupt("its mapping network has no layers")
    return arrays


def _modulated(synthesis: dict[str, Any], source: str, ours: str, *, flip: bool = False) -> dict[str, Tensor]:
    return {
        f"{ours}.weight": _kernel(synthesis, f"{source}/weight", flip=flip),
        f"{ours}.bias": array(synthesis, f"{source}/bias"),
        f"{ours}.affine.weight": array(synthesis, f"{source}/mod_weight", ndim=2).t(),
        f"{ours}.affine.bias": array(synthesis, f"{source}/mod_bias") + 1,
    }


def _kernel(synthesis: dict[str, Any], name: str, *, flip: bool) -> Tensor:
    """[kh, kw, in, out] -> [out, in, kh, kw], mirrored in both axes if `flip`."""
    weight = array(synthesis, name, ndim=4)
    return (weight.flip(0, 1) if flip else weight).permute(3, 2, 0, 1)


def _taps(kwargs: dict[str, Any]) -> list[Any]:
    taps = kwargs.get("resample_kernel", [1, 3, 3, 1])
    if not isinstance(taps, (list, tuple)):
        raise corrupt("its resample_kernel is not a list")
    return list(taps)


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise corrupt(f"its {name} is not a number")
    return float(value)
