"""Our generators in the layouts of the projects that other tools are built on.

What a layout cannot express is refused and named: a file that loads but draws another picture would be worse than none.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from latentlayers.checkpoints.families.family import W_AVG
from latentlayers.checkpoints.families.stylegan2 import RESAMPLE_FILTER
from latentlayers.checkpoints.families.stylegan3_design import init_kwargs_of
from latentlayers.checkpoints.native import write_model_file
from latentlayers.checkpoints.readers.layouts import ROSINALITY
from latentlayers.checkpoints.readers.nvidia_names import DEFAULT_TAPS, INIT_KWARGS
from latentlayers.checkpoints.readers.state_dicts import GAIN, LR_MLP
from latentlayers.errors import PreconditionFailed
from latentlayers.generators import Generator, StyleGAN2, StyleGAN2Config, StyleGAN3
from latentlayers.generators.ops import fir_kernel
from latentlayers.generators.widening import padded, renoised

STYLEGAN2_CLASS = "training.networks.Generator"
# NVIDIA clamps at 256 to keep float16 from overflowing; no trained network comes near it, so it changes no picture.
SLACK_CLAMP = 256.0
STYLEGAN3_CLASS = "training.networks_stylegan3.Generator"


def export_rosinality(path: str | Path, generator: Generator) -> None:
    """Write `{g_ema, latent_avg}` as rosinality/stylegan2-pytorch's convert_weight.py does, in torch's zip container.

    `g_ema` is what `Generator(resolution, w_dim, mapping_layers).load_state_dict` takes with strict=True, given the
    same widths. A network without noise gets noise of strength 0.

    Raises:
        PreconditionFailed: EXPORT_UNSUPPORTED, it is not a StyleGAN2 that this layout can hold. MODEL_WRITE_FAILED.
        Exhausted: DISK_FULL.
    """
    network = renoised(_stylegan2(generator, "Rosinality's"), use_noise=True)
    cfg = network.config
    hidden, kernel = cfg.layer_features or cfg.w_dim, fir_kernel(cfg.resample_filter)
    _require(
        "Rosinality's",
        {
            f"the architecture {cfg.architecture!r}": cfg.architecture == "skip",
            f"labels (c_dim {cfg.c_dim})": cfg.c_dim == 0,
            f"a clamp (conv_clamp {cfg.conv_clamp})": (cfg.conv_clamp or math.inf) >= SLACK_CLAMP,
            f"a mapping network of {cfg.z_dim} to {hidden} to {cfg.w_dim}": cfg.z_dim == hidden == cfg.w_dim,
            f"lr_multiplier {cfg.lr_multiplier:g}": cfg.lr_multiplier == LR_MLP,
            f"the filter {list(cfg.resample_filter)}": torch.equal(kernel, fir_kernel(DEFAULT_TAPS)),
        },
    )
    ours = _weights(network)
    sides = network.synthesis.sides
    g_ema = {
        theirs: _in_rosinality_shape(name, ours[name])
        for name, theirs in ROSINALITY.names(cfg.mapping_layers, sides).items()
    }
    for i in range(len(sides) - 1):
        for holder in (f"convs.{2 * i}.conv.blur", f"to_rgbs.{i}.upsample"):
            g_ema[f"{holder}.kernel"] = kernel * GAIN
    buffer = io.BytesIO()
    torch.save({"g_ema": g_ema, "latent_avg": ours[W_AVG]}, buffer)
    write_model_file(Path(path), buffer.getvalue())


def export_nvidia(path: str | Path, generator: Generator) -> None:
    """Write the state_dict of NVIDIA's Generator as safetensors: stylegan2-ada-pytorch's, or stylegan3's for StyleGAN3.

    `G.load_state_dict(load_file(path))` takes it, where G is `class_name(**init_kwargs)`, both in the file's metadata;
    `init_kwargs` is a JSON object. StyleGAN2's class in stylegan3, `training.networks_stylegan2.Generator`, takes the
    contents of `synthesis_kwargs` as arguments of its own. Its widths follow from two numbers; others are made up to
    such ones with channels that are 0, which changes no picture.

    Raises:
        PreconditionFailed: EXPORT_UNSUPPORTED, it is not a network that this class can be. MODEL_WRITE_FAILED.
        Exhausted: DISK_FULL.
    """
    layout = "NVIDIA's"
    if isinstance(generator, StyleGAN3):
        class_name, init_kwargs = STYLEGAN3_CLASS, init_kwargs_of(generator.config)
        _require(layout, {"layers of such sizes": init_kwargs is not None})
        tensors = _weights(generator)
    else:
        network = _stylegan2(generator, layout)
        if network.config.channels != (widths := _followed_widths(network.config.channels)):
            network = padded(network, widths)
        class_name, init_kwargs = STYLEGAN2_CLASS, _stylegan2_kwargs(network.config, layout)
        tensors = _weights(network)
        for side in network.synthesis.sides:  # the class registers a filter there that it does not use
            tensors[f"synthesis.b{side}.conv1.{RESAMPLE_FILTER}"] = fir_kernel(DEFAULT_TAPS)
    metadata = {"format": "pt", "class_name": class_name, INIT_KWARGS: json.dumps(init_kwargs)}
    write_model_file(Path(path), safetensors.torch.save(tensors, metadata))


def _stylegan2_kwargs(cfg: StyleGAN2Config, layout: str) -> dict[str, Any]:
    _require(layout, {"labels as in TensorFlow": cfg.label_mode == "embed" or cfg.c_dim == 0})
    return {
        "z_dim": cfg.z_dim,
        "c_dim": cfg.c_dim,
        "w_dim": cfg.w_dim,
        "img_resolution": cfg.resolution,
        "img_channels": cfg.img_channels,
        "mapping_kwargs": {
            "num_layers": cfg.mapping_layers,
            "embed_features": cfg.embed_features or None,
            "layer_features": cfg.layer_features or None,
            "lr_multiplier": cfg.lr_multiplier,
        },
        "synthesis_kwargs": {
            "channel_base": _channel_base(cfg.channels),
            "channel_max": max(cfg.channels.values()),
            "num_fp16_res": 0,
            "architecture": cfg.architecture,
            "conv_clamp": cfg.conv_clamp,
            "resample_filter": list(cfg.resample_filter),
            "use_noise": cfg.use_noise,
        },
    }


def _stylegan2(generator: Generator, layout: str) -> StyleGAN2:
    if not isinstance(generator, StyleGAN2):
        raise _refusal(layout, f"a network of the family {generator.family}")
    _require(layout, {"a network taken while it grew": generator.config.lod == 0})
    return generator


def _require(layout: str, possible: Mapping[str, bool]) -> None:
    """Raises unless all that the network has, the keys, is possible in the layout."""
    lacking = [what for what, can_be in possible.items() if not can_be]
    if lacking:
        raise _refusal(layout, " and ".join(lacking))


def _refusal(layout: str, what: str) -> PreconditionFailed:
    return PreconditionFailed(
        "EXPORT_UNSUPPORTED",
        f"{layout} layout cannot express {what}.",
        "Export it in our own format, or in another one.",
    )


def _weights(network: Generator) -> dict[str, Tensor]:
    """The state_dict, in memory of its own."""
    return {
        name: tensor.detach().to("cpu", torch.float32).clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }


def _in_rosinality_shape(name: str, array: Tensor) -> Tensor:
    """Inverse of reading: with the axes of length 1 that the project puts around an array."""
    part = name.rpartition(".")[2]
    if name.endswith("torgb.bias"):
        return array[None, :, None, None]
    if part == "noise_const":
        return array[None, None]
    return array[None] if part in ("const", "noise_strength") or array.ndim == 4 else array


def _channel_base(channels: Mapping[int, int]) -> int:
    """The least `channel_base` for which `min(channel_base // side, channel_max)` is nowhere less than these widths."""
    return max(width * side for side, width in channels.items())


def _followed_widths(channels: Mapping[int, int]) -> dict[int, int]:
    """These widths, or the least ones above them, that follow from a `channel_base` and a `channel_max`."""
    base, most = _channel_base(channels), max(channels.values())
    return {side: min(base // side, most) for side in channels}
