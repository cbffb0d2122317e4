"""StyleGAN3's filtered leaky ReLU (Karras et al., NeurIPS 2021, section 3.2) in pure torch, for any device.

Upsample, leaky ReLU, downsample, so that the non-linearity creates no frequency the grid cannot hold. What makes it
fast: every FIR filter is a product with a small band matrix, cut into tiles that are all alike; a two-dimensional
filter is written as the few separable ones it amounts to; channels are taken so few at a time that the upsampled
picture stays in the processor's cache; and the backward pass upsamples again instead of remembering.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

TILE = 16
NEGLIGIBLE = 1e-6  # of a filter's largest singular value; float32 resolves a tenth of it
CPU_CHUNK = 1 << 18  # upsampled pixels held at once, per thread: a cache's worth
GPU_CHUNK = 1 << 27


@dataclass(frozen=True, eq=False)
class Resampling:
    """An FIR filter along one axis, with zeros inserted before it or samples dropped after it.

    `y[j] = sum_k taps[k] z[j * down + k - before]` for `z[i * up] = x[i]`, zero elsewhere; a negative `before` crops.

    Attributes:
        taps: [n] in the order of that sum, i.e. as correlation.
        inputs, outputs: lengths of x and y.
    """

    taps: Tensor
    up: int
    down: int
    before: int
    inputs: int
    outputs: int

    @cached_property
    def adjoint(self) -> Resampling:
        """The transposed linear map: what carries gradients back."""
        before = len(self.taps) - 1 - self.before
        return Resampling(self.taps.flip(0), self.down, self.up, before, self.outputs, self.inputs)

    @cached_property
    def tile(self) -> int:
        """How many outputs one matrix makes: a number that begins every tile at the same phase."""
        return math.lcm(self.up, self.down) // self.down * max(1, TILE // self.up)

    @cached_property
    def start(self) -> int:
        """The first input that the first output may depend on; negative: there are zeros before it."""
        return -(self.before // self.up)

    @cached_property
    def matrix(self) -> Tensor:
        """[tile, window]: a tile of outputs from the inputs it depends on."""
        last = ((self.tile - 1) * self.down + len(self.taps) - 1 - self.before) // self.up
        inputs = torch.arange(self.start, last + 1, device=self.taps.device) * self.up
        outputs = torch.arange(self.tile, device=self.taps.device)[:, None] * self.down
        k = inputs - outputs + self.before
        inside = (k >= 0) & (k < len(self.taps))
        return torch.where(inside, self.taps[k.clamp(0, len(self.taps) - 1)], 0.0)

    def windows(self, x: Tensor, dim: int) -> Tensor:
        """The inputs of every tile, as a new last axis: x [..., inputs, ...] -> [..., tiles, ..., window]."""
        tiles, window, step = -(-self.outputs // self.tile), self.matrix.shape[1], self.tile * self.down // self.up
        after = (tiles - 1) * step + window + self.start - self.inputs
        padding = [-self.start, after] if dim == 2 else [0, 0, -self.start, after]
        return F.pad(x, padding).unfold(dim, window, step)

    def along_width(self, x: Tensor) -> Tensor:
        """[P, H, inputs] -> [P, H, outputs]."""
        windows = self.windows(x, 2).contiguous()
        return F.linear(windows, self.matrix).flatten(2)[:, :, : self.outputs]

    def along_height(self, x: Tensor) -> Tensor:
        """[P, inputs, W] -> [P, outputs, W]."""
        windows = self.windows(x, 1).transpose(2, 3).flatten(0, 1)
        y = self.matrix.expand(len(windows), -1, -1) @ windows
        return y.view(len(x), -1, x.shape[2])[:, : self.outputs]


@dataclass(frozen=True, eq=False)
class FilteredLReLU:
    """The whole operation for one layer: a square picture in, a square picture out.

    Attributes:
        up: along either axis; the non-linearity's gain rides on it, for `gain * lrelu(y) = lrelu(gain * y)`.
        down: (along height, along width), to be summed.
        clamp: the activations' largest magnitude; None: unlimited.
    """

    up: Resampling
    down: Sequence[tuple[Resampling, Resampling]]
    slope: float
    clamp: float | None

    @classmethod
    def plan(
        cls,
        up_filter: Tensor,
        down_filter: Tensor,
        *,
        up: int,
        down: int,
        before: int,
        inputs: int,
        inner: int,
        outputs: int,
        slope: float,
        gain: float,
        clamp: float | None,
        dtype: torch.dtype = torch.float32,
    ) -> FilteredLReLU:
        """From NVIDIA's filters: `up_filter` [n]; `down_filter` [m], or [m, m] if it is not separable.

        Args:
            before: zeros in front of the first row and column after zero insertion.
            inputs, inner, outputs: side before, between and after the two filters.
        """
        taps = (up_filter.flip(0) * (up * math.sqrt(gain))).to(dtype)
        pairs = [
            (Resampling(a.to(dtype), 1, down, 0, inner, outputs), Resampling(b.to(dtype), 1, down, 0, inner, outputs))
            for a, b in separable(down_filter)
        ]
        return cls(Resampling(taps, up, 1, before, inputs, inner), pairs, slope, clamp)

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C, inputs, inputs] -> [N, C, outputs, outputs]; differentiable once, with respect to `x`."""
        y: Tensor = _Apply.apply(x.flatten(0, 1), self)  # type: ignore[no-untyped-call]
        return y.view(*x.shape[:2], *y.shape[1:])

    def chunk(self, device: torch.device) -> int:
        """How many channels to take at once."""
        pixels = CPU_CHUNK * torch.get_num_threads() if device.type == "cpu" else GPU_CHUNK
        return max(1, pixels // self.up.outputs**2)

    def upsample(self, x: Tensor) -> Tensor:
        return self.up.along_height(self.up.along_width(x))

    def activate(self, x: Tensor) -> Tensor:
        """Leaky ReLU and clamp, in place."""
        x = F.leaky_relu_(x, self.slope)
        return x if self.clamp is None else x.clamp_(-self.clamp, self.clamp)

    def downsample(self, x: Tensor) -> Tensor:
        return _total([across.along_width(along.along_height(x)) for along, across in self.down])

    def backward(self, x: Tensor, grad: Tensor) -> Tensor:
        """The gradient with respect to `x`, given that with respect to the result."""
        inner = self.upsample(x)
        g = _total([along.adjoint.along_height(across.adjoint.along_width(grad)) for along, across in self.down])
        g = torch.ops.aten.leaky_relu_backward(g, inner, self.slope, False)
        if self.clamp is not None:
            g = torch.ops.aten.hardtanh_backward(g, F.leaky_relu_(inner, self.slope), -self.clamp, self.clamp)
        return self.up.adjoint.along_width(self.up.adjoint.along_height(g))


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, op: FilteredLReLU) -> Tensor:
        ctx.save_for_backward(x)
        ctx.op = op
        y = x.new_empty(len(x), op.down[0][0].outputs, op.down[0][1].outputs)
        size = op.chunk(x.device)
        for part, out in zip(torch.split(x, size), torch.split(y, size), strict=True):
            out.copy_(op.downsample(op.activate(op.upsample(part))))
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        result = torch.empty_like(x)
        size = ctx.op.chunk(x.device)
        for part, g, out in zip(*(torch.split(t, size) for t in (x, grad, result)), strict=True):
            out.copy_(ctx.op.backward(part, g))
        return result, None


def separable(kernel: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Pairs (u, v) with `sum_i outer(u_i, v_i)` = `kernel` flipped: what correlation needs to convolve with it.

    A radial filter is smooth, so that three or four pairs suffice; [n] is one separable filter.
    """
    kernel = kernel.flip(tuple(range(kernel.ndim)))
    if kernel.ndim == 1:
        return [(kernel, kernel)]
    u, s, vh = torch.linalg.svd(kernel.double().cpu())
    terms = max(1, int((s > NEGLIGIBLE * s[0]).sum()))
    roots = s[:terms].sqrt()
    left, right = (u[:, :terms] * roots).t().to(kernel), (vh[:terms] * roots[:, None]).to(kernel)
    return list(zip(left, right, strict=True))


def _total(terms: Sequence[Tensor]) -> Tensor:
    first, *others = terms
    for other in others:
        first = first + other
    return first
