"""The configuration of a StyleGAN3 in NVIDIA's PyTorch pickles, read from the attributes of its layers.

Nothing is designed anew: sizes, factors and paddings are those of the file, whatever settings led to them.
"""

from __future__ import annotations

from typing import Any

from latentlayers.checkpoints.header import MAX_LAYERS
from latentlayers.checkpoints.pickles.inert import NumpyArray
from latentlayers.checkpoints.readers.network import Arrays
from latentlayers.checkpoints.readers.persistence import attribute, child, clamp_of
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.generators import StyleGAN3Config, StyleGAN3Layer


def config(root: dict[str, Any], arrays: Arrays) -> StyleGAN3Config:
    """Of the generator with the attributes `root`, whose weights are `arrays`.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: layers that differ in x and y, or in their clamps.
    """
    mapping, synthesis = child(root, "mapping"), child(root, "synthesis")
    source = child(synthesis, "input")
    names = attribute(synthesis, "layer_names", list)
    if not 2 <= len(names) <= MAX_LAYERS or any(type(name) is not str for name in names):
        raise corrupt("its layer_names are not those of a few layers")
    layers = [child(synthesis, name) for name in names]
    clamps = {clamp_of(layer) for layer in layers}
    if len(clamps) != 1:
        raise unsupported("its layers are clamped differently")
    return StyleGAN3Config(
        resolution=attribute(root, "img_resolution", int),
        z_dim=attribute(root, "z_dim", int),
        w_dim=attribute(root, "w_dim", int),
        c_dim=attribute(root, "c_dim", int),
        img_channels=attribute(root, "img_channels", int),
        input_channels=attribute(source, "channels", int),
        input_size=_side(source, "size"),
        sampling_rate=float(attribute(source, "sampling_rate", int, float)),
        bandwidth=float(attribute(source, "bandwidth", int, float)),
        layers=tuple(_layer(arrays, name, layer) for name, layer in zip(names[:-1], layers, strict=False)),
        conv_clamp=clamps.pop(),
        output_scale=float(attribute(synthesis, "output_scale", int, float)),
        mapping_layers=attribute(mapping, "num_layers", int),
        lr_multiplier=float(attribute(child(mapping, "fc0"), "bias_gain", int, float)),
    )


def _layer(arrays: Arrays, name: str, layer: dict[str, Any]) -> StyleGAN3Layer:
    (up_taps,) = arrays.shape(f"synthesis.{name}.up_filter", 1)
    down_filter = arrays.shape(f"synthesis.{name}.down_filter")
    left, right, top, bottom = (*attribute(layer, "padding", list), None, None, None, None)[:4]
    if (left, right) != (top, bottom):
        raise unsupported(f"its layer {name:.100} pads rows and columns differently")
    return StyleGAN3Layer(
        channels=attribute(layer, "out_channels", int),
        size=_side(layer, "out_size"),
        kernel=attribute(layer, "conv_kernel", int),
        up=attribute(layer, "up_factor", int),
        down=attribute(layer, "down_factor", int),
        before=left,
        after=right,
        up_taps=up_taps,
        down_taps=down_filter[0] if down_filter else 0,
        radial=len(down_filter) == 2,
    )


def _side(state: dict[str, Any], name: str) -> int:
    """The side of a square, stored as [width, height]."""
    size = attribute(state, name, NumpyArray)
    if size.shape != (2,):
        raise corrupt(f"its {name} is not a width and a height")
    width, height = (int(side) for side in size.load().tolist())
    if width != height:
        raise unsupported(f"its {name} is {width}x{height}, not a square")
    return width
