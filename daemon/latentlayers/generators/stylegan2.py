"""StyleGAN2 (Karras et al., CVPR 2020) in pure torch, with the parameter names of stylegan2-ada-pytorch.

Modulated convolution is written in the scale-the-activations form: multiply the input channels by the
style, convolve with the shared weight, multiply the output channels by the demodulation factor
`d = rsqrt(sum (w*s)^2 + eps)`. It equals the paper's per-sample weights, needs no grouped convolution,
and leaves one ordinary convolution that every back end runs fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlayers.generators.base import Generator, Noise
from latentlayers.generators.growth import active_sides, drawing_sides, enlarge, fade_in
from latentlayers.generators.mapping import LabelMode
from latentlayers.generators.noise import NoiseMaps
from latentlayers.generators.ops import (
    LRELU_SLOPE,
    SQRT2,
    FullyConnected,
    conv2d_up,
    fir_kernel,
    upsample2d,
)
from latentlayers.generators.settled import Settling, laid_out

Architecture = Literal["skip", "resnet", "orig"]


@dataclass(frozen=True)
class StyleGAN2Config:
    """Everything that shapes the network; the weights come separately.

    Attributes:
        channels: width of each active block, keyed by its side in pixels: {4: 512, 8: 512, ...}.
        architecture: "skip" adds a ToRGB picture per block; "resnet" and "orig" draw it in the last block only.
        lod: level of detail of a network taken while it grew (configurations B to D, "orig"): see `growth`.
        conv_clamp: activations (after gain) and ToRGB outputs are clamped to +-this; None: not at all.
        label_mode: "embed" (ADA: linear embedding, normalised, appended after the normalised z) or
            "concat" (TensorFlow: appended first, then the whole is normalised).
        embed_features, layer_features: mapping widths; 0 means `w_dim`.
        use_noise: False for networks trained without noise inputs.
    """

    family: ClassVar[str] = "stylegan2"

    resolution: int
    z_dim: int
    w_dim: int
    channels: Mapping[int, int]
    mapping_layers: int = 8
    c_dim: int = 0
    img_channels: int = 3
    architecture: Architecture = "skip"
    conv_clamp: float | None = None
    resample_filter: Sequence[float] = (1.0, 3.0, 3.0, 1.0)
    lr_multiplier: float = 0.01
    label_mode: LabelMode = "embed"
    embed_features: int = 0
    layer_features: int = 0
    use_noise: bool = True
    lod: float = 0.0

    def __post_init__(self) -> None:
        sides = active_sides(self.resolution, self.lod)
        if sorted(self.channels) != sides:
            raise ValueError(f"channels must name every side from 4 to {sides[-1]}, not {sorted(self.channels)}")
        if self.lod and self.architecture != "orig":
            raise ValueError(f"lod must be 0 in the architecture {self.architecture}")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        channels = {str(side): width for side, width in self.channels.items()}
        return asdict(self) | {"channels": channels, "resample_filter": list(self.resample_filter)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StyleGAN2Config:
        """Inverse of `to_json`. Raises TypeError or ValueError for unknown or inconsistent fields."""
        fields = dict(data)
        fields["channels"] = {int(k): int(v) for k, v in fields["channels"].items()}
        fields["resample_filter"] = tuple(float(v) for v in fields.get("resample_filter", (1, 3, 3, 1)))
        return cls(**fields)


class SynthesisLayer(Settling):
    """Modulated 3x3 convolution (doubling the side if `up`), noise, bias, leaky ReLU."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(self, cin: int, cout: int, side: int, cfg: StyleGAN2Config, *, up: bool) -> None:
        super().__init__()
        self.up, self.side, self.clamp, self.use_noise = up, side, cfg.conv_clamp, cfg.use_noise
        self.affine = FullyConnected(cfg.w_dim, cin, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(cout, cin, 3, 3))
        self.bias = nn.Parameter(torch.zeros(cout))
        if cfg.use_noise:
            self.register_buffer("noise_const", torch.randn(side, side))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        if up:
            self.register_buffer("resample_filter", fir_kernel(cfg.resample_filter))

    def noise_map(self, maps: NoiseMaps) -> Tensor | None:
        return maps.take(self.noise_const) if self.use_noise else None

    def derive(self) -> tuple[Tensor, Tensor]:
        """The kernel, [cin, cout, 3, 3] if `up` and [cout, cin, 3, 3] otherwise, and its power, [cin, cout]."""
        return self._turned(self.weight), self.weight.square().sum(dim=(2, 3)).t()

    def arrange(self) -> None:
        self.weight.data = self._turned(laid_out(self._turned(self.weight.detach())))

    def _turned(self, weight: Tensor) -> Tensor:
        """With inputs first if `up`, as transposed convolutions want it; twice is once there and back."""
        return weight.transpose(0, 1) if self.up else weight

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, gain: float = 1.0) -> Tensor:
        gain = gain * SQRT2
        style = self.affine(w)
        kernel, power = self.derived()
        demod = (style.square() @ power + 1e-8).rsqrt()
        weight = kernel.to(x.dtype)
        x = x * style.to(x.dtype)[:, :, None, None]
        x = conv2d_up(x, weight, self.resample_filter) if self.up else F.conv2d(x, weight, padding=1)
        # gain * lrelu(y) = lrelu(gain * y), so the gain rides on factors that are applied anyway.
        bias = (self.bias * gain).to(x.dtype)[None, :, None, None]
        x = torch.addcmul(bias, x, (demod * gain).to(x.dtype)[:, :, None, None])
        if noise is not None:
            x = x.add_((noise * (self.noise_strength * gain)).to(x.dtype))
        x = F.leaky_relu_(x, LRELU_SLOPE)
        return x if self.clamp is None else x.clamp(-self.clamp * gain / SQRT2, self.clamp * gain / SQRT2)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation: features to picture."""

    def __init__(self, cin: int, cfg: StyleGAN2Config) -> None:
        super().__init__()
        self.affine = FullyConnected(cfg.w_dim, cin, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(cfg.img_channels, cin, 1, 1))
        self.bias = nn.Parameter(torch.zeros(cfg.img_channels))
        self.clamp, self.weight_gain = cfg.conv_clamp, 1.0 / math.sqrt(cin)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self.weight_gain
        y = F.conv2d(x * style.to(x.dtype)[:, :, None, None], self.weight.to(x.dtype))
        y = y.float() + self.bias[None, :, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class SkipConv(nn.Module):
    """The "resnet" architecture's 1x1 shortcut: convolve, then upsample."""

    resample_filter: Tensor

    def __init__(self, cin: int, cout: int, cfg: StyleGAN2Config) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, 1, 1))
        self.register_buffer("resample_filter", fir_kernel(cfg.resample_filter))
        self.weight_gain = 1.0 / math.sqrt(cin)

    def forward(self, x: Tensor, gain: float) -> Tensor:
        return upsample2d(F.conv2d(x, (self.weight * (self.weight_gain * gain)).to(x.dtype)), self.resample_filter)


class SynthesisBlock(nn.Module):
    """All layers of one side. Reads its rows of `w+` in the order conv0, conv1, ToRGB."""

    resample_filter: Tensor

    def __init__(self, cin: int, cout: int, side: int, cfg: StyleGAN2Config) -> None:
        super().__init__()
        self.side, self.first, self.architecture = side, cin == 0, cfg.architecture
        if self.first:
            self.const = nn.Parameter(torch.randn(cout, side, side))
        else:
            self.conv0 = SynthesisLayer(cin, cout, side, cfg, up=True)
        self.conv1 = SynthesisLayer(cout, cout, side, cfg, up=False)
        self.draws = cfg.architecture == "skip" or side in drawing_sides(cfg.resolution, cfg.lod)
        if self.draws:
            self.torgb = ToRGB(cout, cfg)
        if not self.first and cfg.architecture == "resnet":
            self.skip = SkipConv(cin, cout, cfg)
        self.register_buffer("resample_filter", fir_kernel(cfg.resample_filter))

    @property
    def layers(self) -> list[SynthesisLayer]:
        return [self.conv1] if self.first else [self.conv0, self.conv1]

    def forward(self, x: Tensor, ws: Tensor, noises: Sequence[Tensor | None]) -> Tensor:
        """x [N, cin, side/2, side/2], ws [N, len(layers), w_dim] -> features [N, cout, side, side]."""
        if self.first:
            return cast(Tensor, self.conv1(x, ws[:, 0], noises[0]))
        if self.architecture != "resnet":
            x = self.conv0(x, ws[:, 0], noises[0])
            return cast(Tensor, self.conv1(x, ws[:, 1], noises[1]))
        gain = math.sqrt(0.5)
        shortcut = self.skip(x, gain)
        x = self.conv0(x, ws[:, 0], noises[0])
        return cast(Tensor, shortcut + self.conv1(x, ws[:, 1], noises[1], gain))


class SynthesisNetwork(nn.Module):
    """ws -> picture, the paper's g."""

    def __init__(self, cfg: StyleGAN2Config) -> None:
        super().__init__()
        self.sides = active_sides(cfg.resolution, cfg.lod)
        self.resolution, self.lod = cfg.resolution, cfg.lod
        previous = 0
        for side in self.sides:
            self.add_module(f"b{side}", SynthesisBlock(previous, cfg.channels[side], side, cfg))
            previous = cfg.channels[side]

    def block(self, side: int) -> SynthesisBlock:
        return cast(SynthesisBlock, getattr(self, f"b{side}"))

    def forward(self, ws: Tensor, noise: Noise, resolution: int, dtype: torch.dtype) -> Tensor:
        n = ws.shape[0]
        maps = NoiseMaps(noise, n)
        x: Tensor = self.block(4).const[None].expand(n, -1, -1, -1).to(dtype)
        # Every convolution after it keeps the layout; on CPUs in bfloat16 this one is a seventh faster to train.
        x = x.contiguous(memory_format=torch.channels_last)
        img: Tensor | None = None
        row = 0
        for side in self.sides:
            if side > resolution:
                break
            block = self.block(side)
            count = len(block.layers)
            noises = [layer.noise_map(maps) for layer in block.layers]
            x = block(x, ws[:, row : row + count], noises)
            row += count
            if block.draws:
                y = block.torgb(x, ws[:, row])  # the next block's conv0 reads the same row
                if img is None:
                    img = y
                elif self.lod:
                    img = fade_in(y, img, self.lod)
                else:
                    img = upsample2d(img, block.resample_filter) + y
        assert img is not None
        return enlarge(img, self.resolution) if self.lod else img


class StyleGAN2(Generator):
    """A StyleGAN2 generator. Frozen unless a trainer calls `requires_grad_(True)` on it."""

    family = StyleGAN2Config.family
    config: StyleGAN2Config

    def __init__(self, cfg: StyleGAN2Config) -> None:
        super().__init__(cfg, num_ws=2 * (cfg.resolution.bit_length() - 2))
        self.synthesis = SynthesisNetwork(cfg)
        self.requires_grad_(False).eval()

    @property
    def resolutions(self) -> tuple[int, ...]:
        return tuple(self.synthesis.sides) if self.config.architecture == "skip" else (self.resolution,)

    @property
    def rows_by_resolution(self) -> dict[int, tuple[int, ...]]:
        rows: dict[int, tuple[int, ...]] = {4: (0,)}
        for i, side in enumerate(self.synthesis.sides[1:]):
            rows[side] = (2 * i + 1, 2 * i + 2)
        # The rows that follow drive only the last ToRGB, or nothing yet; none of them may be left out.
        top = self.synthesis.sides[-1]
        rows[top] = (*rows[top], *range(rows[top][-1] + 1, self.num_ws))
        return rows

    def style_weights(self) -> list[tuple[int, Tensor]]:
        layers = [layer for side in self.synthesis.sides for layer in self.synthesis.block(side).layers]
        return [(row, layer.affine.weight * layer.affine.weight_gain) for row, layer in enumerate(layers)]

    def synthesize(
        self,
        ws: Tensor,
        noise: Noise = "const",
        resolution: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        return cast(Tensor, self.synthesis(ws, noise, self._require(ws, resolution), dtype))
