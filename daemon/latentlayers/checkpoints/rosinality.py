"""StyleGAN2 from rosinality/stylegan2-pytorch `.pt` files, converted (with `latent_avg`) and from training.

Nothing in a converted file states resolution, depth or widths: they follow from the names and shapes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from latentlayers.checkpoints.family import W_AVG
from latentlayers.checkpoints.limits import Budget
from latentlayers.checkpoints.network import Arrays, Network
from latentlayers.checkpoints.refusals import corrupt
from latentlayers.checkpoints.stylegan2 import MAX_SIDES, resample_taps
from latentlayers.generators import StyleGAN2Config

SOURCE_FORMAT = "rosinality"
LR_MLP = 0.01  # the reference's default, which train.py and convert_weight.py never change
BLUR_GAIN = 4.0  # stored filters are already multiplied by the upsampling gain


def read(value: Any, budget: Budget) -> Network | None:
    """The averaged generator, "g_ema" in the file's dict; None if there is none.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: a filter that StyleGAN2's layout cannot express.
    """
    state = value.get("g_ema") if isinstance(value, dict) else None
    if not isinstance(state, dict):
        return None
    g = Arrays(state, budget)
    layers = g.count("style.{}.weight", first=1)
    convs = g.count("convs.{}.conv.weight")
    if layers == 0 or convs not in range(2, 2 * MAX_SIDES, 2):
        raise corrupt(f"g_ema has {layers} mapping layers and {convs} convolutions")
    sides = [4 << i for i in range(convs // 2 + 1)]

    arrays: dict[str, Tensor] = {"synthesis.b4.const": g.get("input.input", 4).squeeze(0)}
    for i in range(layers):
        arrays[f"mapping.fc{i}.weight"] = g.get(f"style.{i + 1}.weight", 2)
        arrays[f"mapping.fc{i}.bias"] = g.get(f"style.{i + 1}.bias", 1)
    arrays |= _layer(g, "conv1", "noises.noise_0", "synthesis.b4.conv1")
    arrays |= _to_rgb(g, "to_rgb1", "synthesis.b4.torgb")
    for i, side in enumerate(sides[1:]):
        for j, k in enumerate((2 * i, 2 * i + 1)):
            arrays |= _layer(g, f"convs.{k}", f"noises.noise_{k + 1}", f"synthesis.b{side}.conv{j}")
        arrays |= _to_rgb(g, f"to_rgbs.{i}", f"synthesis.b{side}.torgb")
    if "latent_avg" in value:
        arrays[W_AVG] = Arrays(value, budget).get("latent_avg", 1)

    kernel = "convs.0.conv.blur.kernel"
    config = StyleGAN2Config(
        resolution=sides[-1],
        z_dim=g.shape("style.1.weight", 2)[1],
        w_dim=g.shape(f"style.{layers}.weight", 2)[0],
        channels={side: arrays[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides},
        mapping_layers=layers,
        resample_filter=resample_taps(kernel, g.get(kernel, 2) / BLUR_GAIN),
        lr_multiplier=LR_MLP,
    )
    return Network(config, arrays, SOURCE_FORMAT)


def _modulated(g: Arrays, source: str, ours: str) -> dict[str, Tensor]:
    return {
        f"{ours}.weight": g.get(f"{source}.conv.weight", 5).squeeze(0),
        f"{ours}.affine.weight": g.get(f"{source}.conv.modulation.weight", 2),
        f"{ours}.affine.bias": g.get(f"{source}.conv.modulation.bias", 1),
    }


def _layer(g: Arrays, source: str, noise: str, ours: str) -> dict[str, Tensor]:
    return _modulated(g, source, ours) | {
        f"{ours}.bias": g.get(f"{source}.activate.bias", 1),
        f"{ours}.noise_strength": g.get(f"{source}.noise.weight", 1).squeeze(0),
        f"{ours}.noise_const": g.get(noise, 4)[0, 0],
    }


def _to_rgb(g: Arrays, source: str, ours: str) -> dict[str, Tensor]:
    return _modulated(g, source, ours) | {f"{ours}.bias": g.get(f"{source}.bias", 4).flatten()}
