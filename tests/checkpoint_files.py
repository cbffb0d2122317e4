"""Checkpoint files for the tests: small references of the research code, and makers of variants it does not cover."""

from __future__ import annotations

import json
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from latentlayers.generators import Generator, StyleGAN2, StyleGAN2Config
from torch import Tensor

FOLDER = Path(__file__).parent / "data" / "checkpoints"
REFERENCES = sorted(path.stem for path in FOLDER.glob("*.npz"))


def reference_file(name: str) -> Path:
    """The checkpoint `name` in tests/data/checkpoints, whatever its suffix."""
    return next(path for path in FOLDER.glob(f"{name}.*") if path.suffix in (".pkl", ".pt"))


def reference_outputs(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What the research code computes from it: arrays by name (README.md there explains them), and its description."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        meta = json.loads(str(arrays["meta_json"]))
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files if key != "meta_json"}, meta


def reference_family(name: str) -> str:
    """The family that a reference's file name begins with."""
    return f"stylegan{name[2]}" if name.startswith("sg") and "stylegan2" not in name else "stylegan2"


def small_config(**changes: Any) -> StyleGAN2Config:
    fields: dict[str, Any] = {
        "resolution": 16,
        "z_dim": 10,
        "w_dim": 12,
        "channels": {4: 8, 8: 6, 16: 5},
        "mapping_layers": 2,
    }
    return StyleGAN2Config(**(fields | changes))


def small_generator(seed: int = 0, **changes: Any) -> StyleGAN2:
    """A StyleGAN2 with random weights, and with noise strengths, biases and a mean that are not zero."""
    torch.manual_seed(seed)
    generator = StyleGAN2(small_config(**changes))
    with torch.no_grad():
        for name, tensor in generator.state_dict().items():
            if name.endswith(("noise_strength", "bias", "w_avg")):
                tensor.add_(torch.randn_like(tensor) * 0.3)
    return generator


# --- NVIDIA's PyTorch layout ------------------------------------------------------------------------------------------


class Persistent:
    """Pickles as NVIDIA's modules do, under the global that stock loading would execute source through."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        make = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit",
            "class_name": "Any",
            "state": self.state,
        }
        return make, (meta,)


@contextmanager
def nvidia_modules() -> Iterator[None]:
    """While it lasts, pickle can write the global `torch_utils.persistence._reconstruct_persistent_obj`."""

    def _reconstruct_persistent_obj(meta: Any) -> Any:
        raise AssertionError("a checkpoint was executed")

    package, module = ModuleType("torch_utils"), ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    package.persistence = module  # type: ignore[attr-defined]
    names = {"torch_utils": package, "torch_utils.persistence": module}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def nvidia_tree(generator: StyleGAN2, *, drop: tuple[str, ...] = (), extra: Mapping[str, Any] = {}) -> Persistent:
    """A generator as stylegan2-ada-pytorch would pickle it. `extra` replaces attributes of the root."""
    cfg = generator.config
    modules: dict[str, dict[str, Any]] = {}

    def state(path: str) -> dict[str, Any]:
        if path not in modules:
            modules[path] = {"_parameters": OrderedDict(), "_buffers": OrderedDict(), "_modules": OrderedDict()}
            if path:
                parent, _, name = path.rpartition(".")
                state(parent)["_modules"][name] = Persistent(modules[path])
        return modules[path]

    parameters = dict(generator.named_parameters())
    for name, tensor in generator.state_dict(keep_vars=True).items():
        if name not in drop:
            path, _, leaf = name.rpartition(".")
            state(path)["_parameters" if name in parameters else "_buffers"][leaf] = tensor
    for path, attributes in modules.items():
        leaf = path.rpartition(".")[2]
        if leaf in ("conv0", "conv1"):
            attributes |= {"activation": "lrelu", "conv_clamp": cfg.conv_clamp, "use_noise": cfg.use_noise}
        elif leaf.startswith("b") and leaf[1:].isdigit():
            attributes |= {"architecture": cfg.architecture, "resolution": int(leaf[1:])}
        elif leaf.startswith("fc"):
            attributes |= {"activation": "lrelu", "bias_gain": cfg.lr_multiplier, "weight_gain": np.float64(1)}
    state("mapping")["num_layers"] = cfg.mapping_layers
    root = {"z_dim": cfg.z_dim, "c_dim": cfg.c_dim, "w_dim": cfg.w_dim, "img_resolution": cfg.resolution}
    return Persistent(state("") | root | {"img_channels": cfg.img_channels} | dict(extra))


def write_nvidia(path: Path, root: Persistent, *, protocol: int = 4) -> Path:
    with nvidia_modules():
        path.write_bytes(pickle.dumps({"G": None, "D": None, "G_ema": root}, protocol=protocol))
    return path


# --- pickles from single instructions ---------------------------------------------------------------------------------


def pickle_global(module: str, name: str) -> bytes:
    """GLOBAL, the instruction that names a function."""
    return f"c{module}\n{name}\n".encode()


def pickle_text(text: str) -> bytes:
    return b"X" + len(text.encode()).to_bytes(4, "little") + text.encode()


def equal_weights(a: Generator, b: Generator) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def upfirdn2d(x: Tensor, f: Tensor, *, up: int, padding: tuple[int, int], gain: float) -> Tensor:
    """The definition, one output at a time: zero insertion, padding, true convolution with `f`."""
    n, c, h, w = x.shape
    before, after = padding
    wide = torch.zeros(n, c, h * up + before + after, w * up + before + after, dtype=x.dtype)
    wide[:, :, before : before + h * up : up, before : before + w * up : up] = x
    taps = f.shape[0]
    rows, columns = wide.shape[2] - taps + 1, wide.shape[3] - taps + 1
    out = torch.zeros(n, c, rows, columns, dtype=x.dtype)
    for i in range(taps):
        for j in range(taps):
            out += f[taps - 1 - i, taps - 1 - j] * wide[:, :, i : i + rows, j : j + columns]
    return out * gain


# --- rosinality's layout ----------------------------------------------------------------------------------------------


def rosinality_state(generator: StyleGAN2) -> dict[str, Tensor]:
    """The state_dict of rosinality's Generator with the same weights."""
    ours = generator.state_dict()
    kernel = ours["synthesis.b4.resample_filter"] * 4
    state: dict[str, Tensor] = {"input.input": ours["synthesis.b4.const"][None]}

    def modulated(name: str, source: str) -> None:
        state[f"{name}.conv.weight"] = ours[f"{source}.weight"][None]
        state[f"{name}.conv.modulation.weight"] = ours[f"{source}.affine.weight"]
        state[f"{name}.conv.modulation.bias"] = ours[f"{source}.affine.bias"]

    for i in range(generator.config.mapping_layers):
        state[f"style.{i + 1}.weight"] = ours[f"mapping.fc{i}.weight"]
        state[f"style.{i + 1}.bias"] = ours[f"mapping.fc{i}.bias"]
    convs = [f"synthesis.b{side}.{conv}" for side in generator.synthesis.sides for conv in ("conv0", "conv1")][1:]
    for k, source in enumerate(convs):
        name = "conv1" if k == 0 else f"convs.{k - 1}"
        modulated(name, source)
        state[f"{name}.activate.bias"] = ours[f"{source}.bias"]
        state[f"{name}.noise.weight"] = ours[f"{source}.noise_strength"][None]
        state[f"noises.noise_{k}"] = ours[f"{source}.noise_const"][None, None]
        if source.endswith("conv0"):
            state[f"{name}.conv.blur.kernel"] = kernel
    for i, side in enumerate(generator.synthesis.sides):
        name = "to_rgb1" if i == 0 else f"to_rgbs.{i - 1}"
        modulated(name, f"synthesis.b{side}.torgb")
        state[f"{name}.bias"] = ours[f"synthesis.b{side}.torgb.bias"][None, :, None, None]
    return state


# --- NVIDIA's TensorFlow layout ---------------------------------------------------------------------------------------


class Network:
    """Stands in for dnnlib.tflib.network.Network while a reference file is changed."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def rename(self, old: str, new: str) -> None:
        variables = self.__dict__["variables"]
        variables[:] = [(new if name == old else name, value) for name, value in variables]


class _OwnFileUnpickler(pickle.Unpickler):
    """Only for the files beside these tests, which we made."""

    def find_class(self, module: str, name: str) -> Any:
        return Network if name == "Network" else super().find_class(module, name)


def tf_network(path: Path) -> Any:
    """Gs of a TensorFlow reference file, as an object whose `static_kwargs` and `components` can be changed."""
    with path.open("rb") as file:
        return _OwnFileUnpickler(file).load()[2]


def tf_pickle(path: Path, network: Any, *, protocol: int = 4) -> Path:
    """Write (None, None, network) as TensorFlow's StyleGAN2 would."""
    names = ["dnnlib", "dnnlib.tflib", "dnnlib.tflib.network"]
    modules = {name: ModuleType(name) for name in names}
    modules["dnnlib.tflib.network"].Network = Network  # type: ignore[attr-defined]
    Network.__module__ = "dnnlib.tflib.network"
    sys.modules.update(modules)
    try:
        path.write_bytes(pickle.dumps((None, None, network), protocol=protocol))
    finally:
        Network.__module__ = __name__
        for name in names:
            del sys.modules[name]
    return path
