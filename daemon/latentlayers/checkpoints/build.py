"""A StyleGAN2 from a configuration and named arrays, both taken from a file that may be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN2, StyleGAN2Config

MAX_RESOLUTION = 4096
MAX_SIDES = MAX_RESOLUTION.bit_length() - 2  # 4, 8, ... MAX_RESOLUTION
MAX_FEATURES = 1 << 16
MAX_MAPPING_LAYERS = 64
MAX_TAPS = 64
W_AVG = "mapping.w_avg"
RESAMPLE_FILTER = "resample_filter"


def derived(name: str) -> bool:
    """Whether the entry of a state_dict follows from the configuration and is therefore not stored."""
    return name.rpartition(".")[2] == RESAMPLE_FILTER


def check_config(cfg: StyleGAN2Config) -> StyleGAN2Config:
    """Return `cfg` if it describes a network that could exist.

    Raises:
        CorruptCheckpoint: a size or factor is of the wrong type or out of range.
        UnsupportedCheckpoint: it draws something other than three colour channels.
    """

    def number(value: object) -> bool:
        return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]

    sizes = {
        "resolution": (cfg.resolution, 4, MAX_RESOLUTION),
        "z_dim": (cfg.z_dim, 1, MAX_FEATURES),
        "w_dim": (cfg.w_dim, 1, MAX_FEATURES),
        "c_dim": (cfg.c_dim, 0, MAX_FEATURES),
        "embed_features": (cfg.embed_features, 0, MAX_FEATURES),
        "layer_features": (cfg.layer_features, 0, MAX_FEATURES),
        "mapping_layers": (cfg.mapping_layers, 1, MAX_MAPPING_LAYERS),
        "img_channels": (cfg.img_channels, 1, MAX_FEATURES),
        **{f"channels at {side} px": (width, 1, MAX_FEATURES) for side, width in cfg.channels.items()},
    }
    for name, (value, low, high) in sizes.items():
        if type(value) is not int or not low <= value <= high:
            raise corrupt(f"its {name} is {value!r:.80}, not a whole number from {low} to {high}")
    if cfg.architecture not in ("skip", "resnet", "orig") or cfg.label_mode not in ("embed", "concat"):
        raise corrupt(f"its architecture is {cfg.architecture!r:.80} with labels {cfg.label_mode!r:.80}")
    if cfg.conv_clamp is not None and not (number(cfg.conv_clamp) and cfg.conv_clamp > 0):
        raise corrupt(f"its conv_clamp is {cfg.conv_clamp!r:.80}")
    if not (number(cfg.lr_multiplier) and cfg.lr_multiplier > 0) or type(cfg.use_noise) is not bool:
        raise corrupt(f"its lr_multiplier is {cfg.lr_multiplier!r:.80} and use_noise {cfg.use_noise!r:.80}")
    taps = cfg.resample_filter
    if not 2 <= len(taps) <= MAX_TAPS or not all(map(number, taps)) or abs(sum(taps)) < 1e-6:
        raise corrupt(f"its resample_filter is {list(taps)!r:.200}")
    if cfg.img_channels != 3:
        raise unsupported(f"it draws {cfg.img_channels} channels, not red, green and blue")
    return cfg


def config_from_json(data: Mapping[str, Any]) -> StyleGAN2Config:
    """`StyleGAN2Config.from_json` for input that may be anything; raises as `check_config` does."""
    try:
        return check_config(StyleGAN2Config.from_json(data))
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise corrupt(f"its config is not one of StyleGAN2 ({error!s:.200})") from None


def least_size(cfg: StyleGAN2Config) -> int:
    """How many numbers the network's kernels, matrices and noise maps hold; there are a few more in its vectors."""
    sides = sorted(cfg.channels)
    widths = [cfg.channels[side] for side in sides]
    embed = (cfg.embed_features or cfg.w_dim) if cfg.c_dim else 0
    hidden = cfg.layer_features or cfg.w_dim
    layers = [cfg.z_dim + embed, *[hidden] * (cfg.mapping_layers - 1), cfg.w_dim]
    inputs = [widths[0], *[width for pair in pairwise(widths) for width in pair]]
    outputs = [widths[0], *[width for width in widths[1:] for _ in range(2)]]
    return (
        cfg.c_dim * embed
        + sum(a * b for a, b in pairwise(layers))
        + sum(9 * a * b + a * cfg.w_dim for a, b in zip(inputs, outputs, strict=True))
        + (sum(2 * side**2 for side in sides) - 16 if cfg.use_noise else 0)
    )


def resample_taps(name: str, kernel: Tensor) -> tuple[float, ...]:
    """The 1-D FIR taps, with sum 1, whose outer product is the stored filter `kernel`, [n, n] or [n].

    Raises:
        UnsupportedCheckpoint: it is not such a product.
    """
    kernel = kernel.double()
    taps = kernel.sum(dim=1) if kernel.ndim == 2 else kernel  # ADA stores long filters in 1-D
    product = torch.outer(taps, taps) if kernel.ndim == 2 else taps / taps.sum()
    if product.shape != kernel.shape or not torch.allclose(product, kernel, atol=1e-6):
        raise unsupported(f"{name} is not a separable filter with sum 1")
    return tuple(taps.tolist())


def mean_latent(generator: StyleGAN2) -> Tensor:
    """[w_dim] float32: the mean of `w` over 4096 fixed z, for files that do not hold one.

    The sample size is that of rosinality's generate.py; labels, where there are any, take turns.
    """
    z = torch.from_numpy(np.random.RandomState(123).randn(4096, generator.z_dim)).float()
    c = F.one_hot(torch.arange(4096) % generator.c_dim, generator.c_dim) if generator.c_dim else None
    with torch.no_grad():
        w: Tensor = generator.mapping(z, c)
    return w.mean(dim=0)


def build(cfg: StyleGAN2Config, arrays: Mapping[str, Tensor]) -> StyleGAN2:
    """The generator with these weights, in float32 on the CPU, frozen.

    Args:
        arrays: one for each entry of the generator's state_dict that is not `derived`, in any floating dtype. Only
            `mapping.w_avg` may be left out; it is then estimated.

    Raises:
        CorruptCheckpoint: an array is missing, unknown, of the wrong shape, or holds NaN or infinity.
    """
    check_config(cfg)
    if least_size(cfg) > sum(array.numel() for array in arrays.values()):
        raise corrupt("it holds fewer weights than its sizes call for")
    with _Uninitialised():
        generator = StyleGAN2(cfg)
    state = {name: tensor for name, tensor in generator.state_dict().items() if not derived(name)}
    for name in arrays:
        if name not in state:
            raise corrupt(f"{name:.100} has no place in this network")
    for name, weight in state.items():
        if name in arrays:
            _fill(name, weight, arrays[name])
        elif name != W_AVG:
            raise corrupt(f"{name} is missing")
    if W_AVG not in arrays:
        generator.w_avg.copy_(mean_latent(generator))
    return generator


class _Uninitialised(TorchFunctionMode):
    """While it lasts, random initial weights are left unset: all of them are about to be replaced."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return (torch.empty if func is torch.randn else func)(*args, **(kwargs or {}))


def _fill(name: str, weight: Tensor, array: Tensor) -> None:
    if not array.is_floating_point():
        raise corrupt(f"{name} holds {str(array.dtype).removeprefix('torch.')} instead of real numbers")
    if array.shape != weight.shape:
        raise corrupt(f"{name} has shape {list(array.shape)}, not {list(weight.shape)}")
    weight.copy_(array)
    # A sum of finite float32 numbers cannot overflow in float64, so it is finite exactly if all of them are.
    if not math.isfinite(weight.sum(dtype=torch.float64)):
        raise corrupt(f"{name} holds numbers that are not finite")
