"""What the names in checkpoint pickles stand for: arrays, tensors and records that only hold data.

`ALLOWED` is the complete list of globals that a checkpoint may name. Arrays and tensors stay as bytes and sizes until
`load()` is called for one that is wanted; every size is checked against the bytes that are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from latentlayers.checkpoints.pickles.limits import Blob, Stream
from latentlayers.checkpoints.pickles.unpickler import Allowed, Global, Unpickler, forbidden, plain_key
from latentlayers.checkpoints.refusals import corrupt, shown, unsupported

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
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001


@runtime_checkable
class Lazy(Protocol):
    """An array still in the file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def itemsize(self) -> int:
        """Bytes of each of its numbers, in the file."""
        ...

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
    """A flat run of `numel` numbers; `read()` returns its bytes.

    Attributes:
        views: how many tensors view it that were not loaded yet.
    """

    dtype: torch.dtype
    numel: int
    read: Callable[[], bytearray]
    views: int = 0
    _kept: Tensor | None = None
    _reads: int = 0

    def numbers(self) -> Tensor:
        """All of them, for one of the views.

        They are let go of when every view was loaded, so that a file is not in memory beside the network made of it;
        but not twice, however often a file makes us load the same view.
        """
        numbers = self._kept
        if numbers is None:
            data = self.read()
            numbers = torch.frombuffer(data, dtype=self.dtype) if data else torch.empty(0, dtype=self.dtype)
            self._reads += 1
        self.views -= 1
        self._kept = numbers if self.views > 0 or self._reads > 1 else None
        return numbers


class Storages:
    """The storages that a torch pickle refers to, each made once; called with the persistent ids that name them.

    Args:
        find: from a storage's key and its size in bytes, how to read it.
    """

    def __init__(self, find: Callable[[str, int], Callable[[], bytearray]]) -> None:
        self._find = find
        self.by_key: dict[str, Storage] = {}

    def __call__(self, pid: Any) -> Storage:
        match pid:
            case ("storage", Global(kind), str(key), str(_), int(numel), *view) if kind in STORAGE_DTYPES:
                if type(numel) is int and numel >= 0 and view in ([], [None]):
                    return self._named(key, STORAGE_DTYPES[kind], numel)
        raise corrupt("a tensor's storage is not described as torch does")

    def _named(self, key: str, dtype: torch.dtype, numel: int) -> Storage:
        if key not in self.by_key:
            self.by_key[key] = Storage(dtype, numel, self._find(key, numel * dtype.itemsize))
        storage = self.by_key[key]
        if (storage.dtype, storage.numel) != (dtype, numel):
            raise corrupt(f"its storage {key:.100} is described in two ways")
        return storage


@dataclass(eq=False)
class TorchArray:
    """A view into a `Storage`."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        return self.storage.dtype.itemsize

    def load(self) -> Tensor:
        return self.storage.numbers().as_strided(self.shape, self.stride, self.offset)


def sizes(value: Any) -> tuple[int, ...]:
    """`value` if it is a tuple of at most 8 sizes."""
    if type(value) is not tuple or len(value) > 8 or not all(type(n) is int and 0 <= n < 1 << 40 for n in value):
        raise corrupt("an array's shape is not a tuple of sizes")
    return value


def rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> TorchArray:
    """`torch._utils._rebuild_tensor(_v2)`."""
    shape, steps = sizes(size), sizes(stride)
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0 or len(shape) != len(steps):
        raise corrupt("a tensor is not described as torch does")
    # More elements than the storage holds would be an expanded view, which could claim any size.
    elements: int = math.prod(shape)
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if elements > storage.numel or (elements and last >= storage.numel):
        raise corrupt(f"a tensor of shape {list(shape)} does not fit its storage of {storage.numel}")
    storage.views += 1
    return TorchArray(storage, offset, shape, steps)


def rebuild_parameter(data: Any, *_: Any) -> Any:
    return data


def load_from_bytes(data: Any) -> Any:
    """`torch.storage._load_from_bytes`: a storage in torch's legacy container, inside a pickle."""
    if not isinstance(data, Blob):
        raise corrupt("a nested storage is not bytes")
    return read_legacy(data.stream(), STORAGE_NAMES)


def read_legacy(stream: Stream, allowed: Allowed) -> Any:
    """The value in torch's legacy container: magic, version, platform, value, then the storages one after another.

    The storages stay in the file until they are loaded.
    """
    blobs: dict[str, Blob] = {}
    storages = Storages(lambda key, _: lambda: blobs[key].read())
    unpickler = Unpickler(stream, allowed, persistent=storages)
    magic, protocol, platform = unpickler.load(), unpickler.load(), unpickler.load()
    if magic != LEGACY_MAGIC or protocol != LEGACY_PROTOCOL:
        raise corrupt("it lacks the magic number of torch.save")
    if type(platform) is not dict or platform.get("little_endian") is not True:
        raise unsupported("its numbers are not little-endian")
    value, keys = unpickler.load(), unpickler.load()
    if type(keys) is not list or set(map(plain_key, keys)) != storages.by_key.keys():
        raise corrupt("its list of storages does not match its contents")
    for key in keys:
        storage = storages.by_key[key]
        if int.from_bytes(stream.read(8), "little") != storage.numel:
            raise corrupt("a storage has another length than announced")
        blobs[key] = stream.take(storage.numel * storage.dtype.itemsize)
    return value


# --- numpy ---------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class DType:
    code: str
    order: str = "<"

    def set_state(self, state: Any) -> None:
        match state:
            case (int(_), "<" | ">" | "|" as order, None, None, None, *_):
                self.order = order
            case _:
                raise corrupt("a numpy dtype is not a plain number")

    @property
    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


@dataclass(eq=False)
class NumpyArray:
    shape: tuple[int, ...] = (0,)
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype("f4"))
    fortran: bool = False
    data: Blob | str = ""

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def set_state(self, state: Any) -> None:
        match state:
            case (int(_), tuple(shape), DType() as dtype, bool(fortran), (Blob() | str()) as data):
                self.shape, self.dtype, self.fortran, self.data = sizes(shape), dtype.numpy, fortran, data
            case _:
                raise corrupt("a numpy array is not made of plain numbers")
        if math.prod(self.shape) * self.dtype.itemsize != len(self.data):
            raise corrupt(f"an array of shape {list(self.shape)} has {len(self.data)} bytes")

    def load(self) -> Tensor:
        array = numbers(self.data, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")
        return torch.from_numpy(np.require(array, self.dtype.newbyteorder("="), ["C", "W"]))


def numbers(data: Blob | str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The array in `data`, [n]; Python 2 wrote bytes as text."""
    return np.frombuffer(data.encode("latin-1") if isinstance(data, str) else data.read(), dtype)


def dtype(code: Any, *_: Any) -> DType:
    if type(code) is not str or code not in NUMPY_DTYPES:
        raise corrupt(f"a numpy dtype is {shown(code)}, not a plain number")
    return DType(code)


def empty_array(*_: Any) -> NumpyArray:
    """`numpy.core.multiarray._reconstruct`: its state follows."""
    return NumpyArray()


def from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> NumpyArray:
    """`numpy.core.numeric._frombuffer`: how protocol 5, Python 3.8's highest, writes whole arrays."""
    if not isinstance(kind, DType) or order not in ("C", "F"):
        raise corrupt("a numpy array is not made of plain numbers")
    array = NumpyArray()
    array.set_state((1, shape, kind, order == "F", data))
    return array


def scalar(kind: Any, data: Any) -> int | float | bool:
    if not isinstance(kind, DType) or not isinstance(data, (Blob, str)) or len(data) != kind.numpy.itemsize:
        raise corrupt("a numpy scalar is not a plain number")
    return numbers(data, kind.numpy).item()  # type: ignore[no-any-return]


# --- the list ------------------------------------------------------------------------------------------------------


def ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    return {plain_key(key): value for key, value in pairs}


def plain_set(items: Any = ()) -> set[Any]:
    return {plain_key(item) for item in items}


def encode(text: Any, encoding: Any) -> bytes:
    """`_codecs.encode`: how protocol 2 writes bytes."""
    if type(text) is not str or encoding != "latin1":
        raise corrupt("bytes are not encoded as Python does")
    return text.encode("latin-1")


HISTORY = "mmengine.logging.history_buffer.HistoryBuffer"


def history_method(owner: Any, name: Any) -> Record:
    """`getattr` as protocol 2 names a method; OpenMMLab's logs keep those of `HISTORY`, and nothing else may ask."""
    if owner != Global(HISTORY) or type(name) is not str:
        raise forbidden(f"builtins.getattr({shown(owner)}, {shown(name)})")
    return Record(HISTORY, (name,))


# What stands among a training's settings and logs, beside the weights; of no use here.
SETTINGS: Allowed = {
    "torch.device": record("torch.device"),
    "torch.Size": lambda sizes=(): sizes,
    **dict.fromkeys(map(str, STORAGE_DTYPES.values())),
    "collections.defaultdict": lambda *_: {},
    **{f"builtins.{kind}": None for kind in ("list", "dict", "int", "float")},
    **{f"__builtin__.{kind}": None for kind in ("list", "dict", "int", "float")},
    HISTORY: record(HISTORY),
    "__builtin__.getattr": history_method,
    "builtins.getattr": history_method,
    **{f"pathlib.{kind}": record(f"pathlib.{kind}") for kind in ("Path", "PosixPath", "PurePosixPath", "WindowsPath")},
}

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
    "numpy.core.numeric._frombuffer": from_buffer,
    "numpy._core.numeric._frombuffer": from_buffer,
    **SETTINGS,
}
