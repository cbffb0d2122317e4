"""Generators from files that hold a table of named arrays: a state_dict, as torch.save or safetensors write it.

Who wrote it is told by the names in it (`layouts.py`), and so is where in the file it lies: such files wrap the table
in others, and put prefixes before its names. Resolution, depth and widths follow from names and shapes, as nothing
states them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from latentlayers.checkpoints.families.family import W_AVG
from latentlayers.checkpoints.families.stylegan2 import MAX_SIDES, resample_taps
from latentlayers.checkpoints.pickles.inert import Lazy
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.readers import nvidia_names
from latentlayers.checkpoints.readers.layouts import LAYOUTS, Layout
from latentlayers.checkpoints.readers.network import Arrays, Network
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN2Config

# Where the table lies, the averaged generator's first; None: the file's value is the table.
AVERAGED = ("g_ema", "G_ema", "params_ema", "generator_smooth")
PLACES = (*AVERAGED, "state_dict", None, "g", "G", "params", "generator")
# What wrappers put before its names: torch's DataParallel, OpenMMLab, and encoders that carry their generator.
PREFIXES = ("generator_ema.module.", "generator_ema.", "module.", "generator.module.", "generator.", "decoder.", "")
RAW = ("g", "G", "params", "generator", "generator.", "generator.module.")
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
    for place, prefix, table in _tables(value):
        if any(prefix + mark in table for mark in nvidia_names.MARKS):
            return nvidia_names.read(_without(prefix, table), budget, settings or {}, _note(place, prefix, table))
        for layout in LAYOUTS:
            if prefix + layout.const in table:
                weights = _without(prefix, table)
                mean = next((t[layout.w_avg] for t in (weights, table, value) if layout.w_avg in t), None)
                return _read_layout(layout, weights, mean, budget, _note(place, prefix, table))
    return None


def _tables(value: Mapping[Any, Any]) -> Iterator[tuple[str | None, str, Mapping[Any, Any]]]:
    """(place, prefix, table) of every table and prefix that there might be, the preferred ones first."""
    for place in PLACES:
        table = value if place is None else value.get(place)
        if isinstance(table, dict):
            for prefix in PREFIXES:
                yield place, prefix, table


def _note(place: str | None, prefix: str, table: Mapping[Any, Any]) -> str:
    """See `Network.note`."""
    if any(isinstance(name, str) and name.startswith(("encoder.", "hypernet.")) for name in table):
        return "its encoder is left out"
    return "it holds no averaged generator" if place in RAW or prefix in RAW else ""


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
    arrays = {ours: layout.value(ours, _in_our_shape(ours, g.get(theirs))) for ours, theirs in names.items()}
    if isinstance(mean, Lazy):
        # Encoders keep the mean once for each row of w+.
        rows = Arrays({"latent_avg": mean}, budget).get("latent_avg").double()
        arrays[W_AVG] = rows.reshape(-1, rows.shape[-1]).mean(dim=0)
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
        resample_filter=taps,
        lr_multiplier=LR_MLP,
    )
    return Network(config, arrays, layout.source_format, note)


def _in_our_shape(name: str, array: Tensor) -> Tensor:
    """Without the axes of length 1 that these projects put around an array. Raises CorruptCheckpoint if some lack."""
    layer, _, part = name.rpartition(".")
    ndim = {"bias": 1, "noise_strength": 0, "noise_const": 2, "const": 3}.get(part)
    if ndim is None:
        ndim = 2 if layer.startswith("mapping.") or layer.endswith(".affine") else 4
    if array.ndim < ndim:
        raise corrupt(f"{name} has {array.ndim} dimensions, not {ndim}")
    # A picture's bias has such axes behind, everything else before.
    return array.flatten() if ndim == 1 else array.reshape(array.shape[array.ndim - ndim :])
