"""StyleGAN3 as files hold it: what sizes are possible, and what must keep its precision."""

from __future__ import annotations

from latentlayers.checkpoints.families.family import MAX_FEATURES, MAX_RESOLUTION, Family, check_sizes, is_number
from latentlayers.checkpoints.families.mapping import check_mapping, mapping_size
from latentlayers.checkpoints.header import MAX_LAYERS
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN3, StyleGAN3Config, StyleGAN3Layer

MAX_SIZE = 2 * MAX_RESOLUTION  # the picture and its margin
MAX_INNER = 4 * MAX_RESOLUTION
MAX_KERNEL, MAX_FACTOR, MAX_TAPS = 7, 8, 128
# Filters must keep their sum, and frequencies and the transform decide where things are drawn.
EXACT = ("freqs", "transform", "down_filter")


def exact(name: str) -> bool:
    """See `Family.exact`."""
    return name.rpartition(".")[2] in EXACT


def check(cfg: StyleGAN3Config) -> None:
    """See `Family.check`.

    Raises:
        CorruptCheckpoint: a size or factor is of the wrong type or out of range, or does not follow from the others.
        UnsupportedCheckpoint: it draws something other than three colour channels.
    """
    check_mapping(cfg)
    sizes = {
        "resolution": (cfg.resolution, 1, MAX_RESOLUTION),
        "img_channels": (cfg.img_channels, 1, MAX_FEATURES),
        "input_channels": (cfg.input_channels, 1, MAX_FEATURES),
        "input_size": (cfg.input_size, 1, MAX_SIZE),
        "number of layers": (len(cfg.layers), 1, MAX_LAYERS),
    }
    check_sizes(sizes)
    for name, layer, side in zip(cfg.layer_names, cfg.layers, cfg.sizes, strict=False):
        _check_layer(name, layer, side)
    if cfg.sizes[-1] != cfg.resolution:
        raise corrupt(f"its last layer has {cfg.sizes[-1]} px, and its pictures {cfg.resolution}")
    rate, band = cfg.sampling_rate, cfg.bandwidth
    if not (is_number(rate) and is_number(band) and 0 < band < rate / 2):
        raise corrupt(f"its sampling_rate is {rate!r:.80} and its bandwidth {band!r:.80}")
    if cfg.conv_clamp is not None and not (is_number(cfg.conv_clamp) and cfg.conv_clamp > 0):
        raise corrupt(f"its conv_clamp is {cfg.conv_clamp!r:.80}")
    if not (is_number(cfg.output_scale) and cfg.output_scale > 0):
        raise corrupt(f"its output_scale is {cfg.output_scale!r:.80}")
    if cfg.img_channels != 3:
        raise unsupported(f"it draws {cfg.img_channels} channels, not red, green and blue")


def _check_layer(name: str, layer: StyleGAN3Layer, side: int) -> None:
    sizes = {
        "channels": (layer.channels, 1, MAX_FEATURES),
        "size": (layer.size, 1, MAX_SIZE),
        "kernel": (layer.kernel, 1, MAX_KERNEL),
        "up": (layer.up, 1, MAX_FACTOR),
        "down": (layer.down, 1, MAX_FACTOR),
        "padding before": (layer.before, -MAX_SIZE, MAX_SIZE),
        "padding after": (layer.after, -MAX_SIZE, MAX_SIZE),
        "up_taps": (layer.up_taps, 1, MAX_TAPS),
        "down_taps": (layer.down_taps, 1, MAX_TAPS),
    }
    check_sizes({f"{key} of {name:.80}": bounds for key, bounds in sizes.items()})
    if type(layer.radial) is not bool:
        raise corrupt(f"its {name:.80} has radial {layer.radial!r:.80}")
    if layer.inner(side) > MAX_INNER or layer.outer(side) != layer.size:
        raise corrupt(f"its {name:.80} cannot make {layer.size} px of {side}")


def least_size(cfg: StyleGAN3Config) -> int:
    """See `Family.least_size`: kernels, matrices and filters."""
    widths = cfg.widths
    return (
        mapping_size(cfg)
        + widths[0] ** 2
        + sum(
            cin * (layer.channels * layer.kernel**2 + cfg.w_dim) for cin, layer in zip(widths, cfg.layers, strict=False)
        )
        + sum(layer.up_taps + layer.down_taps ** (2 if layer.radial else 1) for layer in cfg.layers)
        + widths[-1] * (cfg.img_channels + cfg.w_dim)
    )


STYLEGAN3 = Family("stylegan3", StyleGAN3Config.from_json, check, least_size, StyleGAN3, exact=exact)
