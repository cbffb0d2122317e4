"""Tensors in PyTorch's .pt files without torch and without executing anything.

A .pt file (torch.save since 1.6) is a zip: `data.pkl` describes the object, `data/0`, `data/1`, ... hold the
numbers. The description is read by the same allow-listing unpickler as checkpoints, with a shorter list: all that
torch.save needs for tensors in dicts and lists. That is also what keeps this small enough for the front process.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from latentlayers.checkpoints.pickles.archive import Archive
from latentlayers.checkpoints.pickles.limits import Stream
from latentlayers.checkpoints.pickles.unpickler import Allowed, Global, Unpickler
from latentlayers.checkpoints.refusals import corrupt, decoding
from latentlayers.errors import CorruptCheckpoint, InvalidInput, UnsupportedCheckpoint
from latentlayers.library.arrays import Float, FloatArray, damaged

_FLOAT_STORAGES: dict[str, Float] = {"torch.HalfStorage": "f2", "torch.FloatStorage": "f4", "torch.DoubleStorage": "f8"}
_OTHER_STORAGES = [f"torch.{kind}Storage" for kind in ("BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")]


@dataclass(frozen=True)
class OtherTensor:
    """A tensor that is not floating point, or that this reader cannot hold; says which."""

    kind: str


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str


def is_pt(names: list[str]) -> bool:
    """Whether a zip with these members is a .pt file."""
    return any(name.endswith("/data.pkl") for name in names)


def read_pt(data: bytes) -> Any:
    """The object in a .pt file, made of dicts, lists, tuples, texts, numbers, None, `FloatArray` and `OtherTensor`.

    Raises:
        InvalidInput: FILE_CORRUPT; FORMAT_UNSUPPORTED if the file holds anything else, which it names.
    """
    try:
        with decoding():
            return _read(Archive(io.BytesIO(data), len(data)))
    except CorruptCheckpoint as error:
        raise damaged(f"it is not a whole PyTorch file ({error.message})") from None
    except UnsupportedCheckpoint as error:
        raise InvalidInput(
            error.reason,
            f"The PyTorch file holds more than tensors, and none of it was executed. {error.message}",
            "Save the latent tensor alone with torch.save, or as .npz.",
        ) from None


def _read(archive: Archive) -> Any:
    folder = next(name.removesuffix("data.pkl") for name in archive.names if name.endswith("/data.pkl"))
    big_endian = f"{folder}byteorder" in archive.names and archive.read(f"{folder}byteorder") == b"big"
    contents: dict[str, bytes] = {}

    def storage(pid: Any) -> _Storage:
        match pid:
            case ("storage", Global(kind), str(key), str(), int()):
                return _Storage(kind, key)
        raise corrupt("a tensor's storage is not described as torch does")

    def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> FloatArray | OtherTensor:
        if not isinstance(storage, _Storage) or type(shape) is not tuple or type(strides) is not tuple:
            raise corrupt("a tensor is not described as torch does")
        if any(type(number) is not int for number in (offset, *shape, *strides)):
            raise corrupt("a tensor's shape is not made of whole numbers")
        if storage.kind not in _FLOAT_STORAGES:
            return OtherTensor(storage.kind)
        if storage.key not in contents:
            contents[storage.key] = bytes(archive.read(f"{folder}data/{storage.key}"))
        return FloatArray(contents[storage.key], _FLOAT_STORAGES[storage.kind], shape, strides, offset, big_endian)

    allowed: Allowed = {
        **dict.fromkeys([*_FLOAT_STORAGES, *_OTHER_STORAGES]),
        "collections.OrderedDict": dict,
        "torch._utils._rebuild_parameter": lambda data, *_: data,
        "torch._utils._rebuild_tensor_v2": tensor,
    }
    program = archive.read(f"{folder}data.pkl")
    return Unpickler(Stream(io.BytesIO(program), len(program)), allowed, persistent=storage).load()
