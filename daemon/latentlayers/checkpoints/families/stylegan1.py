"""StyleGAN1 as files hold it: what sizes are possible, and how stored kernels and biases are made ready for use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentlayers.checkpoints.families.family import MAX_FEATURES, MAX_RESOLUTION, Family, check_sizes
from latentlayers.checkpoints.families.mapping import check_mapping, mapping_size
from latentlayers.checkpoints.families.stylegan2 import check_taps, derived
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN1, StyleGAN1Config
from latentlayers.generators.ops import SQRT2

FUSED_FROM = 128  # fused_scale="auto", the default: from this side on the doubling is one transposed convolution


def check(cfg: StyleGAN1Config) -> None:
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
    check_taps("blur_filter", cfg.blur_filter, least=1)
    if type(cfg.use_noise) is not bool:
        raise corrupt(f"its use_noise is {cfg.use_noise!r:.80}")
    if cfg.img_channels != 3:
        raise unsupported(f"it draws {cfg.img_channels} channels, not red, green and blue")


def least_size(cfg: StyleGAN1Config) -> int:
    """See `Family.least_size`: kernels, matrices and noise maps; there are a few more numbers in its vectors."""
    total = mapping_size(cfg)
    previous = 0
    for side, width in sorted(cfg.channels.items()):
        total += 16 * previous * width + 9 * width**2 + 4 * width * cfg.w_dim + (2 * side**2 if cfg.use_noise else 0)
        previous = width
    return total


def conv_kernel(weight: Tensor) -> Tensor:
    """[out, in, k, k] as trained -> as applied: He's gain, which the equalised learning rate leaves to run time."""
    return weight.float() * math.sqrt(2 / math.prod(weight.shape[1:]))


def doubling_kernel(weight: Tensor, *, fused: bool) -> Tensor:
    """[out, in, 3, 3] as trained -> [in, out, 4, 4] as `UpLayer` applies it.

    The fused operation is a transposed convolution with the sum of four shifted copies. Repeating pixels before an
    ordinary convolution is the same with the kernel mirrored.
    """
    kernel = conv_kernel(weight if fused else weight.flip(2, 3)).transpose(0, 1)
    rows, columns = kernel.shape[2:]
    doubled = kernel.new_zeros(*kernel.shape[:2], rows + 1, columns + 1)
    for i, j in ((0, 0), (1, 0), (0, 1), (1, 1)):
        doubled[..., i : i + rows, j : j + columns] += kernel
    return doubled


def rgb_kernel(weight: Tensor) -> Tensor:
    """[3, in, 1, 1] as trained -> as applied: gain 1."""
    return weight.float() / math.sqrt(weight.shape[1])


def dense_bias(bias: Tensor) -> Tensor:
    """A bias of the mapping network as `FullyConnected` takes it, which applies He's gain after the activation."""
    return bias / SQRT2


def style_bias(bias: Tensor) -> Tensor:
    """[2 * width] as trained, where the style scales by one plus its first half, -> with the one included."""
    scale, offset = bias.chunk(2)
    return torch.cat([scale + 1, offset])


STYLEGAN1 = Family("stylegan1", StyleGAN1Config.from_json, check, least_size, StyleGAN1, derived)
