"""What the names in checkpoint pickles stand for: arrays, tensors and records that only hold data.

`ALLOWED` is the complete list of globals that a checkpoint may name. Arrays and tensors stay as bytes and sizes until
`load()` is called for one that is wanted; every size is checked against the bytes that are there.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from latentlayers.checkpoints.limits import Stream
from latentlayers.checkpoints.unpickler import Allowed, Global, Unpickler, plain_key

STORAGE_DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
NUMPY_DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
MAX_SCALAR_BYTES = 8
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


@runtime_checkable
class Lazy(Protocol):
    """An array still in the file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def load(self) -> Tensor:
        """Its numbers, as a tensor on the CPU in the file's dtype."""
        ...


@dataclass(eq=False)
class Record:
    """An object of the file: its class or maker, the arguments it was made with, and its state."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None

    def set_state(self, state: Any) -> None:
        self.state = state


def record(name: str) -> Callable[..., Record]:
    return lambda *arguments: Record(name, arguments)


# --- torch ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Storage:
    """A flat run of `numel` numbers; `read()` returns its bytes. Read once, however many tensors view it."""

    dtype: torch.dtype
    numel: int
    read: Callable[[], bytes]

    @cached_property
    def numbers(self) -> Tensor:
        data = self.read()
        if len(data) != self.numel * self.dtype.itemsize:
            raise ValueError(f"a tensor has {len(data)} bytes for {self.numel} numbers")
        return torch.frombuffer(bytearray(data), dtype=self.dtype) if data else torch.empty(0, dtype=self.dtype)


@dataclass(eq=False)
class TorchArray:
    """A view into a `Storage`."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def load(self) -> Tensor:
        return self.storage.numbers.as_strided(self.shape, self.stride, self.offset)


def sizes(value: Any) -> tuple[int, ...]:
    """`value` if it is a tuple of at most 8 sizes."""
    if type(value) is not tuple or len(value) > 8 or not all(type(n) is int and 0 <= n < 1 << 40 for n in value):
        raise ValueError("an array's shape is not a tuple of sizes")
    return value


def storage_of(pid: Any, read: Callable[[str, int], Callable[[], bytes]]) -> Storage:
    """The storage that a torch persistent id names; `read(key, bytes)` says how to get its bytes."""
    match pid:
        case ("storage", Global(kind), str(key), str(_), int(numel), *view) if kind in STORAGE_DTYPES:
            if type(numel) is int and numel >= 0 and view in ([], [None]):
                dtype = STORAGE_DTYPES[kind]
                return Storage(dtype, numel, read(key, numel * dtype.itemsize))
    raise ValueError("a tensor's storage is not described as torch does")


def rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> TorchArray:
    """`torch._utils._rebuild_tensor(_v2)`."""
    shape, steps = sizes(size), sizes(stride)
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0 or len(shape) != len(steps):
        raise ValueError("a tensor is not described as torch does")
    # More elements than the storage holds would be an expanded view, which could claim any size.
    elements: int = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if elements > storage.numel or (elements and last >= storage.numel):
        raise ValueError(f"a tensor of shape {list(shape)} does not fit its storage of {storage.numel}")
    return TorchArray(storage, offset, shape, steps)


def rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def load_from_bytes(data: Any) -> Any:
    """`torch.storage._load_from_bytes`: a storage in torch's legacy container, inside a pickle."""
    if not isinstance(data, bytes):
        raise ValueError("a nested storage is not bytes")
    return read_legacy(Stream(io.BytesIO(data), len(data)), STORAGE_NAMES)


def read_legacy(stream: Stream, allowed: Allowed) -> Any:
    """The value in torch's legacy container: magic, version, platform, value, then the storages one after another.

    The storages stay in the stream until they are loaded.
    """
    begins: dict[str, int] = {}
    wanted: dict[str, Storage] = {}

    def read(key: str, size: int) -> Callable[[], bytes]:
        return lambda: stream.read_at(begins[key], size)

    def persistent(pid: Any) -> Storage:
        storage = storage_of(pid, read)
        return wanted.setdefault(pid[2], storage)

    unpickler = Unpickler(stream, allowed, persistent=persistent)
    magic, protocol, platform = unpickler.load(), unpickler.load(), unpickler.load()
    if magic != LEGACY_MAGIC or protocol != LEGACY_PROTOCOL:
        raise ValueError("it lacks the magic number of torch.save")
    if type(platform) is not dict or platform.get("little_endian") is not True:
        raise ValueError("its numbers are not little-endian")
    value, keys = unpickler.load(), unpickler.load()
    if type(keys) is not list or set(map(plain_key, keys)) != set(wanted):
        raise ValueError("its list of storages does not match its contents")
    for key in keys:
        storage = wanted[key]
        if int.from_bytes(stream.read(8), "little") != storage.numel:
            raise ValueError("a storage has another length than announced")
        begins[key] = stream.skip(storage.numel * storage.dtype.itemsize)
    return value


# --- numpy ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class DType:
    code: str
    order: str = "<"

    def set_state(self, state: Any) -> None:
        match state:
            case (int(_), "<" | ">" | "|" as order, None, *_):
                self.order = order
            case _:
                raise ValueError("a numpy dtype is not a plain number")

    def decode(self, data: Any) -> np.ndarray[Any, Any]:
        if isinstance(data, str):  # Python 2 wrote bytes as text
            data = data.encode("latin-1")
        return np.frombuffer(data, np.dtype(self.order + self.code))


@dataclass(eq=False)
class NumpyArray:
    shape: tuple[int, ...] = (0,)
    dtype: DType = field(default_factory=lambda: DType("f4"))
    fortran: bool = False
    data: bytes | str = b""

    def set_state(self, state: Any) -> None:
        match state:
            case (int(_), tuple(shape), DType() as dtype, bool(fortran), (bytes() | str()) as data):
                self.shape, self.dtype, self.fortran, self.data = sizes(shape), dtype, fortran, data
            case _:
                raise ValueError("a numpy array is not made of plain numbers")

    def load(self) -> Tensor:
        array = self.dtype.decode(self.data).reshape(self.shape, order="F" if self.fortran else "C")
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))


def dtype(code: Any, *_: Any) -> DType:
    if not isinstance(code, str) or code not in NUMPY_DTYPES:
        raise ValueError("a numpy dtype is not a plain number")
    return DType(code)


def empty_array(*_: Any) -> NumpyArray:
    """`numpy.core.multiarray._reconstruct`: its state follows."""
    return NumpyArray()


def scalar(kind: Any, data: Any) -> int | float | bool:
    if not isinstance(kind, DType) or len(data) > MAX_SCALAR_BYTES:
        raise ValueError("a numpy scalar is not a plain number")
    (value,) = kind.decode(data).tolist()
    return value  # type: ignore[no-any-return]


# --- the list ------------------------------------------------------------------------------------------------------


def ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    return {plain_key(key): value for key, value in pairs}


def plain_set(items: Any = ()) -> set[Any]:
    return {plain_key(item) for item in items}


def encode(text: Any, encoding: Any) -> bytes:
    """`_codecs.encode`: how protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes are not encoded as Python does")
    return text.encode("latin-1")


MODULE = "torch_utils.persistence._reconstruct_persistent_obj"
NETWORK = "dnnlib.tflib.network.Network"
STORAGE_NAMES: Allowed = dict.fromkeys(STORAGE_DTYPES)
TORCH: Allowed = {
    **STORAGE_NAMES,
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": rebuild_parameter,
    "collections.OrderedDict": ordered_dict,
}
ALLOWED: Allowed = {
    **TORCH,
    "torch.storage._load_from_bytes": load_from_bytes,
    "builtins.set": plain_set,
    "__builtin__.set": plain_set,
    "_codecs.encode": encode,
    "argparse.Namespace": record("argparse.Namespace"),
    "dnnlib.util.EasyDict": ordered_dict,
    MODULE: record(MODULE),
    NETWORK: record(NETWORK),
    "numpy.dtype": dtype,
    "numpy.ndarray": None,
    "numpy.core.multiarray.scalar": scalar,
    "numpy._core.multiarray.scalar": scalar,
    "numpy.core.multiarray._reconstruct": empty_array,
    "numpy._core.multiarray._reconstruct": empty_array,
}
