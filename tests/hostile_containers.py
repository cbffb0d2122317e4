"""Arrays and containers that lie: shapes, types, sizes, places, names."""

from __future__ import annotations

import random
import struct
import zipfile
from typing import Any

import torch
from checkpoint_files import reference_file, rosinality_state, small_generator
from hostile_files import (
    PROTO,
    Corpus,
    call,
    legacy,
    ndarray,
    nested,
    network,
    patched,
    safetensors,
    saved,
    storage,
    table,
    tensor,
    torch_zip,
    value,
)


def false_arrays() -> Corpus:
    """Arrays that are not what they say."""
    huge = 1 << 39
    shapes: dict[str, Any] = {
        "huge": (huge, huge),
        "overflowing": (1 << 63, 2),
        "wrapping to nothing": (1 << 32, 1 << 32),
        "negative": (-1,),
        "twice negative": (-2, -2),
        "boolean": (True, 4),
        "fractional": (2.0, 2),
        "a list": [4],
        "of nine axes": (1,) * 9,
        "another": (5,),
    }
    sixteen = {"archive/data/0": bytes(16)}
    corpus: Corpus = {}
    for name, shape in shapes.items():
        corpus[f"numpy array of shape {name}"] = PROTO + ndarray(shape, bytes(16)) + b".", "array"
        view = tensor(storage(4), 0, shape, tuple(1 for _ in shape))
        corpus[f"tensor of shape {name}"] = torch_zip(view, sixteen), "shape|tensor"
    views = {
        "negative stride": (0, (2,), (-1,)),
        "huge stride": (0, (2,), (huge,)),
        "wrapping stride": (0, (2,), (1 << 64,)),
        "negative offset": (-1, (2,), (1,)),
        "huge offset": (huge, (1,), (1,)),
        "fewer strides than axes": (0, (2, 2), (1,)),
        "one number a million times": (0, (1_000_000,), (0,)),
    }
    for name, view in views.items():
        corpus[f"tensor with {name}"] = torch_zip(tensor(storage(4), *view), sixteen), "shape|tensor"
    storages = {
        "huge": storage(huge),
        "negative": storage(-4),
        "boolean": storage(True),
        "longer than its part": storage(5),
        "shorter than its part": storage(3),
        "nowhere": storage(4, key="1"),
        "outside": storage(4, key="../../../etc/passwd"),
        "of objects": storage(4, kind="collections.OrderedDict"),
    }
    for name, held in storages.items():
        corpus[f"storage {name}"] = torch_zip(tensor(held, 0, (1,), (1,)), sixteen), "storage|tensor|part"
    two = table(a=tensor(storage(4), 0, (1,), (1,)), b=tensor(storage(2, "torch.DoubleStorage"), 0, (1,), (1,)))
    corpus["storage described in two ways"] = torch_zip(two, sixteen), "two ways"
    for code in ("O8", "V8", "S4", "U1", "M8", "c8", "f16", "f4,f4", "object", "i4\x00", "(1000000,)f4"):
        corpus[f"numpy dtype {code[:12]!r}".replace("\\", "").replace("/", "")] = (
            PROTO + ndarray((4,), bytes(16), code=code) + b".",
            "dtype",
        )
    states: dict[str, Any] = {
        "structured": (3, "|", None, ("a",), {"a": (None, 0)}, 4, 1, 0),
        "with a subarray": (3, "<", (None, (4,)), None, None, -1, -1, 0),
        "with another order": (3, "=", None, None, None, -1, -1, 0),
        "a text": "x",
    }
    for name, state in states.items():
        corpus[f"numpy dtype {name}"] = PROTO + ndarray((4,), bytes(16), state=state) + b".", "dtype"
    lying = (3, "<", None, None, None, 1 << 40, 1 << 20, 0)
    corpus["numpy dtype with a lying item size"] = PROTO + ndarray((8,), bytes(16), state=lying) + b".", "16 bytes"
    corpus["numpy array of bytes too few"] = PROTO + ndarray((4,), bytes(15)) + b".", "15 bytes"
    corpus["numpy scalar of eight megabytes"] = (
        PROTO + call("numpy.core.multiarray.scalar", call("numpy.dtype", value("f4")), value(bytes(1 << 23))) + b".",
        "scalar",
    )
    view = table(**{f"k{i}": tensor(storage(4), 0, (4,), (1,)) for i in range(3000)})
    corpus["three thousand views of one storage"] = torch_zip(table(g_ema=view), sixteen), ""
    state = rosinality_state(small_generator()) | {"convs.0.conv.blur.kernel": torch.zeros(100_000, 1)}
    corpus["a filter whose product takes eighty gigabytes"] = saved({"g_ema": state}), "is a filter of"
    dense = ndarray((512, 512), bytes(1 << 20))
    shared = {f"Dense{i}__weight": b"h\x63" for i in range(1, 5000)}
    corpus["five thousand uses of one array"] = network(Dense0__weight=dense + b"q\x63", **shared), ""
    return corpus


def false_containers() -> Corpus:
    """Archives, legacy files and safetensors that lie about their parts."""
    good = reference_file("ros_16_conv").read_bytes()
    honest = torch_zip(table(g_ema=b"}"), {"archive/data/0": bytes(64), "archive/data/1": bytes(64)})
    entry, local, end = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
    duplicated = torch_zip(b"N", {"archive/data/0": b"a", "archive/data/1": b"b"}).replace(b"data/1", b"data/0")
    floats = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}

    def one(**changes: Any) -> bytes:
        return safetensors({"a": floats | changes}, bytes(8))

    corpus: Corpus = {
        "zip without data.pkl": (torch_zip(b"N").replace(b"data.pkl", b"data.txt"), "not one that torch.save wrote"),
        "zip with two data.pkl": (torch_zip(b"N", {"other/data.pkl": b"N."}), "not one that torch.save wrote"),
        "zip with a deflated program": (
            torch_zip(b"N" + b"0N" * 99_999, compression=zipfile.ZIP_DEFLATED),
            "not stored",
        ),
        "zip bomb": (torch_zip(b"N", {"archive/data/0": bytes(50 << 20)}, compression=zipfile.ZIP_BZIP2), "not stored"),
        "zip that leads upwards": (torch_zip(b"N", {"archive/../../evil": b"x"}), "leads out"),
        "zip that leads upwards on Windows": (torch_zip(b"N", {"archive\\..\\..\\evil": b"x"}), "leads out"),
        "zip with an absolute name": (torch_zip(b"N", {"/etc/passwd": b"x"}), "leads out"),
        "zip with one name twice": (duplicated, "same name"),
        "zip with two parts at one place": (
            patched(honest, entry, 42, struct.pack("<I", 0), last=True),
            "same name or place",
        ),
        "zip with overlapping parts": (patched(honest, entry, 24, struct.pack("<I", 60), last=False), "data.pkl|early"),
        "zip with a lying size in front": (patched(honest, local, 22, struct.pack("<I", 7)), "contradicts"),
        "zip with a lying packed size in front": (patched(honest, local, 18, struct.pack("<I", 7)), "contradicts"),
        "zip with a lying size in the directory": (patched(honest, entry, 24, struct.pack("<I", 7)), "contradicts"),
        "zip with a size of 4 GB": (patched(honest, entry, 20, b"\xfe\xff\xff\xff" * 2), "early|contradicts"),
        "zip with a lying zip64 size": (patched(honest, entry, 24, b"\xff\xff\xff\xff"), ""),
        "zip with an encrypted part": (patched(honest, entry, 8, b"\x01\x00"), "not stored"),
        "zip with a wrong checksum": (patched(honest, entry, 16, b"\x00\x00\x00\x00"), "checksum"),
        "zip with a part before the file": (patched(honest, entry, 42, b"\xff\xff\xff\x7f"), ""),
        "zip with a directory of 4 GB": (patched(honest, end, 12, b"\xff\xff\xff\x7f"), ""),
        "zip with a directory elsewhere": (patched(honest, end, 16, b"\xff\xff\xff\x7f"), ""),
        "zip with a false comment": (honest + end + bytes(18), ""),
        "zip with seventy thousand parts": (
            torch_zip(b"N", {f"archive/{i:060}": b"" for i in range(70_000)}),
            "directory has",
        ),
        "zip without its directory": (honest[: honest.index(entry)], ""),
        "zip of big-endian numbers": (torch_zip(b"N", {"archive/byteorder": b"big"}), "big-endian"),
        "legacy file with another magic number": (legacy(b"N", magic=0x1950A86A20F9469CFC6D), "no generator"),
        "nested container with another magic number": (PROTO + nested(legacy(b"N", magic=7)) + b".", "magic"),
        "nested container that is empty": (PROTO + nested(b"") + b".", "early"),
        "nested container that is a zip": (PROTO + nested(good) + b".", ""),
        "nested container of a text": (PROTO + call("torch.storage._load_from_bytes", value("x")) + b".", "not bytes"),
        "legacy storage that is not announced": (legacy(storage(1), data=bytes(12)), "list of storages"),
        "legacy storage that is not there": (legacy(b"N", keys=value(["0"]), data=bytes(12)), "list of storages"),
        "legacy storage announced twice": (
            legacy(storage(1), keys=value(["0", "0"]), data=bytes(24)),
            "list of storages|",
        ),
        "legacy storage of another length": (legacy(storage(1), keys=value(["0"]), data=bytes(12)), "another length"),
        "legacy storage of 2^39 numbers": (
            legacy(storage(1 << 39), keys=value(["0"]), data=struct.pack("<Q", 1 << 39)),
            "early",
        ),
        "safetensors with a header of 2^63 bytes": (b"\xff" * 7 + b"\x7f{}", "first bytes|claims a header"),
        "safetensors with a header longer than the file": (struct.pack("<Q", 9999) + b"{}", "claims a header"),
        "safetensors with a header of two megabytes": (safetensors(b"{" + b" " * (2 << 20) + b"}"), "claims a header"),
        "safetensors with an overlap": (
            safetensors({"a": floats, "b": floats | {"data_offsets": [4, 12]}}, bytes(12)),
            "data ends",
        ),
        "safetensors with a shared range": (safetensors({"a": floats, "b": floats}, bytes(8)), "data ends"),
        "safetensors with a gap": (one(data_offsets=[8, 16]), "data ends"),
        "safetensors with a range beyond its end": (one(shape=[4], data_offsets=[0, 16]), "data ends"),
        "safetensors with a negative range": (one(data_offsets=[8, 0]), "-8 bytes"),
        "safetensors with a range that overflows": (one(data_offsets=[2**64 - 8, 2**64]), "not a tensor"),
        "safetensors with a shape that overflows": (one(shape=[2**62, 4]), "not a tensor"),
        "safetensors with a shape that wraps": (one(shape=[2**32, 2**32, 2]), "bytes for shape"),
        "safetensors with a negative shape": (one(shape=[-1, -2]), "not a tensor"),
        "safetensors with a boolean shape": (one(shape=[True, 2]), "not a tensor"),
        "safetensors with a fractional shape": (one(shape=[2.0]), "not a tensor"),
        "safetensors with an unknown dtype": (one(dtype="F8_E9"), "not a tensor"),
        "safetensors with one key twice": (safetensors(b'{"a": {}, "a": {}}'), "occurs twice"),
        "safetensors with NaN": (safetensors(b'{"a": NaN}'), "NaN"),
        "safetensors with a number of nine thousand digits": (
            safetensors(b'{"a": ' + b"9" * 9000 + b"}"),
            "JSON|not a tensor",
        ),
        "safetensors nested without end": (safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "JSON"),
        "safetensors with a list": (safetensors(b"[]"), "not a JSON object|first bytes"),
        "safetensors without a header": (safetensors(b"  "), "JSON|first bytes"),
        "safetensors in another encoding": (safetensors(b'{"\xff\xfe": 1}'), "not a tensor"),
        "safetensors with weird names": (safetensors({"\x1b[2J\u202e\ud800": 1}), "not a tensor"),
        "safetensors of another program": (one(), "did not write|no generator"),
        "safetensors with a false description": (
            safetensors({"__metadata__": {"latentlayers": "x" * 99}, "a": floats}, bytes(8)),
            "JSON",
        ),
    }
    rng = random.Random(1)
    strangers = {
        "gzip": b"\x1f\x8b\x08\x00" + rng.randbytes(99),
        "PNG": b"\x89PNG\r\n\x1a\n" + rng.randbytes(99),
        "ELF": b"\x7fELF\x02\x01\x01" + rng.randbytes(99),
        "text": b"hello",
        "zeros": bytes(1 << 20),
        "one byte": b"\x80",
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(99),
    }
    corpus |= {f"{name} file": (data, "first bytes|early|header") for name, data in strangers.items()}
    for seed in range(8):
        corpus[f"random bytes {seed}"] = random.Random(seed).randbytes(4096), ""
    return corpus
