"""lernapparat's StyleGAN1 `.pt` layout, from TensorFlow's variables, as its notebook converts them."""

from __future__ import annotations

import torch
from tensorflow_files import TensorFlowModel
from torch import Tensor

# A layer of TensorFlow's block -> lernapparat's convolution and the part that follows it.
LAYERS = {
    "Const": ("", "epi1"),
    "Conv": ("conv.", "epi2"),
    "Conv0_up": ("conv0_up.", "epi1"),
    "Conv1": ("conv1.", "epi2"),
}


def lernapparat_state(model: TensorFlowModel) -> dict[str, Tensor]:
    """The state_dict of `g_all`: neither noise maps nor a mean, one ToRGB, the blur's kernel."""
    state = {}
    for name, value in model.mapping.items():
        layer, part = name.lower().split("/")
        state[f"g_mapping.{layer}.{part}"] = value.t() if part == "weight" else value
    for name, value in model.synthesis.items():
        if name.startswith("ToRGB_lod0/"):
            state[f"g_synthesis.torgb.{name.partition('/')[2]}"] = torch_layout(value)
        elif "x" in name.partition("/")[0]:
            side, layer, part = name.split("/", 2)
            convolution, epilogue = LAYERS[layer]
            renamed = {
                "Noise/weight": f"{epilogue}.top_epi.noise.weight",
                "StyleMod/weight": f"{epilogue}.style_mod.lin.weight",
                "StyleMod/bias": f"{epilogue}.style_mod.lin.bias",
            }.get(part, convolution + part)
            state[f"g_synthesis.blocks.{side}.{renamed}"] = value if part == "const" else torch_layout(value)
            if layer == "Conv0_up":
                taps = torch.tensor([1.0, 2.0, 1.0])
                state[f"g_synthesis.blocks.{side}.conv0_up.intermediate.kernel"] = (
                    torch.outer(taps, taps)[None, None] / 16
                )
    return state


def torch_layout(value: Tensor) -> Tensor:
    return value.permute(3, 2, 0, 1) if value.ndim == 4 else value.t() if value.ndim == 2 else value
