"""StyleGAN2 from rosinality/stylegan2-pytorch `.pt` files, converted (with `latent_avg`) and from training.

Nothing in a converted file states resolution, depth or widths: they follow from the names and shapes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from latentlayers.checkpoints.build import W_AVG, resample_taps
from latentlayers.checkpoints.network import Network, array, count
from latentlayers.checkpoints.refusals import corrupt
from latentlayers.generators import StyleGAN2Config

SOURCE_FORMAT = "rosinality"
LR_MLP = 0.01  # the reference's default, which train.py and convert_weight.py never change
BLUR_GAIN = 4.0  # stored filters are already multiplied by the upsampling gain


def read(value: Any) -> Network | None:
    """The averaged generator, "g_ema" in the file's dict; None if there is none.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: a filter that StyleGAN2's layout cannot express.
    """
    g = value.get("g_ema") if isinstance(value, dict) else None
    if not isinstance(g, dict):
        return None
    layers = count(g, "style.{}.weight", first=1)
    convs = count(g, "convs.{}.conv.weight")
    if layers == 0 or convs == 0 or convs % 2:
        raise corrupt(f"g_ema has {layers} mapping layers and {convs} convolutions")
    sides = [4 << i for i in range(convs // 2 + 1)]
    const = array(g, "input.input", ndim=4)
    kernel = array(g, "convs.0.conv.blur.kernel", ndim=2)
    arrays = {"synthesis.b4.const": const.squeeze(0)}
    for i in range(layers):
        arrays[f"mapping.fc{i}.weight"] = array(g, f"style.{i + 1}.weight", ndim=2)
        arrays[f"mapping.fc{i}.bias"] = array(g, f"style.{i + 1}.bias")
    arrays |= _layer(g, "conv1", "noises.noise_0", "synthesis.b4.conv1")
    arrays |= _to_rgb(g, "to_rgb1", "synthesis.b4.torgb")
    for i, side in enumerate(sides[1:]):
        for j in range(2):
            k = 2 * i + j
            arrays |= _layer(g, f"convs.{k}", f"noises.noise_{k + 1}", f"synthesis.b{side}.conv{j}")
        arrays |= _to_rgb(g, f"to_rgbs.{i}", f"synthesis.b{side}.torgb")
    if "latent_avg" in value:
        arrays[W_AVG] = array(value, "latent_avg", ndim=1)
    first, last = arrays["mapping.fc0.weight"], arrays[f"mapping.fc{layers - 1}.weight"]
    config = StyleGAN2Config(
        resolution=sides[-1],
        z_dim=first.shape[1],
        w_dim=last.shape[0],
        channels={side: arrays[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides},
        mapping_layers=layers,
        resample_filter=resample_taps("convs.0.conv.blur.kernel", kernel, BLUR_GAIN),
        lr_multiplier=LR_MLP,
    )
    return Network(config, arrays, SOURCE_FORMAT)


def _modulated(g: dict[str, Any], source: str, ours: str) -> dict[str, Tensor]:
    return {
        f"{ours}.weight": array(g, f"{source}.conv.weight", ndim=5).squeeze(0),
        f"{ours}.affine.weight": array(g, f"{source}.conv.modulation.weight"),
        f"{ours}.affine.bias": array(g, f"{source}.conv.modulation.bias"),
    }


def _layer(g: dict[str, Any], source: str, noise: str, ours: str) -> dict[str, Tensor]:
    return _modulated(g, source, ours) | {
        f"{ours}.bias": array(g, f"{source}.activate.bias"),
        f"{ours}.noise_strength": array(g, f"{source}.noise.weight", ndim=1).squeeze(0),
        f"{ours}.noise_const": array(g, noise, ndim=4)[0, 0],
    }


def _to_rgb(g: dict[str, Any], source: str, ours: str) -> dict[str, Tensor]:
    return _modulated(g, source, ours) | {f"{ours}.bias": array(g, f"{source}.bias", ndim=4).flatten()}
