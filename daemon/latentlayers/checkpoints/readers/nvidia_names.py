"""StyleGAN2 and StyleGAN3 from a state_dict with NVIDIA's names, without the module around it.

StyleGAN2's sizes, architecture and filters follow from names and shapes. Its clamp and the mapping network's learning
rate do not: they are what `export.py` writes beside the weights, else the projects' defaults. StyleGAN3's paddings
follow from nothing but what `export.py` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from latentlayers.checkpoints.families.stylegan2 import MAX_SIDES, RESAMPLE_FILTER, derived, resample_taps
from latentlayers.checkpoints.families.stylegan3_design import design
from latentlayers.checkpoints.header import MAX_LAYERS
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.readers.network import Arrays, Network, check_square
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN2Config, StyleGAN3Config
from latentlayers.generators.stylegan2 import Architecture

SOURCE_FORMAT = "nvidia-names"
STYLEGAN3_MARK = "synthesis.input.freqs"
MARKS = ("synthesis.b4.const", STYLEGAN3_MARK)  # what tells a table of such weights
INIT_KWARGS = "init_kwargs"
PICKLE = "Use the pickle that the weights are from, or what `latentlayers models export --format nvidia` writes."
DEFAULT_TAPS = (1.0, 3.0, 3.0, 1.0)


def init_kwargs(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """What a safetensors file's metadata say the network was constructed with; {} if they do not.

    Raises:
        CorruptCheckpoint, ValueError: it is not a JSON object.
    """
    settings = json.loads(metadata.get(INIT_KWARGS, "{}"))
    if not isinstance(settings, dict):
        raise corrupt(f"its {INIT_KWARGS} are not an object")
    return settings


def read(weights: Mapping[str, Any], budget: Budget, settings: Mapping[str, Any], note: str = "") -> Network:
    """The generator with these weights, StyleGAN3 if `STYLEGAN3_MARK` is among their names.

    Args:
        settings: `init_kwargs` of the projects' Generator, as far as known.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: a filter that StyleGAN2's layout cannot express, or a
        StyleGAN3 without settings.
        KeyError, TypeError, ValueError, ArithmeticError: settings that make no sense.
    """
    g = Arrays(weights, budget)
    config = _stylegan3(settings) if STYLEGAN3_MARK in g else _stylegan2(g, weights, settings)
    arrays = g.all_later(name for name in weights if not derived(name))
    return Network(config, arrays, SOURCE_FORMAT, note)


def _stylegan3(settings: Mapping[str, Any]) -> StyleGAN3Config:
    if not settings:
        raise unsupported("it holds a StyleGAN3 without the settings that its paddings follow from", PICKLE)
    count = settings["num_layers"]
    if type(count) is not int or not 1 <= count <= MAX_LAYERS:
        raise corrupt(f"its num_layers is {count!r:.80}")
    return design(settings)


def _stylegan2(g: Arrays, names: Iterable[str], settings: Mapping[str, Any]) -> StyleGAN2Config:
    check_square(g.shape("synthesis.b4.const"))
    sides = [4]
    while f"synthesis.b{2 * sides[-1]}.conv1.weight" in g and len(sides) < MAX_SIDES:
        sides.append(2 * sides[-1])
    layers = g.count("mapping.fc{}.weight")
    if layers == 0:
        raise corrupt("its mapping network has no layers")
    features, c_dim = g.shape("mapping.embed.weight", 2) if "mapping.embed.weight" in g else (0, 0)
    return StyleGAN2Config(
        resolution=sides[-1],
        z_dim=g.shape("mapping.fc0.weight", 2)[1] - features,
        w_dim=g.shape(f"mapping.fc{layers - 1}.weight", 2)[0],
        c_dim=c_dim,
        img_channels=g.shape(f"synthesis.b{sides[-1]}.torgb.weight", 4)[0],
        channels={side: g.shape(f"synthesis.b{side}.conv1.weight", 4)[0] for side in sides},
        mapping_layers=layers,
        architecture=_architecture(g),
        conv_clamp=_setting(settings, "synthesis_kwargs", "conv_clamp", None),
        resample_filter=common_filter(g, names),
        lr_multiplier=_setting(settings, "mapping_kwargs", "lr_multiplier", 0.01),
        embed_features=features,
        layer_features=g.shape("mapping.fc0.weight", 2)[0] if layers > 1 else 0,
        use_noise="synthesis.b4.conv1.noise_strength" in g,
    )


def common_filter(g: Arrays, names: Iterable[str]) -> tuple[float, ...]:
    """The taps of the stored resample filters. Raises UnsupportedCheckpoint if they differ, or as `resample_taps`."""
    # Every conv1 holds the default filter, and does not resample.
    used = [name for name in names if derived(name) and not name.endswith(f"conv1.{RESAMPLE_FILTER}")]
    filters = {resample_taps(name, g.get(name)) for name in used} or {DEFAULT_TAPS}
    if len(filters) != 1:
        raise unsupported(f"it has {len(filters)} different resample filters")
    return filters.pop()


def _architecture(g: Arrays) -> Architecture:
    if "synthesis.b4.torgb.weight" in g:
        return "skip"
    return "resnet" if "synthesis.b8.skip.weight" in g else "orig"


def _setting(settings: Mapping[str, Any], group: str, name: str, default: Any) -> Any:
    inner = settings.get(group, {})
    return inner.get(name, default) if isinstance(inner, dict) else default
