"""StyleGAN2 and StyleGAN3 from NVIDIA's PyTorch pickles: those of stylegan2-ada-pytorch and of stylegan3."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from latentlayers.checkpoints.families.stylegan2 import derived
from latentlayers.checkpoints.pickles.limits import Budget
from latentlayers.checkpoints.readers import nvidia_stylegan3
from latentlayers.checkpoints.readers.network import Arrays, Network, check_square, named_tensors, tables_in
from latentlayers.checkpoints.readers.nvidia_names import common_filter
from latentlayers.checkpoints.readers.persistence import attribute, child, clamp_of, is_module, parts, state_of
from latentlayers.checkpoints.refusals import unsupported
from latentlayers.generators import StyleGAN2Config

SOURCE_FORMAT = "nvidia-torch"
NO_GENERATORS = ("D", "augment_pipe")


def read(value: Any, budget: Budget) -> Network | None:
    """The generator in a file's value, averaged if there is such a one; None if no module is in it.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: layers that StyleGAN2 and StyleGAN3 do not have.
    """
    found = _generator(value)
    if found is None:
        return None
    generator, note = found
    root = state_of(generator)
    tensors = named_tensors(generator, parts)
    arrays = Arrays(tensors, budget)
    if "synthesis.input.freqs" in arrays:
        return Network(nvidia_stylegan3.config(root, arrays), arrays.all_later(tensors), SOURCE_FORMAT, note)
    if "synthesis.b4.const" in arrays:
        weights = arrays.all_later(name for name in tensors if not derived(name))
        return Network(_stylegan2(root, arrays, tensors), weights, SOURCE_FORMAT, note)
    raise unsupported("its generator is not laid out like StyleGAN2 or StyleGAN3")


def _stylegan2(root: dict[str, Any], arrays: Arrays, names: Iterable[str]) -> StyleGAN2Config:
    check_square(arrays.shape("synthesis.b4.const"))
    resolution = attribute(root, "img_resolution", int)
    sides = [2**k for k in range(2, resolution.bit_length())]
    block = child(root, "synthesis", f"b{resolution}")
    conv, mapping = child(block, "conv1"), child(root, "mapping")
    dense = child(mapping, "fc0")
    layers = attribute(mapping, "num_layers", int)
    if any(attribute(layer, "activation", str) != "lrelu" for layer in (conv, dense)):
        raise unsupported("its activation is not the leaky ReLU")
    return StyleGAN2Config(
        resolution=resolution,
        z_dim=attribute(root, "z_dim", int),
        w_dim=attribute(root, "w_dim", int),
        c_dim=attribute(root, "c_dim", int),
        img_channels=attribute(root, "img_channels", int),
        channels={side: arrays.shape(f"synthesis.b{side}.conv1.weight", 4)[0] for side in sides},
        mapping_layers=layers,
        architecture=attribute(block, "architecture", str),
        conv_clamp=clamp_of(conv),
        resample_filter=common_filter(arrays, names),
        lr_multiplier=float(attribute(dense, "bias_gain", int, float)),
        embed_features=arrays.shape("mapping.embed.weight", 2)[0] if "mapping.embed.weight" in arrays else 0,
        layer_features=arrays.shape("mapping.fc0.weight", 2)[0] if layers > 1 else 0,
        use_noise="synthesis.b4.conv1.noise_strength" in arrays,
    )


def _generator(value: Any) -> tuple[Any, str] | None:
    """The module to read, and `Network.note`: the value itself, or in a dict, an average rather than another one."""
    tables = tables_in(value) if isinstance(value, dict) else [{"ema": value}]
    modules = [
        (str(key), part)
        for table in tables
        for key, part in table.items()
        if is_module(part) and key not in NO_GENERATORS
    ]
    if not modules:
        return None
    name, module = min(modules, key=lambda found: "ema" not in found[0].lower())
    return module, "" if "ema" in name.lower() else "it holds no averaged generator"
