"""Pickles that mean harm: they ask for code to be run, or for more time and memory than there is."""

from __future__ import annotations

import functools
import os
import pickle
import struct
from collections.abc import Callable
from typing import Any

from checkpoint_files import pickle_global, pickle_text
from hostile_files import (
    LAUGHS,
    PROTO,
    Corpus,
    call,
    everywhere,
    legacy,
    nested,
    saved,
    storage,
    table,
    torch_zip,
    value,
)


class Call:
    """Pickles as a call, which stock unpickling makes."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def attempts_to_run(mark: str) -> Corpus:
    """Files that would create the file `mark`, or do worse, if anything in them ran."""
    touch = f"touch {mark}"
    system = call("os.system", value(touch))
    names = {
        "builtins.eval": value(f"open({mark!r}, 'w')"),
        "builtins.exec": value(f"open({mark!r}, 'w')"),
        "builtins.getattr": value("text") + value("join"),
        "builtins.__import__": value("antigravity"),
        "copyreg._reconstructor": pickle_global("subprocess", "Popen") + pickle_global("builtins", "object") + b"N",
        "copyreg.__newobj__": pickle_global("subprocess", "Popen") + value(touch),
        "functools.partial": pickle_global("os", "system") + value(touch),
        "importlib.import_module": value("antigravity"),
        "io.open": value(mark) + value("w"),
        "numpy.load": value(mark),
        "operator.attrgetter": value("system"),
        "pickle.loads": value(b"cos\nsystem\n(tR."),
        "posix.system": value(touch),
        "runpy._run_code": value(touch),
        "shutil.rmtree": value(mark),
        "subprocess.Popen": value(["touch", mark]),
        "sys.settrace": b"N",
        "torch.hub.load": value(mark) + value("x"),
        "torch.load": value(mark),
        "torch.serialization.load": value(mark),
        "torch_utils.persistence._src_to_module": value("raise SystemExit"),
        "webbrowser.open": value("x"),
        "__main__.anything": b"",
        "collections.OrderedDict.fromkeys": b"",
        "torch._utils._rebuild_tensor.__globals__": b"",
        "torch._utils._rebu\u0456ld_tensor_v2": b"",  # the i is Cyrillic
        "torch._utils.\uff3frebuild_tensor_v2": b"",  # the first _ is full width
        "torch.FloatStorage ": b"",
        "numpy.dtype.__class__": b"",
    }
    corpus = {f"call of {name.strip()}": (PROTO + call(name, args) + b".", name) for name, args in names.items()}
    stacked = PROTO + pickle_text("os") + pickle_text("system") + b"\x93" + value(touch) + b"\x85R."
    popen = pickle_global("subprocess", "Popen") + value((touch,))
    foreign = "it asks for "
    return corpus | {
        "protocol 0 GLOBAL": (pickle_global("os", "system") + b"(" + pickle_text(touch) + b"tR.", "os.system"),
        "STACK_GLOBAL": (stacked, "os.system"),
        "STACK_GLOBAL walks attributes": (
            PROTO + pickle_text("torch._utils") + pickle_text("_rebuild_tensor_v2.__globals__") + b"\x93.",
            "__globals__",
        ),
        "STACK_GLOBAL of a number": (PROTO + value(1) + value("system") + b"\x93.", "other than text"),
        "STACK_GLOBAL through the memo": (
            PROTO + pickle_text("os") + b"\x940" + pickle_text("system") + b"\x940h\x00h\x01\x93.",
            "os.system",
        ),
        "INST": (b"(" + value(touch) + b"ios\nsystem\n.", "os.system"),
        "INST of an allowed name": (b"(icollections\nOrderedDict\n.", "INST"),
        "OBJ": (b"(" + pickle_global("collections", "OrderedDict") + b"o.", "OBJ"),
        "OBJ of a forbidden name": (b"(" + pickle_global("os", "system") + value(touch) + b"o.", "os.system"),
        "NEWOBJ": (PROTO + popen + b"\x81.", "subprocess.Popen"),
        "NEWOBJ_EX": (PROTO + pickle_global("collections", "OrderedDict") + b")}\x92.", "NEWOBJ_EX"),
        "EXT1": (b"\x80\x02\x82\x01.", "EXT1"),
        "EXT2": (b"\x80\x02\x83\x01\x00.", "EXT2"),
        "EXT4": (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        "PERSID": (PROTO + b"Pos.system\n.", "PERSID"),
        "BINPERSID": (PROTO + value("os.system") + b"Q.", "objects outside its pickle"),
        "NEXT_BUFFER": (b"\x80\x05\x97.", "NEXT_BUFFER"),
        "__reduce__": (pickle.dumps(Call(os.system, touch)), r"(posix|nt)\.system"),
        "__reduce__, protocol 0": (pickle.dumps(Call(os.system, touch), protocol=0), r"(posix|nt)\.system"),
        "__reduce__ of a partial": (pickle.dumps(functools.partial(os.system, touch)), foreign),
        "__setstate__ of a class": (PROTO + pickle_global("numpy", "ndarray") + b"}b.", "sets the state of a Global"),
        "__setstate__ of a foreign class": (PROTO + pickle_global("os", "environ") + b"}b.", "os.environ"),
        "__setstate__ of a text": (PROTO + value("x") + b"}b.", "sets the state of a str"),
        "__setstate__ of a dict's __class__": (PROTO + b"}" + table(__class__=system) + b"b.", "os.system"),
        "__setstate__ of a list": (PROTO + b"]}b.", "sets the state of a list"),
        "__setstate__ of a storage": (
            PROTO + nested(legacy(storage(0), keys=value(["0"]), data=bytes(8))) + b"}b.",
            "Storage",
        ),
        "getattr of an allowed name": (
            PROTO + call("builtins.getattr", pickle_global("torch", "device") + value("__init__")) + b".",
            r"builtins\.getattr",
        ),
        "call of a text": (PROTO + value("x") + b")R.", "calls something that is not a name"),
        "call of a class that is only a name": (PROTO + pickle_global("numpy", "ndarray") + b")R.", "numpy.ndarray"),
        "call without a tuple": (PROTO + pickle_global("collections", "OrderedDict") + b"]R.", "not a name"),
        "in a torch zip": (saved({"g_ema": Call(os.system, touch)}), r"(posix|nt)\.system"),
        "in a torch legacy file": (saved({"g_ema": Call(os.system, touch)}, zipped=False), r"(posix|nt)\.system"),
        "in the persistent id of a torch zip": (torch_zip(system + b"Q"), "os.system"),
        "in a legacy file's list of storages": (legacy(b"N", keys=system), "os.system"),
        "nested in a storage": (PROTO + nested(legacy(system)) + b".", "os.system"),
        "nested in a storage in a storage": (PROTO + nested(legacy(nested(legacy(system)))) + b".", "_load_from_bytes"),
        "nested in the file's third storage": (
            PROTO + b"(" + nested(legacy(b"N")) * 2 + nested(legacy(system)) + b"t.",
            "os.system",
        ),
        "a name with a terminal's escapes": (
            PROTO + value("os\x1b[2J\n\u202e") + value("x") + b"\x93.",
            r"os\\u001b\[2J",
        ),
        "a name with a lone surrogate": (PROTO + b"X\x05\x00\x00\x00os\xed\xa0\x80" + value("x") + b"\x93.", "os"),
        "a name of sixty thousand letters": (PROTO + b"c" + b"o" * 60_000 + b"\nx\n.", "it asks for oooo"),
    }


def copied(qualified: str, arguments: bytes) -> bytes:
    """A pickle that calls a global fifty thousand times with the same tuple of arguments."""
    name = pickle_global(*qualified.rsplit(".", 1))
    return PROTO + name + b"q\xfe0" + arguments + b"q\xff0](" + b"h\xfeh\xffR" * 50_000 + b"e."


def bombs() -> Corpus:
    """Files that would take for ever, or all memory."""
    same = "over and over"
    colliding = b"".join(b"\x8a\x14" + (i * (2**61 - 1)).to_bytes(20, "little") + b"N" for i in range(1, 50_000))
    big = b"B" + struct.pack("<I", 1 << 20) + bytes(1 << 20)
    container = legacy(storage(0), keys=value(["0"]), data=bytes(50_000))
    text = pickle_text("x" * 100_000) + value("latin1") + b"\x86"
    record = b"q\x000" + pickle_global("argparse", "Namespace") + b")Rh\x00b"
    many = b"".join(nested(legacy(b"N0" * 1000 + b"N")) for _ in range(300))
    return {
        "laughs as the answer": (PROTO + LAUGHS + b".", "no generator"),
        "laughs as every part": (everywhere(LAUGHS), ""),
        "laughs as a key": (PROTO + b"}" + LAUGHS + b"Ns.", "a tuple as a key"),
        "laughs in a set": (PROTO + b"\x8f(" + LAUGHS + b"\x90.", "a tuple as a key"),
        "laughs as a dtype": (PROTO + call("numpy.dtype", LAUGHS) + b".", "numpy dtype"),
        "laughs as a shape": (torch_zip(call("torch._utils._rebuild_tensor_v2", b"NK\x00", LAUGHS, b"h\x00")), "shape"),
        "laughs as a storage": (torch_zip(LAUGHS + b"Q"), "not described as torch does"),
        "laughs as legacy keys": (legacy(b"N", keys=b"]" + LAUGHS + b"a"), "a tuple as a key"),
        "laughs as a call": (PROTO + LAUGHS + b")R.", "not a name"),
        "laughs with lists": (PROTO + b"]q\x00" + b"0](h\x00h\x00eq\x00" * 60 + b".", "no generator"),
        "laughs with dicts": (PROTO + b"}q\x00" + b"0}(K\x00h\x00K\x01h\x00uq\x00" * 60 + b".", "no generator"),
        "a list in itself": (PROTO + b"]q\x00h\x00a.", "no generator"),
        "a dict in itself": (PROTO + b"}q\x00" + value("g_ema") + b"h\x00s.", ""),
        "lists nested without end": (PROTO + b"]" * 100_000 + b"a" * 99_999 + b".", "no generator"),
        "tuples nested without end": (PROTO + b")" + b"\x85" * 200_000 + b".", "no generator"),
        "records nested without end": (PROTO + b"N" + record * 30_000 + b".", ""),
        "one list copied again and again": (copied("builtins.set", b"](" + b"K\x01" * 50_000 + b"e\x85"), same),
        "one text copied again and again": (copied("_codecs.encode", text), same),
        "one storage copied again and again": (
            copied("torch.storage._load_from_bytes", value(container) + b"\x85"),
            same,
        ),
        "one table in a hundred thousand places": (
            PROTO
            + b"}("
            + b"".join(b"J%bN" % struct.pack("<i", i) for i in range(60_000))
            + b"uq\xfe0}("
            + b"".join(b"J%bh\xfe" % struct.pack("<i", i) for i in range(60_000))
            + b"u.",
            "no generator",
        ),
        "colliding keys": (PROTO + b"}(" + colliding + b"u.", "a int as a key"),
        "a memo slot at four billion": (b"\x80\x02Nr\xff\xff\xff\xff.", "no generator"),
        "bytes of 2^62 announced": (PROTO + b"\x8e" + struct.pack("<Q", 1 << 62) + b"x.", "bytes early"),
        "a byte array of 2^62 announced": (PROTO + b"\x96" + struct.pack("<Q", 1 << 62) + b"x.", "bytes early"),
        "an array of another size than its buffer": (
            PROTO
            + call(
                "numpy.core.numeric._frombuffer",
                value(bytes(8)) + call("numpy.dtype", value("f4")) + value((1 << 39, 1 << 39)) + value("C"),
            )
            + b".",
            "has 8 bytes",
        ),
        "a text of 2^62 announced": (PROTO + b"\x8d" + struct.pack("<Q", 1 << 62) + b"x.", "a text of"),
        "a text of 4 GB announced": (PROTO + b"X\xff\xff\xff\xffx.", "a text of"),
        "a long text with a rare character": (
            PROTO + (pickle_text("x" * (1 << 20)) + b"0") * 2 + pickle_text("x" * 999_999 + "\U0001f600") + b".",
            "no generator",
        ),
        "a number of a million bytes": (
            PROTO + b"\x8b" + struct.pack("<I", 1 << 20) + b"\x7f" * (1 << 20) + b".",
            "LONG4",
        ),
        "a number of ten thousand digits": (PROTO + b"L" + b"9" * 10_000 + b"L\n.", "LONG"),
        "an INT of ten thousand digits": (PROTO + b"I" + b"9" * 10_000 + b"\n.", "INT"),
        "a FLOAT in digits": (PROTO + b"F" + b"9" * 10_000 + b"\n.", "FLOAT"),
        "a text in escapes": (PROTO + b"V" + b"\\u0041" * 10_000 + b"\n.", "UNICODE"),
        "a million marks": (PROTO + b"(" * 1_000_000 + b".", "instructions"),
        "a million lists": (PROTO + b"]" * 1_000_000 + b".", "instructions"),
        "a million sets": (PROTO + b"\x8f" * 1_000_000 + b".", "instructions"),
        "six hundred thousand instructions in storages": (PROTO + b"(" + many + b"t.", "instructions"),
        "megabytes thrown away": (PROTO + (big + b"0") * 30 + b"N.", "no generator"),
        "a name without an end": (PROTO + b"c" + b"o" * 1_000_000, ""),
        "an instruction that does not exist": (PROTO + b"\xff.", "does not exist"),
        "a value that is not there": (PROTO + b"h\x07.", ""),
        "more popped than pushed": (PROTO + b"\x86.", "not there"),
        "more marks popped than pushed": (PROTO + b"e.", ""),
        "two values": (PROTO + b"NN.", "other than one value"),
        "an open mark": (PROTO + b"(N.", "other than one value"),
        "no end": (PROTO + b"N", "early"),
        "a pickle in a pickle": (PROTO + value(pickle.dumps(Call(os.system, "true"))) + b".", "no generator"),
    }
