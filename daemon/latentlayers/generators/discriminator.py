"""The residual discriminator that trains our generators, and its trunk, which is our perceptual network.

It follows the "resnet" discriminator of StyleGAN2 (Karras et al., CVPR 2020) with one change that makes it
cheap: the finest side is read through a space-to-depth stem (each 2x2 patch becomes 12 channels), so no
convolution runs at full resolution. The gains of the equalised learning rate, of the activation (sqrt 2) and of
the residual sum (sqrt 1/2) are all folded into the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlayers.generators.ops import LRELU_SLOPE, SQRT2, FullyConnected
from latentlayers.generators.settled import Settling

SQRT_HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminator.

    Attributes:
        resolution: side of the pictures it judges, a power of two of at least 16.
        channels: width at each side from 4 to `resolution / 2`: {4: 256, 8: 256, 16: 128, 32: 64}.
        head_features: width of the dense layer before the logit.
    """

    resolution: int
    channels: Mapping[int, int]
    head_features: int = 256

    def __post_init__(self) -> None:
        if self.resolution < 16 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two of at least 16, not {self.resolution}")
        wanted = [2**k for k in range(2, int(math.log2(self.resolution)))]
        if sorted(self.channels) != wanted:
            raise ValueError(f"channels must name every side from 4 to {wanted[-1]}, not {sorted(self.channels)}")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return {
            "resolution": self.resolution,
            "channels": {str(side): width for side, width in self.channels.items()},
            "head_features": self.head_features,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DiscriminatorConfig:
        """Inverse of `to_json`. Raises TypeError or ValueError for unknown or inconsistent fields."""
        return cls(**{**data, "channels": {int(side): int(width) for side, width in data["channels"].items()}})


class Conv(Settling):
    """Equalised "same" convolution, with bias and sqrt(2)-gained leaky ReLU if `activate`; `gain` scales the result."""

    def __init__(self, cin: int, cout: int, size: int, *, activate: bool = True, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, size, size))
        self.bias = nn.Parameter(torch.zeros(cout)) if activate else None
        self.activate, self.padding = activate, size // 2
        self.bias_gain = gain * (SQRT2 if activate else 1.0)
        self.weight_gain = self.bias_gain / math.sqrt(cin * size * size)

    def derive(self) -> tuple[Tensor]:
        """The kernel as it is convolved with."""
        return (self.weight * self.weight_gain,)

    def forward(self, x: Tensor) -> Tensor:
        (kernel,) = self.derived()
        bias = None if self.bias is None else (self.bias * self.bias_gain).to(x.dtype)
        x = F.conv2d(x, kernel.to(x.dtype), bias, padding=self.padding)
        return F.leaky_relu(x, LRELU_SLOPE) if self.activate else x


class ResidualBlock(nn.Module):
    """[N, cin, H, W] -> [N, cout, H/2, W/2]: two convolutions beside a 1x1 shortcut."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv0 = Conv(cin, cin, 3)
        self.conv1 = Conv(cin, cout, 3, gain=SQRT_HALF)
        self.skip = Conv(cin, cout, 1, activate=False, gain=SQRT_HALF)

    def forward(self, x: Tensor) -> Tensor:
        # Halving before conv1 rather than after it costs a quarter as much.
        y = self.conv1(F.avg_pool2d(self.conv0(x), 2))
        return cast(Tensor, y + self.skip(F.avg_pool2d(x, 2)))


class DiscriminatorTrunk(nn.Module):
    """The convolutional part: stem, then one residual block per side down to 4 px.

    As a perceptual network its `features` stand in for VGG16's. A trained trunk is loaded from a
    discriminator's state dict with `load_trunk`.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.sides = sorted((side for side in widths if side > 4), reverse=True)
        self.stem = Conv(12, widths[self.sides[0]], 3)
        for side in self.sides:
            self.add_module(f"b{side}", ResidualBlock(widths[side], widths[side // 2]))

    def features(self, img: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Activations after the stem and after every block, finest first.

        img [N, 3, R, R] in [-1, 1], R the configured resolution or (the trunk is fully convolutional) any other
        multiple of `2 ** (len(sides) + 1)` -> tensors of `dtype`, [N, channels[R/2], R/2, R/2], then
        [N, channels[R/4], R/4, R/4], ... For 64 px: sides 32 (stem), 16 (b32), 8 (b16) and 4 (b8).
        """
        x = F.pixel_unshuffle(img.to(dtype), 2).contiguous(memory_format=torch.channels_last)
        taps = [self.stem(x)]
        for side in self.sides:
            taps.append(getattr(self, f"b{side}")(taps[-1]))
        return taps

    def load_trunk(self, state: Mapping[str, Tensor]) -> None:
        """Take this trunk's parameters from the state dict of a trunk or of a whole discriminator.

        Raises:
            RuntimeError: a parameter is missing or has another shape.
        """
        names = self.state_dict().keys()
        self.load_state_dict({name: value for name, value in state.items() if name in names})


def minibatch_std(x: Tensor, group: int = 4, *, own_gradient: bool = False) -> Tensor:
    """Append StyleGAN2's minibatch statistic: [N, C, H, W] -> [N, C + 1, H, W].

    The statistic is the mean over C, H, W of the standard deviation within groups of `group` samples (all samples, if
    N is no multiple of it).

    With `own_gradient` the value is the same, but the gradient of each sample's copy reaches only that sample,
    multiplied by the group's size: `group * dy/dx_k = (x_k - mean) / std / CHW`. By symmetry that stands
    for the gradients the sample would get through its neighbours' copies, and it leaves the logits of a batch
    independent, so that one backward pass can serve two losses (see `latentlayers.training.step`).
    """
    n, c, h, w = x.shape
    size = group if n % group == 0 else n
    grouped = x.float().reshape(size, n // size, c, h, w)
    centred = grouped - grouped.mean(dim=0)
    std = (centred.square().mean(dim=0) + 1e-8).sqrt()
    y = std.mean(dim=(1, 2, 3)).repeat(size)
    if own_gradient:
        through = (centred / std).detach() * (grouped - grouped.detach())
        y = y.detach() + through.mean(dim=(2, 3, 4)).reshape(n)
    return torch.cat([x, y.to(x.dtype).reshape(n, 1, 1, 1).expand(n, 1, h, w)], dim=1)


class Discriminator(DiscriminatorTrunk):
    """Picture -> realness logit: the trunk, the minibatch statistic and a dense head.

    `rgb{side}` read pictures of a smaller side directly into that side's block, for training that grows.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__(config)
        for side in self.sides:
            self.add_module(f"rgb{side}", Conv(3, config.channels[side], 1))
        coarse = config.channels[4]
        self.conv = Conv(coarse + 1, coarse, 3)
        self.fc = FullyConnected(coarse * 16, config.head_features, activate=True)
        self.out = FullyConnected(config.head_features, 1)

    def forward(self, img: Tensor, dtype: torch.dtype = torch.float32, *, own_gradient: bool = False) -> Tensor:
        """img [N, 3, r, r] in [-1, 1] -> logits [N, 1] float32; r is `resolution` or one of `sides`.

        Args:
            dtype: precision of the convolutions.
            own_gradient: see `minibatch_std`.
        """
        side = img.shape[-1]
        if side == self.config.resolution:
            x = self.features(img, dtype)[-1]
        else:
            x = getattr(self, f"rgb{side}")(img.to(dtype).contiguous(memory_format=torch.channels_last))
            for finer in self.sides:
                if finer <= side:
                    x = getattr(self, f"b{finer}")(x)
        return self.judge(x, own_gradient=own_gradient)

    def judge(self, x: Tensor, *, own_gradient: bool = False) -> Tensor:
        """The head: the trunk's last tap [N, channels[4], 4, 4] -> logits [N, 1] float32."""
        x = self.conv(minibatch_std(x, own_gradient=own_gradient))
        return cast(Tensor, self.out(self.fc(x.float().flatten(1))))
