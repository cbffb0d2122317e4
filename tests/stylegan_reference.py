"""StyleGAN1, and StyleGAN2 before its skip connections, as their papers and research code define them.

In float64, one kernel element at a time, from variables in TensorFlow's layouts and with none of our code.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from checkpoint_files import upfirdn2d
from tensorflow_files import TensorFlowModel
from torch import Tensor


def mapping(model: TensorFlowModel, z: Tensor, c: Tensor | None = None) -> Tensor:
    """z [N, Z] -> w [N, W]"""
    gain = math.sqrt(2)
    v = {name: value.double() for name, value in model.mapping.items()}
    x = z.double() if c is None else torch.cat([z.double(), c.double() @ v["LabelConcat/weight"]], dim=1)
    x = x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for i in range(2):
        weight = v[f"Dense{i}/weight"] * 0.01 / math.sqrt(x.shape[1])
        bias = v[f"Dense{i}/bias"] * 0.01
        # StyleGAN1 has He's gain in the weight, StyleGAN2 after the activation.
        x = lrelu(x @ (gain * weight) + bias) if model.styled else gain * lrelu(x @ weight + bias)
    return x


def synthesis(model: TensorFlowModel, ws: Tensor, noise: list[Tensor] | None) -> Tensor:
    """ws [N, num_ws, W], one map [side, side] per layer or None -> picture [N, 3, R, R]"""
    v = {name: value.double() for name, value in model.synthesis.items()}
    network = (_Styled if model.styled else _Revised)(model, v, ws.double(), noise)
    if model.kwargs.get("structure") == "fixed":
        x = network.first()
        for i in range(1, len(model.widths)):
            x = network.block(i, x)
        return network.picture(len(model.widths) - 1, x)
    return _grow(network, network.first(), 1, len(model.widths) - 2, model.lod)


def _grow(network: _Styled | _Revised, x: Tensor, i: int, level: int, lod: float) -> Tensor:
    """The "recursive" structure of both repositories."""
    y = network.block(i, x)
    if level > 0 and lod < level:
        return _grow(network, y, i + 1, level - 1, lod)
    picture = network.picture(i, y)
    if lod > level:
        previous = repeat(network.picture(i - 1, x), 2)
        picture = picture + (previous - picture) * (lod - level)
    return repeat(picture, 2**level)


class _Styled:
    """G_synthesis of networks_stylegan.py"""

    def __init__(self, model: TensorFlowModel, v: dict[str, Tensor], ws: Tensor, noise: list[Tensor] | None) -> None:
        self.model, self.v, self.ws, self.noise = model, v, ws, noise

    def first(self) -> Tensor:
        x = self.v["4x4/Const/const"].repeat(len(self.ws), 1, 1, 1)
        return self.layer("4x4/Conv", 1, convolution(self.layer("4x4/Const", 0, x), self.weight("4x4/Conv")))

    def block(self, i: int, x: Tensor) -> Tensor:
        name, side = f"{4 << i}x{4 << i}", 4 << i
        fused = self.model.kwargs.get("fused_scale", "auto")
        weight = self.weight(f"{name}/Conv0_up")
        if fused is True or (fused == "auto" and side >= 128):
            wide = torch.nn.functional.pad(weight, (0, 0, 0, 0, 1, 1, 1, 1))
            wide = wide[1:, 1:] + wide[:-1, 1:] + wide[1:, :-1] + wide[:-1, :-1]
            x = transposed(x, wide)[:, :, 1:-1, 1:-1]
        else:
            x = convolution(repeat(x, 2), weight)
        taps = self.model.kwargs.get("blur_filter", [1, 2, 1])
        x = self.layer(f"{name}/Conv0_up", 2 * i, blur(x, taps) if taps else x)
        return self.layer(f"{name}/Conv1", 2 * i + 1, convolution(x, self.weight(f"{name}/Conv1")))

    def picture(self, i: int, x: Tensor) -> Tensor:
        name = f"ToRGB_lod{len(self.model.widths) - 1 - i}"
        return convolution(x, self.weight(name, gain=1)) + self.v[f"{name}/bias"][:, None, None]

    def weight(self, name: str, gain: float = math.sqrt(2)) -> Tensor:
        weight = self.v[f"{name}/weight"]
        return weight * gain / math.sqrt(math.prod(weight.shape[:3]))

    def layer(self, name: str, index: int, x: Tensor) -> Tensor:
        if self.noise is not None:
            x = x + self.noise[index].double() * self.v[f"{name}/Noise/weight"][:, None, None]
        x = lrelu(x + self.v[f"{name}/bias"][:, None, None])
        x = x - x.mean(dim=(2, 3), keepdim=True)
        x = x / (x.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        weight = self.v[f"{name}/StyleMod/weight"]
        style = self.ws[:, index] @ weight / math.sqrt(len(weight)) + self.v[f"{name}/StyleMod/bias"]
        scale, offset = style.reshape(len(x), 2, -1, 1, 1).unbind(dim=1)
        return x * (scale + 1) + offset


class _Revised:
    """G_synthesis_stylegan_revised of networks_stylegan2.py"""

    def __init__(self, model: TensorFlowModel, v: dict[str, Tensor], ws: Tensor, noise: list[Tensor] | None) -> None:
        self.model, self.v, self.ws, self.noise = model, v, ws, noise

    def first(self) -> Tensor:
        return self.layer("4x4/Conv", 0, self.v["4x4/Const/const"].repeat(len(self.ws), 1, 1, 1))

    def block(self, i: int, x: Tensor) -> Tensor:
        name = f"{4 << i}x{4 << i}"
        return self.layer(f"{name}/Conv1", 2 * i, self.layer(f"{name}/Conv0_up", 2 * i - 1, x, up=True))

    def picture(self, i: int, x: Tensor) -> Tensor:
        name = f"ToRGB_lod{len(self.model.widths) - 1 - i}"
        return self.modulated(name, 2 * i + 1, x, convolution, demodulate=False) + self.bias(name)

    def bias(self, name: str) -> Tensor:
        return self.v[f"{name}/bias"][:, None, None]

    def layer(self, name: str, index: int, x: Tensor, *, up: bool = False) -> Tensor:
        x = self.modulated(name, index, x, self.upsampling if up else convolution)
        if self.noise is not None:
            x = x + self.noise[index].double() * self.v[f"{name}/noise_strength"]
        return math.sqrt(2) * lrelu(x + self.bias(name))

    def modulated(
        self, name: str, row: int, x: Tensor, operation: Callable[[Tensor, Tensor], Tensor], demodulate: bool = True
    ) -> Tensor:
        affine = self.v[f"{name}/mod_weight"]
        style = self.ws[:, row] @ affine / math.sqrt(len(affine)) + self.v[f"{name}/mod_bias"] + 1
        weight = self.v[f"{name}/weight"] / math.sqrt(math.prod(self.v[f"{name}/weight"].shape[:3]))
        samples = []
        for one, s in zip(x, style, strict=True):
            w = weight * s[:, None]
            if demodulate:
                w = w / (w.square().sum(dim=(0, 1, 2)) + 1e-8).sqrt()
            samples.append(operation(one[None], w))
        return torch.cat(samples)

    def upsampling(self, x: Tensor, weight: Tensor) -> Tensor:
        taps = torch.tensor(self.model.kwargs.get("resample_kernel", [1, 3, 3, 1]) or [1, 1], dtype=torch.float64)
        f = torch.outer(taps, taps) / taps.sum() ** 2
        p = len(taps) - 2 - 2
        padding = ((p + 1) // 2 + 1, p // 2 + 1)
        return upfirdn2d(transposed(x, weight.flip(0, 1)), f, up=1, padding=padding, gain=4)


def lrelu(x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, 0.2 * x)


def repeat(x: Tensor, factor: int) -> Tensor:
    return x.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def convolution(x: Tensor, weight: Tensor) -> Tensor:
    """TensorFlow's conv2d with padding SAME. weight [k, k, in, out], k odd."""
    n, _, h, w = x.shape
    border = len(weight) // 2
    wide = torch.nn.functional.pad(x, (border,) * 4)
    out = torch.zeros(n, weight.shape[3], h, w, dtype=x.dtype)
    for a, row in enumerate(weight):
        for b, matrix in enumerate(row):
            out = out + torch.einsum("nihw,io->nohw", wide[:, :, a : a + h, b : b + w], matrix)
    return out


def transposed(x: Tensor, weight: Tensor) -> Tensor:
    """TensorFlow's conv2d_transpose with stride 2 and padding VALID: a pixel adds a scaled [k, k, in, out]."""
    n, _, h, w = x.shape
    k = len(weight)
    out = torch.zeros(n, weight.shape[3], 2 * h - 2 + k, 2 * w - 2 + k, dtype=x.dtype)
    for a, row in enumerate(weight):
        for b, matrix in enumerate(row):
            out[:, :, a : a + 2 * h - 1 : 2, b : b + 2 * w - 1 : 2] += torch.einsum("nihw,io->nohw", x, matrix)
    return out


def blur(x: Tensor, taps: list[float]) -> Tensor:
    """Each channel with the outer product of the taps, normalised, padding SAME."""
    f = torch.tensor(taps, dtype=torch.float64)
    f = torch.outer(f, f) / f.sum() ** 2
    _, _, h, w = x.shape
    before, after = (len(taps) - 1) // 2, len(taps) // 2
    wide = torch.nn.functional.pad(x, (before, after, before, after))
    out = torch.zeros_like(x)
    for a, row in enumerate(f):
        for b, factor in enumerate(row):
            out = out + factor * wide[:, :, a : a + h, b : b + w]
    return out
