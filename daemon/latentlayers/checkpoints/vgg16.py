"""VGG16's convolution weights from a file that the user already has. They may not be shipped, so they are looked for.

Two foreign files are known: torchvision's `vgg16-397923af.pth` (a state_dict) and `vgg16.pt` of NVIDIA's metrics (a
TorchScript archive). Neither is executed: the first is read like any checkpoint, of the second only `data.pkl`, its
tree of attributes, with every class an inert record; its code is never looked at. What `models add` downloads is kept
as `OWN_NAME`, a tenth of the size.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from latentlayers.checkpoints import file_names
from latentlayers.checkpoints.header import read_layout
from latentlayers.checkpoints.native import read_tensors, write_model_file
from latentlayers.checkpoints.pickles.container import read_value
from latentlayers.checkpoints.pickles.inert import TORCH, Lazy, Record, record
from latentlayers.checkpoints.pickles.unpickler import Allowed
from latentlayers.checkpoints.readers.network import named_tensors
from latentlayers.checkpoints.refusals import corrupt, decoding, open_bounded, unsupported
from latentlayers.errors import NotFound

ENVIRONMENT = "LATENTLAYERS_VGG16"
FILE_NAMES, OWN_NAME = file_names.VGG16, file_names.VGG16_OWN
WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
SHAPES = [(out, into, 3, 3) for into, out in pairwise(WIDTHS)]
SCRIPT_CLASS = "__torch__."
ALLOWED: Allowed = {
    **TORCH,
    SCRIPT_CLASS: record(SCRIPT_CLASS),
    "torch.jit._pickle.build_intlist": list,
    "torch.jit._pickle.build_doublelist": list,
    "torch.jit._pickle.build_boollist": list,
    "torch.jit._pickle.build_tensorlist": list,
    "torch.jit._pickle.restore_type_tag": lambda value, _: value,
}


def find_vgg16(extra_dirs: Sequence[Path] = ()) -> Path | None:
    """Where VGG16 lies on this machine, or None.

    Looks at the environment variable LATENTLAYERS_VGG16 (a file or a folder), then in `extra_dirs`, torch hub's
    checkpoint folder and the download cache of NVIDIA's projects.

    Raises:
        NotFound: LATENTLAYERS_VGG16 names something that is not there.
    """
    folders = [*extra_dirs, Path(torch.hub.get_dir()) / "checkpoints"]
    folders.append(Path(os.environ.get("DNNLIB_CACHE_DIR") or Path.home() / ".cache" / "dnnlib") / "downloads")
    if named := os.environ.get(ENVIRONMENT):
        path = Path(named).expanduser()
        if path.is_file():
            return path
        if not path.is_dir():
            raise NotFound("VGG16_UNKNOWN", f"{ENVIRONMENT} names {path}, which is not there.", "Correct or unset it.")
        folders.insert(0, path)
    found = (path for folder in folders for name in FILE_NAMES for path in sorted(folder.glob(name)) if path.is_file())
    return next(found, None)


def load_vgg16(path: str | Path) -> list[tuple[Tensor, Tensor]]:
    """(weight [out, in, 3, 3], bias [out]) of conv1_1, conv1_2, ... conv5_3, float32 on the CPU.

    The weights expect what the file's network feeds its first convolution; for torchvision's that is RGB in [0, 1]
    normalised by mean (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225).

    Raises:
        NotFound: no such file. CorruptCheckpoint: damaged. UnsupportedCheckpoint: its 3x3 convolutions are not VGG16's.
    """
    with open_bounded(Path(path)) as (file, size), decoding():
        tensors: Mapping[str, Lazy | Tensor]
        if Path(path).name == OWN_NAME:
            tensors = dict(sorted(read_tensors(file, read_layout(file, size)).items()))
        else:
            tensors = named_tensors(read_value(file, size, ALLOWED, allowed_prefix=SCRIPT_CLASS), _parts)
        kernels = [name for name, tensor in tensors.items() if len(tensor.shape) == 4 and tensor.shape[2:] == (3, 3)]
        if [tuple(tensors[name].shape) for name in kernels] != SHAPES:
            raise unsupported(
                f"it has {len(kernels)} convolutions, which are not VGG16's",
                "Use torchvision's vgg16-397923af.pth or vgg16.pt of NVIDIA's metrics.",
            )
        return [_pair(tensors, name) for name in kernels]


def save_vgg16(path: Path, convolutions: Sequence[tuple[Tensor, Tensor]], metadata: Mapping[str, str]) -> None:
    """Keeps what `load_vgg16` returned; `path` must end in `OWN_NAME` to be read again.

    Args:
        metadata: what to remember about it, such as its licence.

    Raises:
        Exhausted: DISK_FULL. PreconditionFailed: the folder cannot be written to.
    """
    tensors: dict[str, Tensor] = {}
    for number, (weight, bias) in enumerate(convolutions, start=1):
        tensors |= {f"conv{number:02}.weight": weight, f"conv{number:02}.bias": bias}
    write_model_file(path, safetensors.torch.save(tensors, dict(metadata)))


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """Name and value of what a table or a TorchScript module holds; other values hold nothing of interest."""
    entries = value.state if isinstance(value, Record) else value
    return entries.items() if isinstance(entries, dict) else ()


def _pair(tensors: Mapping[str, Lazy | Tensor], name: str) -> tuple[Tensor, Tensor]:
    weight, bias = tensors[name], tensors.get(name.removesuffix("weight") + "bias")
    if bias is None or tuple(bias.shape) != tuple(weight.shape[:1]):
        raise corrupt(f"{name:.100} has no bias")
    pair = _loaded(weight), _loaded(bias)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in pair):
        raise corrupt(f"{name:.100} holds numbers that are not finite")
    return pair


def _loaded(tensor: Lazy | Tensor) -> Tensor:
    return (tensor if isinstance(tensor, Tensor) else tensor.load()).float().clone()
