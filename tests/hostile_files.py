"""Pickles, archives and safetensors as nobody honest writes them, put together from single instructions."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from checkpoint_files import pickle_global, pickle_text
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint

Refusal = (CorruptCheckpoint, UnsupportedCheckpoint)
Corpus = dict[str, tuple[bytes, str]]  # name -> file, and a pattern for what its refusal has to name
PROTO = b"\x80\x04"
LAUGHS = b")q\x00" + b"0h\x00h\x00\x86q\x00" * 60  # a tuple of two of the tuple before, sixty times


def value(plain: Any) -> bytes:
    """Instructions that push a plain Python value."""
    return pickle.dumps(plain, protocol=3)[2:-1]


def call(qualified: str, *arguments: bytes) -> bytes:
    """Instructions that call a global with arguments given as instructions."""
    return pickle_global(*qualified.rsplit(".", 1)) + b"(" + b"".join(arguments) + b"tR"


def table(**entries: bytes) -> bytes:
    """Instructions that push a dict."""
    return b"}(" + b"".join(pickle_text(key) + entry for key, entry in entries.items()) + b"u"


def everywhere(entry: bytes) -> bytes:
    """A pickle with `entry` at all the places where readers look for a generator."""
    names = ("G_ema", "g_ema", "state_dict", "latent_avg", "args", "params_ema", "generator_ema", "opts", "G", "g")
    return PROTO + table(**dict.fromkeys(names, entry)) + b"."


def storage(numel: int, kind: str = "torch.FloatStorage", key: str = "0") -> bytes:
    """Instructions that push a torch storage."""
    pid = value("storage"), pickle_global(*kind.rsplit(".", 1)), value(key), value("cpu"), value(numel)
    return b"(" + b"".join(pid) + b"tQ"


def tensor(held: bytes, offset: Any, size: Any, stride: Any) -> bytes:
    arguments = held, value(offset), value(size), value(stride), value(False), value({})
    return call("torch._utils._rebuild_tensor_v2", *arguments)


def ndarray(shape: Any, data: bytes, *, code: str = "f4", state: Any = (3, "<", None, None, None, -1, -1, 0)) -> bytes:
    """Instructions that push a numpy array as numpy's own pickling does."""
    dtype = call("numpy.dtype", value(code), value(False), value(True)) + value(state) + b"b"
    made = call("numpy.core.multiarray._reconstruct", pickle_global("numpy", "ndarray"), value((0,)), value(b"b"))
    return made + b"(" + value(1) + value(shape) + dtype + value(False) + value(data) + b"tb"


def network(**variables: bytes) -> bytes:
    """A TensorFlow pickle whose averaged generator's mapping network has these variables."""

    def record(names: Mapping[str, bytes], **parts: bytes) -> bytes:
        pairs = b"".join(pickle_text(name) + array + b"\x86" for name, array in names.items())
        state = table(version=value(4), variables=b"](" + pairs + b"e", static_kwargs=b"}", components=table(**parts))
        return pickle_global("dnnlib.tflib.network", "Network") + b")\x81" + state + b"b"

    named = {name.replace("__", "/"): array for name, array in variables.items()}
    return PROTO + b"NN" + record({}, mapping=record(named), synthesis=record(named)) + b"\x87."


def legacy(program: bytes, *, keys: bytes = b"]", data: bytes = b"", magic: int = 0x1950A86A20F9469CFC6C) -> bytes:
    """torch's legacy container around a value given as instructions."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(part, protocol=2) for part in (magic, 1001, system))
    return head + b"\x80\x02" + program + b".\x80\x02" + keys + b"." + data


def nested(container: bytes) -> bytes:
    """Instructions that push the storage in a legacy container, as NVIDIA's pickles do."""
    return call("torch.storage._load_from_bytes", value(container))


def torch_zip(program: bytes, parts: Mapping[str, bytes] = {}, *, compression: int = zipfile.ZIP_STORED) -> bytes:
    """torch's zip container around a value given as instructions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + program + b".")
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(content: Any, *, zipped: bool = True) -> bytes:
    """What torch writes for `content`."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def patched(data: bytes, find: bytes, offset: int, replacement: bytes, *, last: bool = False) -> bytes:
    """`data` with the bytes `offset` after the first (or last) `find` replaced."""
    at = (data.rindex(find) if last else data.index(find)) + offset
    return data[:at] + replacement + data[at + len(replacement) :]


def safetensors(header: Any, data: bytes = b"") -> bytes:
    """A safetensors file; `header` is the JSON or what becomes it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
