"""Pure-torch operations that the generators share: no compiled extension, any device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SQRT2 = math.sqrt(2.0)
LRELU_SLOPE = 0.2


def fir_kernel(taps: Sequence[float]) -> Tensor:
    """[len, len] float32 outer product of `taps`, normalised to sum 1 (StyleGAN2's `setup_filter`)."""
    f = torch.as_tensor(taps, dtype=torch.float32)
    f = torch.outer(f, f)
    return f / f.sum()


def normalize_2nd_moment(x: Tensor, eps: float = 1e-8) -> Tensor:
    """x [N, C] / sqrt(mean(x^2) + eps): unit second moment per sample."""
    return x * (x.square().mean(dim=1, keepdim=True) + eps).rsqrt()


def _depthwise(f: Tensor, like: Tensor) -> Tensor:
    return f.to(like.dtype).expand(like.shape[1], 1, *f.shape)


def upsample2d(x: Tensor, f: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, 2H, 2W]: zero insertion, then the FIR filter `f` with gain 4."""
    h, w = x.shape[2] * 2, x.shape[3] * 2
    taps = f.shape[0]
    pad = taps - 1 - (taps + 1) // 2
    y = F.conv_transpose2d(x, _depthwise(f * 4.0, x), stride=2, padding=pad, groups=x.shape[1])
    return y[:, :, :h, :w]


def conv2d_up(x: Tensor, weight: Tensor, f: Tensor) -> Tensor:
    """3x3 convolution that doubles the side: transposed convolution, then the FIR filter with gain 4.

    As `conv2d_resample(up=2, flip_weight=False)` of StyleGAN2-ADA with `weight`, [cin, cout, 3, 3], transposed.
    """
    taps = f.shape[0]
    before, after = (taps + 1) // 2 - 1, (taps - 2) // 2
    x = F.conv_transpose2d(x, weight, stride=2)
    kernel = _depthwise(f.flip(0, 1) * 4.0, x)
    if before == after:
        return F.conv2d(x, kernel, padding=before, groups=x.shape[1])
    return F.conv2d(F.pad(x, [before, after, before, after]), kernel, groups=x.shape[1])


def blur2d(x: Tensor, f: Tensor, bias: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, H, W]: each channel correlated with the FIR filter `f`, zeros outside; plus `bias` [C]."""
    before, after = (f.shape[0] - 1) // 2, f.shape[0] // 2
    if before != after:
        x, before = F.pad(x, [before, after, before, after]), 0
    return F.conv2d(x, _depthwise(f, x), bias.to(x.dtype), padding=before, groups=x.shape[1])


class FullyConnected(nn.Module):
    """Equalised linear layer: `y = x @ (W * lr_mul / sqrt(in))^T + b * lr_mul`, then lrelu * sqrt(2) if `activate`."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activate: bool = False,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], float(bias_init)))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return F.leaky_relu(x, LRELU_SLOPE) * SQRT2 if self.activate else x
