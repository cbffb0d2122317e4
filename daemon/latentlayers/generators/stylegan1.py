"""StyleGAN (Karras et al., CVPR 2019) in pure torch: adaptive instance normalisation, noise after every layer.

Kernels and biases are kept ready for use, with the factors of the equalised learning rate applied. The 3x3 convolution
that doubles the side is kept as the 4x4 kernel of the one transposed convolution it amounts to, whether the network was
trained with the paper's fused operation or with repeated pixels (see `checkpoints.stylegan1.doubling_kernel`). Fresh
kernels are not scaled: instance normalisation undoes it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlayers.generators.base import Generator, Noise
from latentlayers.generators.growth import active_sides, drawing_sides, enlarge, fade_in
from latentlayers.generators.mapping import LabelMode
from latentlayers.generators.noise import NoiseMaps
from latentlayers.generators.ops import LRELU_SLOPE, FullyConnected, blur2d, fir_kernel

NORM_EPS = 1e-8


@dataclass(frozen=True)
class StyleGAN1Config:
    """Everything that shapes the network; the weights come separately.

    Attributes:
        channels: width of each active block, keyed by its side in pixels: {4: 512, 8: 512, ...}.
        blur_filter: taps of the low-pass filter after each doubling of the side; (1,) for none.
        embed_features, layer_features: mapping widths; 0 means `w_dim`.
        use_noise: False for networks trained without noise inputs.
        lod: level of detail of a network taken while it grew: see `growth`.
    """

    family: ClassVar[str] = "stylegan1"
    label_mode: ClassVar[LabelMode] = "concat"

    resolution: int
    z_dim: int
    w_dim: int
    channels: Mapping[int, int]
    mapping_layers: int = 8
    c_dim: int = 0
    img_channels: int = 3
    blur_filter: Sequence[float] = (1.0, 2.0, 1.0)
    lr_multiplier: float = 0.01
    embed_features: int = 0
    layer_features: int = 0
    use_noise: bool = True
    lod: float = 0.0

    def __post_init__(self) -> None:
        sides = active_sides(self.resolution, self.lod)
        if sorted(self.channels) != sides:
            raise ValueError(f"channels must name every side from 4 to {sides[-1]}, not {sorted(self.channels)}")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        channels = {str(side): width for side, width in self.channels.items()}
        return asdict(self) | {"channels": channels, "blur_filter": list(self.blur_filter)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StyleGAN1Config:
        """Inverse of `to_json`. Raises TypeError or ValueError for unknown or inconsistent fields."""
        fields = dict(data)
        fields["channels"] = {int(k): int(v) for k, v in fields["channels"].items()}
        fields["blur_filter"] = tuple(float(v) for v in fields.get("blur_filter", (1, 2, 1)))
        return cls(**fields)


class SynthesisLayer(nn.Module, ABC):
    """A convolution, noise, bias, leaky ReLU, instance normalisation, style."""

    noise_const: Tensor

    def __init__(self, width: int, side: int, cfg: StyleGAN1Config) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        self.affine = FullyConnected(cfg.w_dim, 2 * width)  # scales, then offsets
        self.affine.bias.data[:width] = 1.0
        self.use_noise = cfg.use_noise
        if cfg.use_noise:
            self.register_buffer("noise_const", torch.randn(side, side))
            self.noise_strength = nn.Parameter(torch.zeros(width))

    def noise_map(self, maps: NoiseMaps) -> Tensor | None:
        return maps.take(self.noise_const) if self.use_noise else None

    @abstractmethod
    def convolve(self, x: Tensor) -> Tensor:
        """x [N, cin, H, W] -> a new tensor, [N, width, side, side], bias included."""

    def stylize(self, x: Tensor, w: Tensor) -> Tensor:
        """AdaIN (the paper's equation 1), as the normalisation of one picture with N * width groups of one channel."""
        scale, offset = self.affine(w).chunk(2, dim=1)
        one = x.reshape(1, -1, *x.shape[2:])
        one = F.group_norm(one, one.shape[1], scale.reshape(-1), offset.reshape(-1), NORM_EPS)
        return one.reshape(x.shape)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        x = self.convolve(x)
        if noise is not None:
            x = x.addcmul_(noise.to(x.dtype), self.noise_strength.to(x.dtype)[:, None, None])
        return self.stylize(F.leaky_relu_(x, LRELU_SLOPE), w)


class ConstantLayer(SynthesisLayer):
    """The first layer, which passes the learned constant on."""

    def convolve(self, x: Tensor) -> Tensor:
        return x + self.bias.to(x.dtype)[:, None, None]

    def stylize(self, x: Tensor, w: Tensor) -> Tensor:
        # A constant may be uniform, as it starts. Unless it is centred, dividing by sqrt(eps) enlarges its rounding.
        return super().stylize(x - x.mean(dim=(2, 3), keepdim=True), w)


class ConvLayer(SynthesisLayer):
    """With a 3x3 convolution."""

    def __init__(self, cin: int, width: int, side: int, cfg: StyleGAN1Config) -> None:
        super().__init__(width, side, cfg)
        self.weight = nn.Parameter(torch.randn(width, cin, 3, 3))

    def convolve(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.to(x.dtype), self.bias.to(x.dtype), padding=1)


class UpLayer(SynthesisLayer):
    """With a transposed 4x4 convolution that doubles the side, then the blur."""

    resample_filter: Tensor

    def __init__(self, cin: int, width: int, side: int, cfg: StyleGAN1Config) -> None:
        super().__init__(width, side, cfg)
        self.weight = nn.Parameter(torch.randn(cin, width, 4, 4))
        self.register_buffer("resample_filter", fir_kernel(cfg.blur_filter))

    def convolve(self, x: Tensor) -> Tensor:
        x = F.conv_transpose2d(x, self.weight.to(x.dtype), stride=2, padding=1)
        return blur2d(x, self.resample_filter, self.bias)


class ToRGB(nn.Module):
    """1x1 convolution: features to picture. The style does not reach it."""

    def __init__(self, cin: int, cfg: StyleGAN1Config) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cfg.img_channels, cin, 1, 1) / math.sqrt(cin))
        self.bias = nn.Parameter(torch.zeros(cfg.img_channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.to(x.dtype)).float() + self.bias[:, None, None]


class SynthesisBlock(nn.Module):
    """The two layers of one side and, if its picture is part of the result, ToRGB."""

    conv0: SynthesisLayer
    conv1: SynthesisLayer

    def __init__(self, cin: int, width: int, side: int, cfg: StyleGAN1Config) -> None:
        super().__init__()
        if cin == 0:
            self.const = nn.Parameter(torch.randn(width, side, side))
            self.conv0 = ConstantLayer(width, side, cfg)
        else:
            self.conv0 = UpLayer(cin, width, side, cfg)
        self.conv1 = ConvLayer(width, width, side, cfg)
        self.draws = side in drawing_sides(cfg.resolution, cfg.lod)
        if self.draws:
            self.torgb = ToRGB(width, cfg)

    @property
    def layers(self) -> tuple[SynthesisLayer, SynthesisLayer]:
        return self.conv0, self.conv1


class SynthesisNetwork(nn.Module):
    """ws -> picture, the paper's g."""

    def __init__(self, cfg: StyleGAN1Config) -> None:
        super().__init__()
        self.sides = active_sides(cfg.resolution, cfg.lod)
        self.resolution, self.lod = cfg.resolution, cfg.lod
        previous = 0
        for side in self.sides:
            self.add_module(f"b{side}", SynthesisBlock(previous, cfg.channels[side], side, cfg))
            previous = cfg.channels[side]

    @property
    def blocks(self) -> list[SynthesisBlock]:
        return [getattr(self, f"b{side}") for side in self.sides]

    @property
    def layers(self) -> list[SynthesisLayer]:
        """In the order of the rows of `w+` that they read."""
        return [layer for block in self.blocks for layer in block.layers]

    def forward(self, ws: Tensor, noise: Noise, dtype: torch.dtype) -> Tensor:
        maps = NoiseMaps(noise, ws.shape[0])
        rows = iter(ws.unbind(dim=1))
        x = self.blocks[0].const.to(dtype).expand(ws.shape[0], -1, -1, -1)
        img: Tensor | None = None
        for block in self.blocks:
            for layer in block.layers:
                x = layer(x, next(rows), layer.noise_map(maps))
            if block.draws:
                y = block.torgb(x)
                img = y if img is None else fade_in(y, img, self.lod)
        assert img is not None
        return enlarge(img, self.resolution)


class StyleGAN1(Generator):
    """A StyleGAN1 generator, frozen."""

    family = StyleGAN1Config.family
    config: StyleGAN1Config

    def __init__(self, cfg: StyleGAN1Config) -> None:
        super().__init__(cfg, num_ws=2 * (cfg.resolution.bit_length() - 2))
        self.synthesis = SynthesisNetwork(cfg)
        self.requires_grad_(False).eval()

    @property
    def resolutions(self) -> tuple[int, ...]:
        return (self.resolution,)

    @property
    def rows_by_resolution(self) -> dict[int, tuple[int, ...]]:
        rows: dict[int, tuple[int, ...]] = {side: (2 * i, 2 * i + 1) for i, side in enumerate(self.synthesis.sides)}
        # The rows that follow drive nothing yet; none of them may be left out.
        top = self.synthesis.sides[-1]
        rows[top] = (*rows[top], *range(rows[top][-1] + 1, self.num_ws))
        return rows

    def style_weights(self) -> list[tuple[int, Tensor]]:
        return [
            (row, layer.affine.weight * layer.affine.weight_gain) for row, layer in enumerate(self.synthesis.layers)
        ]

    def synthesize(
        self,
        ws: Tensor,
        noise: Noise = "const",
        resolution: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        self._require(ws, resolution)
        return cast(Tensor, self.synthesis(ws, noise, dtype))
