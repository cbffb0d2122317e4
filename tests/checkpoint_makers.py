"""Weights under the names of the projects that took over rosinality's StyleGAN2, spelt as their own converters do."""

from __future__ import annotations

import re

from checkpoint_files import rosinality_state
from latentlayers.generators import StyleGAN2
from torch import Tensor

BASICSR = [
    (r"^style\.", "style_mlp."),
    (r"^input\.input$", "constant_input.weight"),
    (r"^(convs?\d?)\.", r"style_\1."),
    (r"\.noise\.weight$", ".weight"),
    (r"^noises\.noise_", "noises.noise"),
    (r"\.conv\.", ".modulated_conv."),
]
OPENMMLAB = [
    (r"^style\.(\d+)\.weight", r"style_mapping.\1.linear.weight_orig"),
    (r"^style\.", "style_mapping."),
    (r"^input\.input$", "constant_input.input"),
    (r"\.modulation\.weight$", ".style_modulation.linear.weight_orig"),
    (r"\.modulation\.", ".style_modulation."),
    (r"\.conv\.weight$", ".conv.weight_orig"),
    (r"\.noise\.weight$", ".noise_injector.weight"),
    (r"^noises\.noise_", "injected_noise_"),
]


def basicsr_state(generator: StyleGAN2) -> dict[str, Tensor]:
    """BasicSR keeps no filters in its files."""
    state = _renamed(rosinality_state(generator), BASICSR)
    return {name: tensor for name, tensor in state.items() if not name.endswith("kernel")}


def openmmlab_state(generator: StyleGAN2) -> dict[str, Tensor]:
    """OpenMMLab's networks draw blue first."""
    return {
        name: tensor.flip(1) if re.match(r"to_rgb.*conv\.weight|to_rgb[^c]*\.bias", name) else tensor
        for name, tensor in _renamed(rosinality_state(generator), OPENMMLAB).items()
    }


def genforce_state(generator: StyleGAN2) -> dict[str, Tensor]:
    """GenForce numbers the layers through, and keeps style biases without their 1 and kernels as TensorFlow does."""
    ours, sides = generator.state_dict(), generator.synthesis.sides
    state = {"synthesis.early_layer.const": ours["synthesis.b4.const"][None], "truncation.w_avg": ours["mapping.w_avg"]}
    for i in range(generator.config.mapping_layers):
        for part in ("weight", "bias"):
            state[f"mapping.dense{i}.{part}"] = ours[f"mapping.fc{i}.{part}"]
    convs = [f"synthesis.b{side}.{conv}" for side in sides for conv in ("conv0", "conv1")][1:]
    pictures = [f"synthesis.b{side}.torgb" for side in sides]
    for kind, layers in (("layer", convs), ("output", pictures)):
        for i, source in enumerate(layers):
            name = f"synthesis.{kind}{i}"
            weight = ours[f"{source}.weight"]
            state[f"{name}.weight"] = weight.flip(2, 3) if source.endswith("conv0") else weight
            state[f"{name}.bias"] = ours[f"{source}.bias"]
            state[f"{name}.style.weight"] = ours[f"{source}.affine.weight"]
            state[f"{name}.style.bias"] = ours[f"{source}.affine.bias"] - 1
            if kind == "layer":
                state[f"{name}.noise"] = ours[f"{source}.noise_const"][None, None]
                state[f"{name}.noise_strength"] = ours[f"{source}.noise_strength"]
            if source.endswith("conv0"):
                state[f"{name}.filter.kernel"] = ours["synthesis.b4.resample_filter"][None, None] * 4
    return state


def _renamed(state: dict[str, Tensor], rules: list[tuple[str, str]]) -> dict[str, Tensor]:
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed
