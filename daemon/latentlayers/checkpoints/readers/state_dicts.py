"""Generators from files that hold a table of named arrays: a state_dict, as torch.save or safetensors write it.

Who wrote it is told by the names in it (`layouts.py`), and so is where in the file it lies: such files wrap the table
in others, and put prefixes before its names. Resolution, depth and widths follow from names and shapes, as nothing
states them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from latentlayers.checkpoints.families.family import W_AVG
from latentlayers.checkpoints.families.stylegan2 import MAX_SIDES, resample_taps
from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.readers import nvidia_names
from latentlayers.checkpoints.readers.layouts import LAYOUTS, Layout
from latentlayers.checkpoints.readers.network import (
    DRAWN,
    Arrays,
    Later,
    Network,
    check_square,
    named_tables,
    noise_maps,
)
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN2Config

AVERAGED = re.compile(r"ema|smooth|avg|average", re.IGNORECASE)  # in the names of what holds an averaged network
RAW = re.compile(r"(module\.)?(g|netg|params|generator)(\.(module\.)?)?", re.IGNORECASE)
OTHER = "stylegan_decoder."  # before the names of a generator that needs more than a code; see `strangers.py`
LR_MLP = 0.01  # the default of every one of these projects
GAIN = 4.0  # stored filters are multiplied by the upsampling gain


def read(value: Any, budget: Budget, settings: Mapping[str, Any] | None = None) -> Network | None:
    """The generator in a file's value, averaged if there is such a one; None if there is none.

    Args:
        settings: what the file says about a network with NVIDIA's names; see `nvidia_names.read`.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: it has a filter or arrays that StyleGAN2 lacks.
    """
    if not isinstance(value, dict):
        return None
    value = value["models"] if isinstance(value.get("models"), dict) else value  # GenForce's snapshots
    found = [
        (place, prefix, table, layout)
        for place, table in named_tables(value)
        for layout in (None, *LAYOUTS)
        for prefix in _prefixes(table, nvidia_names.MARKS if layout is None else (layout.const,))
    ]
    if not found:
        return None
    place, prefix, table, layout = min(found, key=lambda found: _rank(*found[:2]))
    weights, note = _without(prefix, table), _note(place, prefix, table)
    if layout is None:
        return nvidia_names.read(weights, budget, settings or {}, note)
    mean = next((t[layout.w_avg] for t in (weights, table, value) if layout.w_avg in t), None)
    return _read_layout(layout, weights, mean, budget, note)


def _prefixes(table: Mapping[Any, Any], marks: tuple[str, ...]) -> Iterator[str]:
    """What wrappers put before a generator's names: DataParallel, OpenMMLab, encoders with a generator, ..."""
    for name in table:
        for mark in marks:
            if isinstance(name, str) and f".{name}".endswith(f".{mark}") and OTHER not in name:
                yield name.removesuffix(mark)


def _rank(place: str, prefix: str) -> int:
    """Of two generators in one file the lower is taken: an averaged one, and a trained one last."""
    if AVERAGED.search(place) or AVERAGED.search(prefix):
        return 0
    return 2 if _is_raw(place, prefix) else 1


def _is_raw(place: str, prefix: str) -> bool:
    return bool(RAW.fullmatch(prefix) or (RAW.fullmatch(place) and not prefix.startswith("decoder.")))


def _note(place: str, prefix: str, table: Mapping[Any, Any]) -> str:
    """See `Network.note`."""
    if any(isinstance(name, str) and name.startswith(("encoder.", "hypernet.")) for name in table):
        return "its encoder is left out"
    return "it holds no averaged generator" if _rank(place, prefix) == 2 else ""


def _without(prefix: str, table: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): array
        for name, array in table.items()
        if isinstance(name, str) and name.startswith(prefix)
    }


def _read_layout(layout: Layout, weights: Mapping[str, Any], mean: Any, budget: Budget, note: str) -> Network:
    layers, convs, pictures = (run.count(weights) for run in (layout.dense, layout.conv, layout.rgb))
    if layers == 0 or pictures not in range(2, MAX_SIDES + 1) or convs != 2 * pictures - 1:
        raise corrupt(f"its generator has {layers} mapping layers, {convs} convolutions and {pictures} to RGB")
    sides = [4 << i for i in range(pictures)]
    names = layout.names(layers, sides)
    known = {*names.values(), layout.w_avg}
    for name, array in weights.items():
        if isinstance(array, Lazy) and name not in known and not name.endswith(".kernel"):
            raise unsupported(f"its generator has {name:.100}, which StyleGAN2's lacks")
    g = Arrays(weights, budget)
    maps = {ours for ours in names if ours.endswith(".noise_const")}
    drawn: dict[str, Tensor] = {}
    if not any(names[ours] in g for ours in maps):  # the first files of these projects
        drawn, note = noise_maps(names, sides[-1]), "; ".join(filter(None, (note, DRAWN)))
    arrays: dict[str, Tensor | Lazy] = {**drawn}
    for ours, theirs in names.items():
        if ours not in drawn:
            arrays[ours] = _later(layout, ours, g, theirs)
    if isinstance(mean, Lazy):
        # Encoders keep the mean once for each row of w+.
        rows = Arrays({"latent_avg": mean}, budget).get("latent_avg").double()
        arrays[W_AVG] = rows.reshape(-1, rows.shape[-1]).mean(dim=0)
    check_square(arrays["synthesis.b4.const"].shape)
    taps: tuple[float, ...] = nvidia_names.DEFAULT_TAPS
    if layout.kernel is not None and layout.kernel in weights:
        kernel = g.get(layout.kernel)
        taps = resample_taps(layout.kernel, kernel.reshape(kernel.shape[-2:]) / GAIN)
    config = StyleGAN2Config(
        resolution=sides[-1],
        z_dim=arrays["mapping.fc0.weight"].shape[1],
        w_dim=arrays[f"mapping.fc{layers - 1}.weight"].shape[0],
        channels={side: arrays[f"synthesis.b{side}.conv1.weight"].shape[0] for side in sides},
        mapping_layers=layers,
        img_channels=arrays["synthesis.b4.torgb.weight"].shape[0],
        resample_filter=taps,
        lr_multiplier=LR_MLP,
    )
    return Network(config, arrays, layout.source_format, note)


def _later(layout: Layout, ours: str, g: Arrays, theirs: str) -> Later:
    shape = _our_shape(ours, g.shape(theirs))
    return g.later(theirs, shape=shape, make=lambda array: layout.value(ours, array.reshape(shape)))


def _our_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the axes of length 1 that these projects put around an array.

    Raises:
        CorruptCheckpoint: some lack, or are longer.
    """
    layer, _, part = name.rpartition(".")
    ndim = {"bias": 1, "noise_strength": 0, "noise_const": 2, "const": 3}.get(part)
    if ndim is None:
        ndim = 2 if layer.startswith("mapping.") or layer.endswith(".affine") else 4
    if len(shape) < ndim:
        raise corrupt(f"{name} has {len(shape)} dimensions, not {ndim}")
    # A picture's bias has such axes behind, everything else before.
    kept = (math.prod(shape),) if ndim == 1 else shape[len(shape) - ndim :]
    if math.prod(kept) != math.prod(shape):
        raise corrupt(f"{name} has shape {list(shape)}, of which only the last {ndim} may be longer than 1")
    return kept
