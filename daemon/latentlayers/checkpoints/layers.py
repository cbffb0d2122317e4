"""A generator as the papers draw it, layer by layer, from the header of its file: torch is not imported."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from latentlayers.checkpoints.header import read_layout
from latentlayers.checkpoints.refusals import corrupt, decoding, open_bounded

Shape = tuple[int, ...]

# What the state_dicts of all families hold beside parameters.
BUFFERS = frozenset({"w_avg", "noise_const", "resample_filter", "up_filter", "down_filter", "freqs", "phases"})
BUFFERS |= {"transform", "magnitude_ema"}
MOST = 1 << 31

_BLOCK = re.compile(r"synthesis\.b(\d+)\.(\w+)")
_FILTERED = re.compile(r"synthesis\.L(\d+)_(\d+)_(\d+)")
_WITHIN_BLOCK = ("const", "conv0", "skip", "conv1", "torgb")


@dataclass(frozen=True)
class Layer:
    """One layer of a generator.

    Attributes:
        name: as in the file, e.g. "mapping.fc0", "synthesis.b8.conv0", "synthesis.L3_52_512".
        kind: "dense", "input", "conv", "conv up", "to rgb" or "skip".
        rows: of `w+` that drive it.
        resolution: side of what it puts out, in pixels; StyleGAN3's include a margin. 0 in the mapping network.
        kernel: side of its kernel, 0 for dense layers and inputs. StyleGAN1's doubling ones are kept as 4x4.
        noise: side of its noise map, 0 without.
        parameters: how many numbers were trained, those of its style included.
    """

    name: str
    kind: str
    rows: Shape
    resolution: int
    channels_in: int
    channels_out: int
    kernel: int
    noise: int
    parameters: int


def read_layers(path: Path) -> tuple[Layer, ...]:
    """The layers of the generator in a file of ours, in the order in which they are used.

    Raises:
        NotFound, CorruptCheckpoint, UnsupportedCheckpoint: as `header.read_header`.
    """
    with open_bounded(path) as (file, size), decoding():
        layout = read_layout(file, size)
        input_size = layout.header.config.get("input_size", 0)
        return describe({name: entry.shape for name, entry in layout.tensors.items()}, input_size)


def describe(shapes: Mapping[str, Shape], input_size: int = 0) -> tuple[Layer, ...]:
    """As `read_layers`, from the shapes in a state_dict.

    Args:
        input_size: side of StyleGAN3's Fourier features.
    """
    parts: dict[str, dict[str, Shape]] = defaultdict(dict)
    for tensor, shape in shapes.items():
        name, leaf = _place(tensor, shapes)
        parts[name][leaf] = shape
    layers: list[Layer] = []
    row, side = 0, input_size
    for name in sorted((name for name in parts if _parameters(parts[name])), key=_order):
        before, side = side, _side(name, side)
        kind = _kind(name, parts[name], grows=side > before)
        driven = "affine.weight" in parts[name]
        layers.append(_layer(name, kind, (row,) if driven else (), side, parts[name]))
        # StyleGAN2's ToRGB reads the row of the convolution that follows it.
        row += driven and kind != "to rgb"
    for layer in layers:
        sizes = (layer.resolution, layer.channels_in, layer.channels_out, layer.kernel, layer.noise)
        if not all(type(size) is int and 0 <= size < MOST for size in sizes):
            raise corrupt(f"{layer.name:.100} is of impossible size")
    return tuple(layers)


def _place(name: str, shapes: Mapping[str, Shape]) -> tuple[str, str]:
    """(layer, name within it) of a tensor."""
    stem, _, leaf = name.rpartition(".")
    if leaf == "const":  # StyleGAN1 adds noise and style to it, in what it calls a layer
        return (f"{stem}.conv0", leaf) if f"{stem}.conv0.bias" in shapes else (name, leaf)
    if stem.endswith(".affine"):
        return stem.removesuffix(".affine"), f"affine.{leaf}"
    return stem, leaf


def _order(name: str) -> tuple[bool, int, int]:
    """Mapping before synthesis, there by number, and within a block as it is computed."""
    number = re.search(r"\.\D*(\d+)", name)
    last = name.rpartition(".")[2]
    within = _WITHIN_BLOCK.index(last) if last in _WITHIN_BLOCK else 0
    return not name.startswith("mapping."), int(number[1]) if number else -1, within


def _side(name: str, before: int) -> int:
    if name.startswith("mapping."):
        return before
    found = _BLOCK.match(name) or _FILTERED.match(name)
    return before if found is None else int(found[1] if name.startswith("synthesis.b") else found[2])


def _kind(name: str, part: Mapping[str, Shape], *, grows: bool) -> str:
    last = name.rpartition(".")[2]
    if name.startswith("mapping."):
        return "dense"
    if "const" in part or last == "input":
        return "input"
    if last == "skip":
        return "skip"
    if last == "torgb" or (_FILTERED.match(name) and "up_filter" not in part):
        return "to rgb"
    return "conv up" if grows else "conv"


def _layer(name: str, kind: str, rows: Shape, side: int, part: Mapping[str, Shape]) -> Layer:
    weight = part.get("weight", ())
    if kind == "input":
        into, out = (0, part["const"][0]) if "const" in part else (weight[1], weight[0])
    elif len(weight) == 4 and weight[2] == 4:  # a transposed convolution
        into, out = weight[:2]
    else:
        out, into = weight[:2]
    return Layer(
        name,
        kind,
        rows,
        0 if name.startswith("mapping.") else side,
        into,
        out,
        weight[2] if len(weight) == 4 else 0,
        part["noise_const"][0] if "noise_const" in part else 0,
        _parameters(part),
    )


def _parameters(part: Mapping[str, Shape]) -> int:
    return sum(math.prod(shape) for leaf, shape in part.items() if leaf not in BUFFERS)
