"""StyleGAN3's layers from the handful of numbers that stylegan3's Generator is constructed with, and back.

Section 3.2 of the paper: cutoff and stopband frequencies grow geometrically from the first layer to the critically
sampled ones at the end; sampling rates, sizes with their margin, widths and filters follow from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from latentlayers.generators import StyleGAN3Config
from latentlayers.generators.stylegan3 import StyleGAN3Layer

FIRST_STOPBAND, LAST_STOPBAND_REL = 2**2.1, 2**0.3  # never changed by stylegan3's train.py


def design(init_kwargs: Mapping[str, Any]) -> StyleGAN3Config:
    """The network that stylegan3's `Generator(**init_kwargs)` is, with all arguments given that `init_kwargs_of` gives.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: an argument is missing or makes no sense.
    """
    k, side = init_kwargs, init_kwargs["img_resolution"]
    count, critical = k["num_layers"], k["num_critical"]
    cutoffs = _geometric(k["first_cutoff"], side / 2, count, critical)
    stopbands = _geometric(k["first_stopband"], side / 2 * k["last_stopband_rel"], count, critical)
    rates = [2 ** math.ceil(math.log2(min(2 * stopband, side))) for stopband in stopbands]
    sizes = [rate + 2 * k["margin_size"] for rate in rates[:-2]] + [side, side]
    widths = [round(min(k["channel_base"] / 2 / cutoff, k["channel_max"])) for cutoff in cutoffs]
    layers = []
    for i in range(count):
        before = max(i - 1, 0)
        inner = max(rates[before], rates[i]) * k["lrelu_upsampling"]
        up, down = inner // rates[before], inner // rates[i]
        up_taps, down_taps = (k["filter_size"] * factor if factor > 1 else 1 for factor in (up, down))
        padding = (sizes[i] - 1) * down + 1 - (sizes[before] + k["conv_kernel"] - 1) * up + up_taps + down_taps - 2
        low = (padding + up) // 2
        radial = k["use_radial_filters"] and i < count - critical
        taps = (up_taps, down_taps, radial)
        layers.append(StyleGAN3Layer(widths[i], sizes[i], k["conv_kernel"], up, down, low, padding - low, *taps))
    return StyleGAN3Config(
        resolution=side,
        z_dim=k["z_dim"],
        w_dim=k["w_dim"],
        c_dim=k["c_dim"],
        img_channels=k["img_channels"],
        input_channels=widths[0],
        input_size=sizes[0],
        sampling_rate=float(rates[0]),
        bandwidth=float(cutoffs[0]),
        layers=tuple(layers),
        conv_clamp=k["conv_clamp"],
        output_scale=k["output_scale"],
        mapping_layers=k["mapping_kwargs"]["num_layers"],
        lr_multiplier=k["mapping_kwargs"]["lr_multiplier"],
    )


def init_kwargs_of(cfg: StyleGAN3Config) -> dict[str, Any] | None:
    """Inverse of `design`; None if stylegan3's Generator cannot be such a network."""
    first = cfg.layers[0]
    known = {
        "z_dim": cfg.z_dim,
        "c_dim": cfg.c_dim,
        "w_dim": cfg.w_dim,
        "img_resolution": cfg.resolution,
        "img_channels": cfg.img_channels,
        "mapping_kwargs": {"num_layers": cfg.mapping_layers, "lr_multiplier": cfg.lr_multiplier},
        "channel_max": max(cfg.widths),
        "num_layers": len(cfg.layers),
        "first_cutoff": cfg.bandwidth,
        "first_stopband": FIRST_STOPBAND,
        "last_stopband_rel": LAST_STOPBAND_REL,
        "margin_size": (cfg.input_size - round(cfg.sampling_rate)) // 2,
        "output_scale": cfg.output_scale,
        "num_fp16_res": 0,
        "conv_kernel": first.kernel,
        "filter_size": first.up_taps // first.up,
        "lrelu_upsampling": first.up,
        "use_radial_filters": first.radial,
        "conv_clamp": cfg.conv_clamp,
    }
    for critical in range(len(cfg.layers)):
        kwargs = known | {"num_critical": critical, "channel_base": _channel_base(cfg, critical)}
        if design(kwargs) == replace(cfg, sampling_rate=float(cfg.sampling_rate)):
            return kwargs
    return None


def _channel_base(cfg: StyleGAN3Config, critical: int) -> int:
    """The least whole number that makes no layer narrower than it is."""
    count = len(cfg.layers)
    cutoffs = _geometric(cfg.bandwidth, cfg.resolution / 2, count, critical)
    layers = zip(cutoffs, cfg.layers, strict=False)
    return math.floor(max(2 * cutoff * (layer.channels - 0.5) for cutoff, layer in layers)) + 1


def _geometric(first: float, last: float, count: int, critical: int) -> list[float]:
    """`count + 1` frequencies: growing from `first` to `last`, which the critically sampled ones at the end have."""
    growth: float = last / first
    return [first * math.pow(growth, min(i / (count - critical), 1.0)) for i in range(count + 1)]
