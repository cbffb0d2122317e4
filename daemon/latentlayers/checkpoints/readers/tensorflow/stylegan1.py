"""StyleGAN1's variables, as `networks_stylegan.py` of NVIDIA's stylegan names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from latentlayers.checkpoints.families.stylegan1 import (
    FUSED_FROM,
    conv_kernel,
    dense_bias,
    doubling_kernel,
    rgb_kernel,
    style_bias,
)
from latentlayers.checkpoints.readers.network import Arrays
from latentlayers.checkpoints.readers.tensorflow.variables import kernel, mapping, require_usual, resolution, taps
from latentlayers.checkpoints.refusals import corrupt
from latentlayers.generators import StyleGAN1Config
from latentlayers.generators.growth import active_sides, drawing_sides

# Keyword -> the value that our StyleGAN1 implements; any other would draw a different picture.
USUAL: dict[str, bool | str] = {
    "normalize_latents": True,
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "use_wscale": True,
    "const_input_layer": True,
    "use_instance_norm": True,
    "use_pixel_norm": False,
}


def convert(
    mapping_variables: Arrays, variables: Arrays, kwargs: Mapping[str, Any], lod: float
) -> tuple[StyleGAN1Config, dict[str, Tensor]]:
    """Configuration and weights. Raises CorruptCheckpoint or UnsupportedCheckpoint."""
    require_usual(kwargs, USUAL)
    arrays, fields = mapping(mapping_variables, kwargs)
    if fields.pop("label_mode", "concat") != "concat":
        raise corrupt("its labels are those of another family")
    arrays = {name: dense_bias(array) if name.endswith(".bias") else array for name, array in arrays.items()}

    side = resolution(variables)
    use_noise = "4x4/Const/Noise/weight" in variables
    for index, active in enumerate(active_sides(side, lod)):
        block = f"{active}x{active}"
        names = ("Const", "Conv") if active == 4 else ("Conv0_up", "Conv1")
        for j, name in enumerate(names):
            noise = f"noise{2 * index + j}" if use_noise else None
            arrays |= _styled(variables, f"{block}/{name}", f"synthesis.b{active}.conv{j}", noise)
        if active > 4:
            weight = kernel(variables, f"{block}/Conv0_up/weight")
            fused = _is_fused(kwargs, active)
            arrays[f"synthesis.b{active}.conv0.weight"] = doubling_kernel(weight, fused=fused)
        arrays[f"synthesis.b{active}.conv1.weight"] = conv_kernel(kernel(variables, f"{block}/{names[1]}/weight"))
    arrays["synthesis.b4.const"] = variables.get("4x4/Const/const", 4).squeeze(0)
    for drawing in drawing_sides(side, lod):
        source = f"ToRGB_lod{side.bit_length() - drawing.bit_length()}"
        arrays[f"synthesis.b{drawing}.torgb.weight"] = rgb_kernel(kernel(variables, f"{source}/weight"))
        arrays[f"synthesis.b{drawing}.torgb.bias"] = variables.get(f"{source}/bias", 1)

    config = StyleGAN1Config(
        resolution=side,
        channels={active: arrays[f"synthesis.b{active}.conv1.bias"].shape[0] for active in active_sides(side, lod)},
        blur_filter=taps(kwargs, "blur_filter", (1.0, 2.0, 1.0), none=(1.0,)),
        use_noise=use_noise,
        lod=lod,
        **fields,
    )
    return config, arrays


def _styled(variables: Arrays, source: str, ours: str, noise: str | None) -> dict[str, Tensor]:
    """A layer without its kernel."""
    arrays = {
        f"{ours}.bias": variables.get(f"{source}/bias", 1),
        f"{ours}.affine.weight": variables.get(f"{source}/StyleMod/weight", 2).t(),
        f"{ours}.affine.bias": style_bias(variables.get(f"{source}/StyleMod/bias", 1)),
    }
    if noise is not None:
        arrays[f"{ours}.noise_strength"] = variables.get(f"{source}/Noise/weight", 1)
        arrays[f"{ours}.noise_const"] = variables.get(noise, 4)[0, 0]
    return arrays


def _is_fused(kwargs: Mapping[str, Any], side: int) -> bool:
    fused = kwargs.get("fused_scale", "auto")
    if fused == "auto":
        return side >= FUSED_FROM
    if type(fused) is not bool:
        raise corrupt("its fused_scale is neither True, False nor auto")
    return fused
