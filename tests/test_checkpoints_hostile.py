"""Files that mean harm: nothing in them runs, and each ends soon in a typed refusal."""

from __future__ import annotations

import functools
import io
import os
import pickle
import random
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import nvidia_tree, pickle_global, pickle_text, reference_file, small_generator, write_nvidia
from latentlayers.checkpoints import load_generator
from latentlayers.checkpoints.vgg16 import load_vgg16
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint

Refusal = (CorruptCheckpoint, UnsupportedCheckpoint)
SMALL = ["sg2tf_16", "ros_16_conv", "sg2ada_16_resnet"]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears if anything in a checkpoint runs."""
    path = tmp_path / "mark"
    monkeypatch.chdir(tmp_path)
    return path


class Call:
    """Pickles as a call, which stock unpickling makes."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


PAYLOADS: dict[str, Callable[[str], bytes]] = {
    "GLOBAL": lambda m: pickle_global("os", "system") + b"(" + pickle_text(f"touch {m}") + b"tR.",
    "GLOBAL after PROTO": lambda m: b"\x80\x02" + pickle_global("nt", "system") + pickle_text(f"touch {m}") + b"\x85R.",
    "STACK_GLOBAL": lambda m: (
        b"\x80\x04" + pickle_text("os") + pickle_text("system") + b"\x93" + pickle_text(f"touch {m}") + b"\x85R."
    ),
    "STACK_GLOBAL with dots": lambda m: (
        b"\x80\x04" + pickle_text("collections") + pickle_text("OrderedDict.fromkeys") + b"\x93(tR."
    ),
    "INST": lambda m: b"(" + pickle_text(f"touch {m}") + b"ios\nsystem\n.",
    "OBJ": lambda m: b"(" + pickle_global("os", "system") + pickle_text(f"touch {m}") + b"o.",
    "__reduce__": lambda m: pickle.dumps(Call(os.system, f"touch {m}")),
    "__reduce__, protocol 0": lambda m: pickle.dumps(Call(os.system, f"touch {m}"), protocol=0),
    "eval": lambda m: pickle.dumps(Call(eval, f"open({m!r}, 'w')")),
    "exec": lambda m: pickle.dumps(Call(exec, f"open({m!r}, 'w')")),
    "import": lambda m: pickle.dumps(Call(__import__, "antigravity")),
    "getattr": lambda m: pickle.dumps(Call(getattr, "", "join")),
    "open": lambda m: pickle.dumps(Call(io.open, m, "w")),
    "partial": lambda m: pickle.dumps(functools.partial(os.system, f"touch {m}")),
    "torch.load": lambda m: b"\x80\x02" + pickle_global("torch.serialization", "load") + pickle_text(m) + b"\x85R.",
    "module source": lambda m: b"\x80\x02" + pickle_global("torch_utils.persistence", "_src_to_module") + b")R.",
    "numpy.load": lambda m: b"\x80\x02" + pickle_global("numpy", "load") + pickle_text(m) + b"\x85R.",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_forbidden_global_is_named_and_not_called(payload, mark):
    data = payload(str(mark))
    (mark.parent / "bad.pkl").write_bytes(data)
    with pytest.raises(UnsupportedCheckpoint, match=r"it asks for [\w.]+\.\w+, which no StyleGAN file needs"):
        load_generator(mark.parent / "bad.pkl")
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_forbidden_global_inside_torch_files_is_named_and_not_called(zipped, mark):
    value = {"g_ema": {"style.1.weight": torch.zeros(3)}, "args": Call(os.system, f"touch {mark}")}
    path = mark.parent / "bad.pt"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    for door in (load_generator, load_vgg16):
        with pytest.raises(UnsupportedCheckpoint, match="system"):
            door(path)
    assert not mark.exists()


def test_a_forbidden_global_inside_a_nested_storage_is_named_and_not_called(mark):
    """`torch.storage._load_from_bytes` is a pickle within the pickle, which torch itself reads without restraint."""
    storage = io.BytesIO()
    torch.save(Call(os.system, f"touch {mark}"), storage, _use_new_zipfile_serialization=False)
    nested = storage.getvalue()
    data = b"\x80\x03" + pickle_global("torch.storage", "_load_from_bytes")
    data += b"B" + len(nested).to_bytes(4, "little") + nested + b"\x85R."
    (mark.parent / "bad.pkl").write_bytes(data)
    with pytest.raises(UnsupportedCheckpoint, match="system"):
        load_generator(mark.parent / "bad.pkl")
    assert not mark.exists()


def test_source_code_inside_a_module_is_not_executed(tmp_path):
    """The modules made for these tests carry `raise SystemExit` where NVIDIA's carry their source."""
    assert b"raise SystemExit" in write_nvidia(tmp_path / "g.pkl", nvidia_tree(small_generator())).read_bytes()
    assert load_generator(tmp_path / "g.pkl").resolution == 16


@pytest.mark.parametrize("name", SMALL)
def test_no_module_is_imported_on_behalf_of_a_file(name):
    load_generator(reference_file(name))
    before = set(sys.modules)
    load_generator(reference_file(name))
    assert set(sys.modules) == before
    assert not any(module.startswith(("dnnlib", "torch_utils", "training")) for module in before)


@pytest.mark.parametrize("name", SMALL)
def test_a_file_cut_at_any_sixteenth_is_refused(name, tmp_path):
    data = reference_file(name).read_bytes()
    for sixteenth in range(16):
        (tmp_path / "cut").write_bytes(data[: len(data) * sixteenth // 16])
        with pytest.raises(Refusal):
            load_generator(tmp_path / "cut")


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("seed", range(70))
def test_random_damage_ends_in_a_typed_refusal_or_a_model(name, seed, tmp_path):
    rng = random.Random(f"{name} {seed}")
    data = bytearray(reference_file(name).read_bytes())
    reach = len(data) if seed % 2 else min(len(data), 20_000)  # half of them hit the dense part: names, shapes, calls
    for _ in range(rng.choice([1, 3, 30])):
        position = rng.randrange(reach)
        match rng.randrange(4):
            case 0:
                data[position] = rng.randrange(256)
            case 1:
                data[position] ^= 1 << rng.randrange(8)
            case 2:
                del data[position : position + rng.randrange(1, 50)]
            case _:
                other = rng.randrange(reach)
                data[position:position] = data[other : other + rng.randrange(1, 50)]
    (tmp_path / "mutant").write_bytes(data)
    try:
        generator = load_generator(tmp_path / "mutant")
    except Refusal as refusal:
        assert (refusal.reason, bool(refusal.remedy)) in {("FILE_CORRUPT", True), ("FORMAT_UNSUPPORTED", True)}  # noqa: PT017
    else:
        assert bool(torch.isfinite(generator.w_avg).all())


def number(n: int) -> bytes:
    return b"J" + n.to_bytes(4, "little", signed=True)


BOMBS: dict[str, bytes] = {
    "a memo slot at four billion": b"\x80\x02Nr\xff\xff\xff\xff.",
    "bytes of 2^62 announced": b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"x.",
    "a text of 4 GB announced": b"\x80\x02X\xff\xff\xff\xffx.",
    "a million marks": b"\x80\x02" + b"(" * 1_000_000 + b".",
    "a million empty lists": b"\x80\x02" + b"]" * 1_000_000 + b".",
    "lists nested without end": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "a key whose hash doubles sixty times": b"\x80\x02})q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"Ns.",
    "a set member whose hash doubles": b"\x80\x04\x8f()q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"\x90.",
    "a hidden doubling in the answer": b"\x80\x02)q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b".",
    "colliding keys": b"\x80\x02}(" + b"".join(b"\x8a\x14" + (i * (2**61 - 1)).to_bytes(20, "little") + b"N" for i in
                                            range(1, 100_000)) + b"u.",
    "one list copied again and again": (
        b"\x80\x02" + pickle_global("builtins", "set") + b"q\x00](" + b"".join(map(number, range(50_000)))
        + b"e\x85q\x01](" + b"h\x00h\x01R" * 50_000 + b"e."
    ),
    "one text encoded again and again": (
        b"\x80\x02" + pickle_global("_codecs", "encode") + b"q\x00" + pickle_text("x" * 100_000) + pickle_text("latin1")
        + b"\x86q\x01](" + b"h\x00h\x01R" * 50_000 + b"e."
    ),
    "a value that is not there": b"\x80\x02h\x07.",
    "more popped than pushed": b"\x80\x02\x86.",
    "state of a text": b"\x80\x02" + pickle_text("x") + b"}b.",
    "state of a name": b"\x80\x02" + pickle_global("numpy", "ndarray") + b"}b.",
    "a call of a text": b"\x80\x02" + pickle_text("x") + b")R.",
    "a call of a name that is only a name": b"\x80\x02" + pickle_global("numpy", "ndarray") + b")R.",
    "a persistent id outside torch's files": b"\x80\x02" + pickle_text("x") + b"Q.",
    "an extension code": b"\x80\x02\x82\x01.",
    "a number of ten thousand digits": b"\x80\x02L" + b"9" * 10_000 + b"L\n.",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_in_bounded_memory(bomb, tmp_path):
    (tmp_path / "bomb.pkl").write_bytes(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal):
            load_generator(tmp_path / "bomb.pkl")
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
    finally:
        tracemalloc.stop()


def rewrite_zip(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    out = path.with_name("changed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out


def test_storages_shorter_than_announced_are_corrupt(tmp_path):
    path = tmp_path / "g.pt"
    path.write_bytes(reference_file("ros_16_conv").read_bytes())
    short = rewrite_zip(path, lambda name, data: data[:-4] if "/data/" in name else data)
    with pytest.raises(CorruptCheckpoint, match="storage"):
        load_generator(short)


def test_compressed_archives_are_not_inflated(tmp_path):
    """torch stores its parts as they are; a compressed one could be a thousand times its size."""
    path = tmp_path / "g.pt"
    path.write_bytes(reference_file("ros_16_conv").read_bytes())
    with pytest.raises(CorruptCheckpoint, match="not stored"):
        load_generator(rewrite_zip(path, lambda _, data: data, zipfile.ZIP_DEFLATED))


def test_big_endian_files_are_refused(tmp_path):
    torch.save({"g_ema": {}}, tmp_path / "g.pt")
    changed = rewrite_zip(tmp_path / "g.pt", lambda name, data: b"big" if name.endswith("byteorder") else data)
    with pytest.raises(UnsupportedCheckpoint, match="big-endian"):
        load_generator(changed)


def test_views_outside_their_storage_are_corrupt(tmp_path):
    torch.save({"g_ema": {"style.1.weight": torch.arange(6.0).reshape(2, 3)}}, tmp_path / "g.pt")
    sizes, beyond = b"K\x00K\x02K\x03\x86", b"K\x01K\x02K\x03\x86"  # BININT1 0 or 1: where the view begins
    with zipfile.ZipFile(tmp_path / "g.pt") as archive:
        assert sizes in archive.read("g/data.pkl")
    changed = rewrite_zip(tmp_path / "g.pt", lambda _, data: data.replace(sizes, beyond))
    with pytest.raises(CorruptCheckpoint, match="does not fit its storage"):
        load_generator(changed)
