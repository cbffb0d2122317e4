"""StyleGAN3 (Karras et al., NeurIPS 2021), configurations T and R, with the parameter names of NVlabs/stylegan3.

Modulated convolution is written in the scale-the-activations form (see `stylegan2`). The reference divides styles by
their root mean square over the batch; here it is that of the sample, which demodulation cancels just the same and
which leaves the samples of a batch independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlayers.generators.base import Generator, Noise
from latentlayers.generators.filtered import FilteredLReLU
from latentlayers.generators.mapping import LabelMode
from latentlayers.generators.ops import LRELU_SLOPE, SQRT2, FullyConnected
from latentlayers.generators.settled import Settling

DEMODULATION_EPS = 1e-8


@dataclass(frozen=True)
class StyleGAN3Layer:
    """One layer: a modulated convolution, then upsampling, leaky ReLU and downsampling.

    Attributes:
        channels, size: width and side, margin included, of what it returns.
        kernel: side of the convolution's kernel, which sees `kernel - 1` zeros around its input.
        up, down: resampling factors before and after the leaky ReLU.
        before, after: rows and columns of zeros around the zero-inserted picture; a negative number crops.
        up_taps, down_taps: lengths of the FIR filters.
        radial: the second filter is two-dimensional, [down_taps, down_taps].
    """

    channels: int
    size: int
    kernel: int
    up: int
    down: int
    before: int
    after: int
    up_taps: int
    down_taps: int
    radial: bool

    def inner(self, side: int) -> int:
        """Side of the picture between the two filters, for an input of `side`."""
        return (side + self.kernel - 1) * self.up + self.before + self.after - self.up_taps + 1

    def outer(self, side: int) -> int:
        """What `size` follows from, for an input of `side`."""
        return (self.inner(side) - self.down_taps) // self.down + 1


@dataclass(frozen=True)
class StyleGAN3Config:
    """Everything that shapes the network; the weights, and the filters' taps, come separately.

    Attributes:
        input_channels, input_size: width and side, margin included, of the Fourier features.
        sampling_rate, bandwidth: of the Fourier features, per side of the picture.
        layers: all but the last one, ToRGB.
        conv_clamp: activations and the picture are clamped to +-this, before `output_scale`; None: not at all.
    """

    family: ClassVar[str] = "stylegan3"
    label_mode: ClassVar[LabelMode] = "embed"
    embed_features: ClassVar[int] = 0
    layer_features: ClassVar[int] = 0

    resolution: int
    z_dim: int
    w_dim: int
    input_channels: int
    input_size: int
    sampling_rate: float
    bandwidth: float
    layers: tuple[StyleGAN3Layer, ...]
    conv_clamp: float | None = None
    output_scale: float = 0.25
    mapping_layers: int = 2
    lr_multiplier: float = 0.01
    c_dim: int = 0
    img_channels: int = 3

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return asdict(self) | {"layers": [asdict(layer) for layer in self.layers]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StyleGAN3Config:
        """Inverse of `to_json`. Raises TypeError, ValueError or KeyError for unknown or inconsistent fields."""
        return cls(**(dict(data) | {"layers": tuple(StyleGAN3Layer(**layer) for layer in data["layers"])}))

    @property
    def layer_names(self) -> list[str]:
        """NVIDIA's names of the layers, ToRGB last."""
        sizes = [*((layer.size, layer.channels) for layer in self.layers), (self.resolution, self.img_channels)]
        return [f"L{i}_{size}_{channels}" for i, (size, channels) in enumerate(sizes)]

    @property
    def widths(self) -> list[int]:
        """Channels of the Fourier features and of every layer but ToRGB."""
        return [self.input_channels, *(layer.channels for layer in self.layers)]

    @property
    def sizes(self) -> list[int]:
        """Sides of the Fourier features and of what every layer but ToRGB returns."""
        return [self.input_size, *(layer.size for layer in self.layers)]


def low_pass(taps: int, radial: bool = False) -> Tensor:
    """A Hann window of sum 1, [taps] or [taps, taps]: stands in until a checkpoint brings the designed filter."""
    window = torch.hann_window(taps + 2, periodic=False)[1:-1]
    window = window / window.sum()
    return torch.outer(window, window) if radial else window


class SynthesisInput(nn.Module):
    """w -> Fourier features, moved as w says and as `transform`, or the stored transform, says."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, cfg: StyleGAN3Config) -> None:
        super().__init__()
        channels = cfg.input_channels
        self.size, self.sampling_rate, self.bandwidth = cfg.input_size, cfg.sampling_rate, cfg.bandwidth
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = FullyConnected(cfg.w_dim, 4)  # cosine, sine, shift in x and y; at first the identity
        nn.init.zeros_(self.affine.weight)
        nn.init.ones_(self.affine.bias[:1])
        freqs = torch.randn(channels, 2)
        squares = freqs.square().sum(dim=1, keepdim=True)
        self.register_buffer("freqs", freqs * self.bandwidth * squares.rsqrt() * (-squares / 4).exp())
        self.register_buffer("phases", torch.randn(channels))  # in cycles, so only their fractions matter
        self.register_buffer("transform", torch.eye(3))

    def placement(self, w: Tensor) -> Tensor:
        """[N, 3, 3]: the inverse of the rotation and shift that w [N, w_dim] asks for."""
        t = self.affine(w)
        cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        # rotation @ shift, multiplied out
        bottom = torch.tensor([0.0, 0.0, 1.0], device=w.device).expand(len(w), 3)
        first = torch.stack([cos, -sin, sin * y - cos * x], dim=1)
        second = torch.stack([sin, cos, -sin * x - cos * y], dim=1)
        return torch.stack([first, second, bottom], dim=1)

    def forward(self, w: Tensor, transform: Tensor | None) -> Tensor:
        """w [N, w_dim], transform [3, 3] or [N, 3, 3] -> [N, input_channels, input_size, input_size]."""
        matrix = self.placement(w) @ (self.transform if transform is None else transform)
        phases = self.phases + matrix[:, :2, 2] @ self.freqs.t()
        freqs = self.freqs @ matrix[:, :2, :2]
        # Frequencies that the transform moves beyond the band fade out.
        excess = (freqs.norm(dim=2) - self.bandwidth) / (self.sampling_rate / 2 - self.bandwidth)
        places = (torch.arange(self.size, device=w.device) + (0.5 - self.size / 2)) / self.sampling_rate
        across, down = (places[:, None] * axis[:, None] for axis in freqs.unbind(dim=2))  # [N, size, C]
        cycles = across[:, None] + down[:, :, None] + phases[:, None, None]
        x = (cycles * (2 * math.pi)).sin() * (1 - excess).clamp(0, 1)[:, None, None]
        x = F.linear(x, self.weight / math.sqrt(len(self.weight)))
        return x.permute(0, 3, 1, 2).contiguous()


class ModulatedLayer(nn.Module):
    """What every layer holds: a kernel, a bias, an affine map from w to styles, and the size of its usual input."""

    magnitude_ema: Tensor

    def __init__(self, cfg: StyleGAN3Config, cin: int, cout: int, kernel: int) -> None:
        super().__init__()
        self.affine = FullyConnected(cfg.w_dim, cin, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.register_buffer("magnitude_ema", torch.ones([]))
        self.fan_in, self.clamp = cin * kernel**2, cfg.conv_clamp

    def convolve(self, x: Tensor, styles: Tensor) -> Tensor:
        """Convolution of `x` [N, cin, ...] times `styles` [N, cin], both brought to unit variance."""
        gain = styles * (self.magnitude_ema.rsqrt() / math.sqrt(self.fan_in))
        kernel = self.weight.to(x.dtype)
        return F.conv2d(x * gain.to(x.dtype)[:, :, None, None], kernel, padding=kernel.shape[2] - 1)


class SynthesisLayer(ModulatedLayer, Settling):
    """Modulated convolution with demodulation, bias, filtered leaky ReLU."""

    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, cfg: StyleGAN3Config, spec: StyleGAN3Layer, cin: int, side: int) -> None:
        super().__init__(cfg, cin, spec.channels, spec.kernel)
        self.spec, self.side = spec, side
        self.register_buffer("up_filter", low_pass(spec.up_taps))
        self.register_buffer("down_filter", low_pass(spec.down_taps, spec.radial))
        self._planned: tuple[object, FilteredLReLU] | None = None

    def derive(self) -> tuple[Tensor]:
        """The kernel's power, [cout, cin]."""
        return (self.weight.square().mean(dim=(2, 3)),)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, cin, side, side] -> [N, channels, size, size] of the same dtype."""
        styles = self.affine(w)
        styles = styles * styles.square().mean(dim=1, keepdim=True).rsqrt()
        (power,) = self.derived()
        tiny = power.mean(dim=1) * (DEMODULATION_EPS / self.fan_in)
        demod = (styles.square() @ power.t() / len(styles[0]) + tiny).rsqrt()
        x = self.convolve(x, styles)
        x = torch.addcmul(self.bias.to(x.dtype)[None, :, None, None], x, demod.to(x.dtype)[:, :, None, None])
        return self.filtered_lrelu(x.dtype)(x)

    def filtered_lrelu(self, dtype: torch.dtype) -> FilteredLReLU:
        """Made from the filters when they, their device or the precision change."""
        filters = (self.up_filter, self.down_filter)
        key = (dtype, *((f.data_ptr(), f.device, f._version) for f in filters))
        if self._planned is None or self._planned[0] != key:
            spec = self.spec
            plan = FilteredLReLU.plan(
                *filters,
                up=spec.up,
                down=spec.down,
                before=spec.before,
                inputs=self.side + spec.kernel - 1,
                inner=spec.inner(self.side),
                outputs=spec.size,
                slope=LRELU_SLOPE,
                gain=SQRT2,
                clamp=self.clamp,
                dtype=dtype,
            )
            self._planned = (key, plan)
        return self._planned[1]


class ToRGB(ModulatedLayer):
    """Modulated 1x1 convolution without demodulation: features to picture."""

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        y = self.convolve(x, self.affine(w)).float() + self.bias[None, :, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


class SynthesisNetwork(nn.Module):
    """ws -> picture: row 0 of `ws` places the Fourier features, the others drive one layer each."""

    def __init__(self, cfg: StyleGAN3Config) -> None:
        super().__init__()
        self.output_scale = cfg.output_scale
        self.input = SynthesisInput(cfg)
        self.layers: list[SynthesisLayer | ToRGB] = [
            *(SynthesisLayer(cfg, *spec) for spec in zip(cfg.layers, cfg.widths, cfg.sizes, strict=False)),
            ToRGB(cfg, cfg.widths[-1], cfg.img_channels, 1),
        ]
        for name, layer in zip(cfg.layer_names, self.layers, strict=True):
            self.add_module(name, layer)

    def forward(self, ws: Tensor, transform: Tensor | None, dtype: torch.dtype) -> Tensor:
        x: Tensor = self.input(ws[:, 0], transform).to(dtype)
        for layer, w in zip(self.layers, ws[:, 1:].unbind(dim=1), strict=True):
            x = layer(x, w)
        return x * self.output_scale


class StyleGAN3(Generator):
    """A StyleGAN3 generator, frozen. It has no noise inputs: `noise` is accepted and makes no difference."""

    family = StyleGAN3Config.family
    config: StyleGAN3Config

    def __init__(self, cfg: StyleGAN3Config) -> None:
        super().__init__(cfg, num_ws=len(cfg.layers) + 2)
        self.synthesis = SynthesisNetwork(cfg)
        self.requires_grad_(False).eval()

    @property
    def transform(self) -> Tensor:
        """[3, 3] float32: the transform that `synthesize` uses unless it is given one. Write to it to change it."""
        return self.synthesis.input.transform

    @property
    def resolutions(self) -> tuple[int, ...]:
        return (self.resolution,)

    @property
    def rows_by_resolution(self) -> dict[int, tuple[int, ...]]:
        """Keyed by the side of what a layer returns, margin included; row 0 counts with the Fourier features."""
        sides = [*self.config.sizes, self.resolution]
        return {side: tuple(row for row, other in enumerate(sides) if other == side) for side in sides}

    def style_weights(self) -> list[tuple[int, Tensor]]:
        layers = self.synthesis.layers[:-1]
        return [(row, layer.affine.weight * layer.affine.weight_gain) for row, layer in enumerate(layers, 1)]

    def synthesize(
        self,
        ws: Tensor,
        noise: Noise = "const",
        resolution: int | None = None,
        dtype: torch.dtype = torch.float32,
        transform: Tensor | None = None,
    ) -> Tensor:
        """As `Generator.synthesize`, at one resolution and without noise.

        Args:
            transform: [3, 3], or one per sample [N, 3, 3], float32 on the device of `ws`; None: the stored one. It
                maps a place in the result to the place in the untransformed picture that is drawn there; the picture
                reaches from -0.5 to 0.5 in x (to the right) and y (down). Only its first two rows matter. Rotation
                and shift move R's pictures as a whole and shift T's; gradients flow to `transform`.

        Raises:
            ValueError: also for a `transform` of another shape.
        """
        self._require(ws, resolution)
        if transform is not None and transform.shape not in ((3, 3), (len(ws), 3, 3)):
            raise ValueError(f"transform must have shape [3, 3] or [{len(ws)}, 3, 3], not {list(transform.shape)}")
        return cast(Tensor, self.synthesis(ws, transform, dtype))
