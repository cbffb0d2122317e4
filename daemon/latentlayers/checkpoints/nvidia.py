"""StyleGAN2 from NVIDIA's PyTorch pickles: stylegan2-ada-pytorch and the StyleGAN2 of the stylegan3 repository.

Every module is `torch_utils.persistence._reconstruct_persistent_obj(meta)`, where meta holds `class_name`, `module_src`
and `state`. Stock loading executes `module_src`; here only `state`, the module's `__dict__`, is walked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from latentlayers.checkpoints.inert import MODULE, Record
from latentlayers.checkpoints.limits import Budget
from latentlayers.checkpoints.network import Arrays, Network, named_tensors
from latentlayers.checkpoints.nvidia_names import common_filter
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.checkpoints.stylegan2 import derived
from latentlayers.generators import StyleGAN2Config

SOURCE_FORMAT = "nvidia-torch"
NO_GENERATORS = ("D", "augment_pipe")
UPDATE = "Update Latent Layers, or use a StyleGAN2 network."


def read(value: Any, budget: Budget) -> Network | None:
    """The generator in a file's value, averaged if there is such a one; None if no module is in it.

    Raises:
        CorruptCheckpoint: damaged. UnsupportedCheckpoint: StyleGAN3, or layers that StyleGAN2 does not have.
    """
    found = _generator(value)
    if found is None:
        return None
    generator, note = found
    root = _state(generator)
    tensors = named_tensors(generator, _parts)
    if "synthesis.input.freqs" in tensors:
        raise unsupported("it is a StyleGAN3 network, and only StyleGAN2 is read so far", UPDATE)
    if "synthesis.b4.const" not in tensors:
        raise unsupported("its generator is not laid out like StyleGAN2")

    arrays = Arrays(tensors, budget)
    resolution = _value(root, "img_resolution", int)
    sides = [2**k for k in range(2, resolution.bit_length())]
    block = _child(root, "synthesis", f"b{resolution}")
    conv, mapping = _child(block, "conv1"), _child(root, "mapping")
    dense = _child(mapping, "fc0")
    layers = _value(mapping, "num_layers", int)
    if any(_value(layer, "activation", str) != "lrelu" for layer in (conv, dense)):
        raise unsupported("its activation is not the leaky ReLU")
    clamp = _value(conv, "conv_clamp", int, float, type(None))
    config = StyleGAN2Config(
        resolution=resolution,
        z_dim=_value(root, "z_dim", int),
        w_dim=_value(root, "w_dim", int),
        c_dim=_value(root, "c_dim", int),
        img_channels=_value(root, "img_channels", int),
        channels={side: arrays.shape(f"synthesis.b{side}.conv1.weight", 4)[0] for side in sides},
        mapping_layers=layers,
        architecture=_value(block, "architecture", str),
        conv_clamp=None if clamp is None else float(clamp),
        resample_filter=common_filter(arrays, tensors),
        lr_multiplier=float(_value(dense, "bias_gain", int, float)),
        embed_features=arrays.shape("mapping.embed.weight", 2)[0] if "mapping.embed.weight" in arrays else 0,
        layer_features=arrays.shape("mapping.fc0.weight", 2)[0] if layers > 1 else 0,
        use_noise="synthesis.b4.conv1.noise_strength" in arrays,
    )
    weights = {name: arrays.get(name) for name in tensors if not derived(name)}
    return Network(config, weights, SOURCE_FORMAT, note)


def _generator(value: Any) -> tuple[Record, str] | None:
    """The module to read, and `Network.note`: the value itself, or in a dict, an average rather than another one."""
    tables = [value, *value.values()] if isinstance(value, dict) else [{"ema": value}]
    modules = [
        (str(key), part)
        for table in tables
        if isinstance(table, dict)
        for key, part in table.items()
        if isinstance(part, Record) and part.name == MODULE and key not in NO_GENERATORS
    ]
    if not modules:
        return None
    name, module = min(modules, key=lambda found: "ema" not in found[0].lower())
    return module, "" if "ema" in name.lower() else "it holds no averaged generator"


def _state(module: Any) -> dict[str, Any]:
    if isinstance(module, Record) and module.name == MODULE and len(module.arguments) == 1:
        match module.arguments[0]:
            case {"state": dict(state)}:
                return state
    raise corrupt("one of its modules has no state")


def _child(state: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        modules = _value(state, "_modules", dict)
        if name not in modules:
            raise corrupt(f"its module {name} is missing")
        state = _state(modules[name])
    return state


def _parts(module: Any) -> Iterator[tuple[Any, Any]]:
    """Name and value of a module's parameters, buffers and submodules."""
    state = _state(module)
    for kind in ("_parameters", "_buffers", "_modules"):
        yield from ((name, value) for name, value in _value(state, kind, dict).items() if value is not None)


def _value(state: dict[str, Any], name: str, *kinds: type) -> Any:
    value = state.get(name)
    if type(value) not in kinds:
        raise corrupt(f"its {name} is a {type(value).__name__}")
    return value
