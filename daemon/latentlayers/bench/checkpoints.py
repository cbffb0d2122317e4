"""Files as the projects write them, with random weights: for measuring how we load them."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from latentlayers.checkpoints import ModelHeader, save_generator
from latentlayers.checkpoints.export import export_rosinality
from latentlayers.generators import StyleGAN2, StyleGAN2Config

SIDES = [4 << i for i in range(9)]
CONFIG_F = StyleGAN2Config(
    resolution=1024, z_dim=512, w_dim=512, channels={side: min(32768 // side, 512) for side in SIDES}
)
SOURCE = "# source code that stock loading executes\n" * 700  # every module of NVIDIA's carries about 30 kB


def write_native(path: Path, generator: StyleGAN2) -> None:
    save_generator(path, generator, ModelHeader(path.stem, generator.family, generator.config.to_json()))


def write_rosinality(path: Path, generator: StyleGAN2) -> None:
    """`{g_ema, latent_avg}`, as convert_weight.py."""
    export_rosinality(path, generator)


def write_rosinality_training(path: Path, generator: StyleGAN2) -> None:
    """`{g, d, g_ema, g_optim}`, as train.py."""
    g_ema = _rosinality_state(path, generator)
    moments = {i: {"step": 1, "exp_avg": _copy(t), "exp_avg_sq": _copy(t)} for i, t in enumerate(g_ema.values())}
    g = {name: _copy(tensor) for name, tensor in g_ema.items()}
    d = {"final_linear.0.weight": _weights_of_as_many(generator)}
    torch.save({"g": g, "d": d, "g_ema": g_ema, "g_optim": {"state": moments}}, path)


def write_encoder(path: Path, generator: StyleGAN2) -> None:
    """`{state_dict, latent_avg, opts}`, as encoder4editing."""
    state = {f"decoder.{name}": tensor for name, tensor in _rosinality_state(path, generator).items()}
    state["encoder.body.0.weight"] = torch.cat([_weights_of_as_many(generator)] * 8)
    mean = generator.w_avg.repeat(generator.num_ws, 1)
    torch.save({"state_dict": state, "latent_avg": mean, "opts": {"device": "cuda:0"}}, path)


def write_nvidia(path: Path, generator: StyleGAN2) -> None:
    """`{G, D, G_ema}` of persistent modules, as stylegan2-ada-pytorch."""
    with _importable("torch_utils.persistence", "_reconstruct_persistent_obj", lambda meta: None) as make:
        networks = {name: _nvidia_module(generator, make) for name in ("G", "G_ema")}
        networks["D"] = _Module({"weight": _weights_of_as_many(generator)}, make)
        with path.open("wb") as file:
            pickle.dump(networks, file)


def write_tensorflow(path: Path, generator: StyleGAN2) -> None:
    """`(G, D, Gs)` of networks, as StyleGAN2 in TensorFlow."""
    with _importable("dnnlib.tflib.network", "Network", type("Network", (), {})) as network:

        def make(variables: Mapping[str, Tensor], **components: Any) -> Any:
            made = network()
            arrays = [(name, _copy(tensor).contiguous().numpy()) for name, tensor in variables.items()]
            made.__dict__ = {"version": 4, "build_module_src": SOURCE, "static_kwargs": {}}
            made.__dict__ |= {"variables": arrays, "components": components}
            return made

        def make_generator() -> Any:
            mapping, synthesis = _tensorflow_variables(generator)
            return make({"dlatent_avg": generator.w_avg}, mapping=make(mapping), synthesis=make(synthesis))

        d = make({"weight": _weights_of_as_many(generator)})
        with path.open("wb") as file:
            pickle.dump((make_generator(), d, make_generator()), file)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _weights_of_as_many(generator: StyleGAN2) -> Tensor:
    """For the discriminator, which is about as large as the generator; an encoder is eight times that."""
    return torch.randn(sum(weight.numel() for weight in generator.parameters()))


def _rosinality_state(path: Path, generator: StyleGAN2) -> dict[str, Tensor]:
    export_rosinality(path, generator)
    state: dict[str, Tensor] = torch.load(path, weights_only=True)["g_ema"]
    return state


@contextmanager
def _importable(module: str, name: str, made: Any) -> Iterator[Any]:
    """While it lasts, pickle finds `made` under that name."""
    made.__module__, made.__qualname__ = module, name
    parts = module.split(".")
    modules = {".".join(parts[: i + 1]): ModuleType(part) for i, part in enumerate(parts)}
    setattr(modules[module], name, made)
    before = {key: sys.modules.get(key) for key in modules}
    sys.modules.update(modules)
    try:
        yield made
    finally:
        for key, old in before.items():
            if old is None:
                del sys.modules[key]
            else:
                sys.modules[key] = old


class _Module:
    """Pickles as a persistent module of NVIDIA's does. Names of `parts` with a dot belong to modules inside."""

    def __init__(self, parts: Mapping[str, Tensor], make: Any, **attributes: Any) -> None:
        self._make = make
        self.state: dict[str, Any] = {"_parameters": {}, "_buffers": {}, "_modules": {}, **attributes}
        inner: dict[str, dict[str, Tensor]] = {}
        for name, tensor in parts.items():
            first, _, rest = name.partition(".")
            if rest:
                inner.setdefault(first, {})[rest] = tensor
            else:
                self.state["_parameters"][name] = _copy(tensor)
        self.state["_modules"] = {name: _Module(below, make) for name, below in inner.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": "Any", "state": self.state}
        return self._make, (meta,)

    def child(self, path: str) -> dict[str, Any]:
        module = self
        for name in path.split("."):
            module = module.state["_modules"][name]
        return module.state


def _nvidia_module(generator: StyleGAN2, make: Any) -> _Module:
    cfg = generator.config
    sizes = {"img_resolution": cfg.resolution, "img_channels": cfg.img_channels}
    root = _Module(generator.state_dict(), make, z_dim=cfg.z_dim, w_dim=cfg.w_dim, c_dim=cfg.c_dim, **sizes)
    root.child("mapping")["num_layers"] = cfg.mapping_layers
    for i in range(cfg.mapping_layers):
        root.child(f"mapping.fc{i}").update(activation="lrelu", bias_gain=cfg.lr_multiplier)
    top = f"synthesis.b{cfg.resolution}"
    root.child(top)["architecture"] = cfg.architecture
    root.child(f"{top}.conv1").update(activation="lrelu", conv_clamp=cfg.conv_clamp)
    return root


def _tensorflow_variables(generator: StyleGAN2) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of the mapping and the synthesis network. The values stand for any; names and shapes are TensorFlow's."""
    ours = generator.state_dict()
    mapping = {}
    for i in range(generator.config.mapping_layers):
        mapping[f"Dense{i}/weight"] = ours[f"mapping.fc{i}.weight"].t()
        mapping[f"Dense{i}/bias"] = ours[f"mapping.fc{i}.bias"]
    synthesis = {"4x4/Const/const": ours["synthesis.b4.const"][None]}
    for side in generator.synthesis.sides:
        names = {"conv1": "Conv"} if side == 4 else {"conv0": "Conv0_up", "conv1": "Conv1"}
        for layer, theirs in (names | {"torgb": "ToRGB"}).items():
            source, name = f"synthesis.b{side}.{layer}", f"{side}x{side}/{theirs}"
            synthesis[f"{name}/weight"] = ours[f"{source}.weight"].permute(2, 3, 1, 0)
            synthesis[f"{name}/bias"] = ours[f"{source}.bias"]
            synthesis[f"{name}/mod_weight"] = ours[f"{source}.affine.weight"].t()
            synthesis[f"{name}/mod_bias"] = ours[f"{source}.affine.bias"]
            if layer != "torgb":
                synthesis[f"{name}/noise_strength"] = ours[f"{source}.noise_strength"]
                index = sum(key.startswith("noise") for key in synthesis)
                synthesis[f"noise{index}"] = ours[f"{source}.noise_const"][None, None]
    return mapping, synthesis
