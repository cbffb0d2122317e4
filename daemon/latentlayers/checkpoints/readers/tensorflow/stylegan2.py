"""StyleGAN2's variables, as `networks_stylegan2.py` of NVIDIA's stylegan2 and stylegan2-ada name them.

Layouts as in stylegan2-ada-pytorch's legacy.py, which leaves out configurations B to D: those draw their picture as
StyleGAN1 does, with ToRGB layers named after the level of detail.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from latentlayers.checkpoints.readers.network import Arrays
from latentlayers.checkpoints.readers.tensorflow.variables import (
    kernel,
    mapping,
    number,
    require_usual,
    resolution,
    taps,
)
from latentlayers.generators import StyleGAN2Config
from latentlayers.generators.growth import active_sides, drawing_sides
from latentlayers.generators.stylegan2 import Architecture

# Keyword -> the value that our StyleGAN2 implements; any other would draw a different picture.
USUAL: dict[str, bool | str] = {
    "normalize_latents": True,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "use_wscale": True,
}


def convert(
    mapping_variables: Arrays, variables: Arrays, kwargs: Mapping[str, Any], lod: float
) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """Configuration and weights. Raises CorruptCheckpoint or UnsupportedCheckpoint."""
    require_usual(kwargs, USUAL)
    arrays, fields = mapping(mapping_variables, kwargs)
    side = resolution(variables)
    sides = active_sides(side, lod)
    use_noise = "4x4/Conv/noise_strength" in variables
    arrays["synthesis.b4.const"] = variables.get("4x4/Const/const", 4).squeeze(0)
    noise_index = itertools.count()
    for active in sides:
        source, ours = f"{active}x{active}", f"synthesis.b{active}"
        for theirs, name in (("Conv", "conv1"),) if active == 4 else (("Conv0_up", "conv0"), ("Conv1", "conv1")):
            arrays |= _modulated(variables, f"{source}/{theirs}", f"{ours}.{name}", flip=name == "conv0")
            if use_noise:
                arrays[f"{ours}.{name}.noise_const"] = variables.get(f"noise{next(noise_index)}", 4)[0, 0]
                arrays[f"{ours}.{name}.noise_strength"] = variables.get(f"{source}/{theirs}/noise_strength", 0)
        if f"{source}/ToRGB/weight" in variables:
            arrays |= _modulated(variables, f"{source}/ToRGB", f"{ours}.torgb")
        if f"{source}/Skip/weight" in variables:
            arrays[f"{ours}.skip.weight"] = kernel(variables, f"{source}/Skip/weight").flip(2, 3)
    if "ToRGB_lod0/weight" in variables:
        for drawing in drawing_sides(side, lod):
            level = side.bit_length() - drawing.bit_length()
            arrays |= _modulated(variables, f"ToRGB_lod{level}", f"synthesis.b{drawing}.torgb")

    architecture: Architecture = "orig"
    if "4x4/ToRGB/weight" in variables:
        architecture = "skip"
    elif "8x8/Skip/weight" in variables:
        architecture = "resnet"
    config = StyleGAN2Config(
        resolution=side,
        channels={active: arrays[f"synthesis.b{active}.conv1.bias"].shape[0] for active in sides},
        architecture=architecture,
        conv_clamp=number(kwargs, "conv_clamp", None),
        resample_filter=taps(kwargs, "resample_kernel", (1.0, 3.0, 3.0, 1.0), none=(1.0, 1.0)),
        use_noise=use_noise,
        lod=lod,
        **fields,
    )
    return config, arrays


def _modulated(variables: Arrays, source: str, ours: str, *, flip: bool = False) -> dict[str, Tensor]:
    weight = kernel(variables, f"{source}/weight")
    return {
        f"{ours}.weight": weight.flip(2, 3) if flip else weight,
        f"{ours}.bias": variables.get(f"{source}/bias", 1),
        f"{ours}.affine.weight": variables.get(f"{source}/mod_weight", 2).t(),
        f"{ours}.affine.bias": variables.get(f"{source}/mod_bias", 1) + 1,
    }
