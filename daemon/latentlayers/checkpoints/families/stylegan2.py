"""StyleGAN2 as files hold it: what sizes are possible, and what need not be stored."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from latentlayers.checkpoints.families.family import (
    MAX_FEATURES,
    MAX_RESOLUTION,
    Family,
    check_sizes,
    is_number,
)
from latentlayers.checkpoints.families.mapping import check_mapping, mapping_size
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN2, StyleGAN2Config

MAX_SIDES = MAX_RESOLUTION.bit_length() - 2  # 4, 8, ... MAX_RESOLUTION
MAX_TAPS = 64
RESAMPLE_FILTER = "resample_filter"


def derived(name: str) -> bool:
    """See `Family.derived`."""
    return name.rpartition(".")[2] == RESAMPLE_FILTER


def check(cfg: StyleGAN2Config) -> None:
    """See `Family.check`.

    Raises:
        CorruptCheckpoint: a size or factor is of the wrong type or out of range.
        UnsupportedCheckpoint: it draws something other than three colour channels.
    """
    check_mapping(cfg)
    sizes = {
        "resolution": (cfg.resolution, 4, MAX_RESOLUTION),
        "img_channels": (cfg.img_channels, 1, MAX_FEATURES),
        **{f"channels at {side} px": (width, 1, MAX_FEATURES) for side, width in cfg.channels.items()},
    }
    check_sizes(sizes)
    check_taps(RESAMPLE_FILTER, cfg.resample_filter)
    if cfg.architecture not in ("skip", "resnet", "orig"):
        raise corrupt(f"its architecture is {cfg.architecture!r:.80}")
    if cfg.conv_clamp is not None and not (is_number(cfg.conv_clamp) and cfg.conv_clamp > 0):
        raise corrupt(f"its conv_clamp is {cfg.conv_clamp!r:.80}")
    if type(cfg.use_noise) is not bool:
        raise corrupt(f"its use_noise is {cfg.use_noise!r:.80}")
    if cfg.img_channels != 3:
        raise unsupported(f"it draws {cfg.img_channels} channels, not red, green and blue")


def least_size(cfg: StyleGAN2Config) -> int:
    """See `Family.least_size`: kernels, matrices and noise maps; there are a few more numbers in its vectors."""
    sides = sorted(cfg.channels)
    widths = [cfg.channels[side] for side in sides]
    inputs = [widths[0], *[width for pair in pairwise(widths) for width in pair]]
    outputs = [widths[0], *[width for width in widths[1:] for _ in range(2)]]
    return (
        mapping_size(cfg)
        + sum(9 * a * b + a * cfg.w_dim for a, b in zip(inputs, outputs, strict=True))
        + (sum(2 * side**2 for side in sides) - 16 if cfg.use_noise else 0)
    )


def check_taps(name: str, taps: Sequence[float], least: int = 2) -> None:
    """Raises CorruptCheckpoint unless there are `least` of them or more, which can be normalised to sum 1."""
    if not least <= len(taps) <= MAX_TAPS or not all(map(is_number, taps)) or abs(sum(taps)) < 1e-6:
        raise corrupt(f"its {name} is {list(taps)!r:.200}")


def resample_taps(name: str, kernel: Tensor) -> tuple[float, ...]:
    """The 1-D FIR taps, with sum 1, whose outer product is the stored filter `kernel`, [n, n] or [n].

    Raises:
        UnsupportedCheckpoint: it is not such a product.
    """
    if kernel.ndim not in (1, 2) or not 2 <= max(kernel.shape) <= MAX_TAPS:  # before a product is made of it
        raise unsupported(f"{name} is a filter of {list(kernel.shape)}")
    kernel = kernel.double()
    taps = kernel.sum(dim=1) if kernel.ndim == 2 else kernel  # ADA stores long filters in 1-D
    product = torch.outer(taps, taps) if kernel.ndim == 2 else taps / taps.sum()
    if product.shape != kernel.shape or not torch.allclose(product, kernel, atol=1e-6):
        raise unsupported(f"{name} is not a separable filter with sum 1")
    return tuple(taps.tolist())


STYLEGAN2 = Family("stylegan2", StyleGAN2Config.from_json, check, least_size, StyleGAN2, derived)
