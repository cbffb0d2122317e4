"""StyleGAN1 from lernapparat's `.pt` files: a plain state_dict of its `g_all`, also inside another module.

They are conversions of NVIDIA's networks without the mean latent and the noise maps. The mean is estimated by `build`;
the maps are fixed draws, so that a picture stays the same each time. Names as in its `pytorch_style_gan.ipynb`, whose
instance normalisation has torch's default epsilon; ours is the one that NVIDIA trained with.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from latentlayers.checkpoints.families.family import W_AVG
from latentlayers.checkpoints.families.stylegan1 import (
    FUSED_FROM,
    conv_kernel,
    dense_bias,
    doubling_kernel,
    rgb_kernel,
    style_bias,
)
from latentlayers.checkpoints.families.stylegan2 import resample_taps
from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.readers.network import DRAWN, MAX_DRAWN, Arrays, Later, Network, noise_maps
from latentlayers.generators import StyleGAN1Config

SOURCE_FORMAT = "lernapparat"
FIRST_DENSE = "g_mapping.dense0.weight"
BLUR = "g_synthesis.blocks.8x8.conv0_up.intermediate.kernel"
MEAN = "truncation.avg_latent"  # the notebook's optional module


def read(value: Any, budget: Budget) -> Network | None:
    """The generator in the file's state_dict, whatever prefix its names have; None if it is no such dict.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: a blur that is not separable.
    """
    if not isinstance(value, dict):
        return None
    first = next((key for key in value if isinstance(key, str) and key.endswith(FIRST_DENSE)), None)
    if first is None:
        return None
    prefix = first.removesuffix(FIRST_DENSE)
    named = {key.removeprefix(prefix): v for key, v in value.items() if isinstance(key, str) and key.startswith(prefix)}
    g = Arrays(named, budget)

    layers = g.count("g_mapping.dense{}.weight")
    sides = [4]
    while f"g_synthesis.blocks.{sides[-1] * 2}x{sides[-1] * 2}.conv1.weight" in g and sides[-1] < MAX_DRAWN:
        sides.append(sides[-1] * 2)

    arrays: dict[str, Tensor | Lazy] = {
        **noise_maps([f"synthesis.b{side}.conv{j}.noise_const" for side in sides for j in range(2)], sides[-1])
    }
    for i in range(layers):
        arrays[f"mapping.fc{i}.weight"] = g.later(f"g_mapping.dense{i}.weight", 2)
        arrays[f"mapping.fc{i}.bias"] = g.later(f"g_mapping.dense{i}.bias", 1, make=dense_bias)
    for side in sides:
        source, ours = f"g_synthesis.blocks.{side}x{side}", f"synthesis.b{side}"
        for j in range(2):
            arrays |= _epilogue(g, f"{source}.epi{j + 1}", f"{ours}.conv{j}")
        if side == 4:
            const = f"{source}.const"
            arrays[f"{ours}.const"] = g.later(const, shape=g.shape(const, 4)[1:], make=lambda array: array.squeeze(0))
            arrays[f"{ours}.conv0.bias"] = g.later(f"{source}.bias", 1)
        else:
            arrays[f"{ours}.conv0.weight"] = _doubling(g, f"{source}.conv0_up.weight", fused=side >= FUSED_FROM)
            arrays[f"{ours}.conv0.bias"] = g.later(f"{source}.conv0_up.bias", 1)
        conv = f"{source}.conv" if side == 4 else f"{source}.conv1"
        arrays[f"{ours}.conv1.weight"] = g.later(f"{conv}.weight", 4, make=conv_kernel)
        arrays[f"{ours}.conv1.bias"] = g.later(f"{conv}.bias", 1)
    arrays[f"synthesis.b{sides[-1]}.torgb.weight"] = g.later("g_synthesis.torgb.weight", 4, make=rgb_kernel)
    arrays[f"synthesis.b{sides[-1]}.torgb.bias"] = g.later("g_synthesis.torgb.bias", 1)
    if MEAN in g:
        arrays[W_AVG] = g.get(MEAN).flatten()

    config = StyleGAN1Config(
        resolution=sides[-1],
        z_dim=g.shape("g_mapping.dense0.weight", 2)[1],
        w_dim=g.shape(f"g_mapping.dense{layers - 1}.weight", 2)[0],
        channels={side: arrays[f"synthesis.b{side}.conv1.bias"].shape[0] for side in sides},
        mapping_layers=layers,
        layer_features=g.shape("g_mapping.dense0.weight", 2)[0] if layers > 1 else 0,
        blur_filter=resample_taps(BLUR, g.get(BLUR, 4)[0, 0]) if BLUR in g else (1.0, 2.0, 1.0),
    )
    return Network(config, arrays, SOURCE_FORMAT, DRAWN)


def _doubling(g: Arrays, name: str, *, fused: bool) -> Later:
    out, into, rows, columns = g.shape(name, 4)
    shape = (into, out, rows + 1, columns + 1)
    return g.later(name, shape=shape, make=lambda weight: doubling_kernel(weight, fused=fused))


def _epilogue(g: Arrays, source: str, ours: str) -> dict[str, Later]:
    return {
        f"{ours}.noise_strength": g.later(f"{source}.top_epi.noise.weight", 1),
        f"{ours}.affine.weight": g.later(f"{source}.style_mod.lin.weight", 2),
        f"{ours}.affine.bias": g.later(f"{source}.style_mod.lin.bias", 1, make=style_bias),
    }
