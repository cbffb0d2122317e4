"""Random damage to files: to their bytes, to the instructions of their pickles, to the JSON of their headers."""

from __future__ import annotations

import functools
import io
import json
import pickletools
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

NUMBERS = [0, 1, -1, 2, 3, 7, 127, 255, 256, 4096, 65535, 65536, 2**31 - 1, -(2**31)]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    4,
    1.5,
    2**31,
    2**53,
    2**63,
    1e999,
    "",
    "F32",
    "BF16",
    "\ud800",
    [],
    {},
    [1],
    [0, 0],
]
DENSE = 20_000  # most of a file is weights; its names, shapes and calls begin in front


def mutant(rng: random.Random, files: Sequence[bytes]) -> tuple[str, bytes]:
    """A damaged copy of one of the files, and what kind of damage it has."""
    data = rng.choice(files)
    structured = header_mutant if data[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"PK") else pickle_mutant
    kinds: list[Callable[[], bytes]] = [
        lambda: byte_mutant(rng, data),
        lambda: spliced(rng, data, rng.choice(files)),
        lambda: structured(rng, data),
        lambda: structured(rng, data),
    ]
    kind = rng.randrange(len(kinds))
    return ("bytes", "splice", "structure", "structure")[kind], kinds[kind]()


def byte_mutant(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 30])):
        reach = min(len(changed), rng.choice([DENSE, len(data)]))
        at, other, length = rng.randrange(reach), rng.randrange(reach), rng.randrange(1, 50)
        match rng.randrange(6):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[other : other + length]
            case 4:
                block = changed[at : at + length]
                changed[at : at + len(block)], changed[other : other + len(block)] = (
                    changed[other : other + len(block)],
                    block,
                )
            case _:
                changed[at : at + length] = rng.randbytes(length)
        if not changed:
            break
    return bytes(changed)


def spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    cut = rng.randrange(len(data))
    return data[:cut] + other[min(cut, len(other)) if rng.random() < 0.5 else rng.randrange(len(other)) :]


def pickle_mutant(rng: random.Random, data: bytes) -> bytes:
    """A few instructions changed, in the pickle, in torch's containers, or in a storage inside the pickle."""
    if not data.startswith(b"PK"):
        return instructions_mutant(rng, data)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, instructions_mutant(rng, content) if name.endswith("data.pkl") else content)
    return buffer.getvalue()


def instructions_mutant(rng: random.Random, data: bytes) -> bytes:
    pieces = list(instructions(data))
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        match rng.randrange(6):
            case 0:
                pieces[at] = pieces[other]
            case 1:
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 2:
                pieces[at : at + rng.randrange(1, 4)] = []
            case 3:
                pieces[at:at] = pieces[other : other + rng.randrange(1, 8)]
            case 4:
                pieces[at] = rng.choice(pickletools.opcodes).code.encode("latin-1") + pieces[at][1:]
            case _:
                pieces[at] = argument_mutant(rng, pieces[at])
        if not pieces:
            break
    return b"".join(pieces)


def argument_mutant(rng: random.Random, piece: bytes) -> bytes:
    """An instruction with another argument, of a length that still goes with the length it states."""
    code, rest = piece[:1], bytearray(piece[1:])
    if code in b"KMJ":
        return b"J" + rng.choice(NUMBERS).to_bytes(4, "little", signed=True)
    if code == b"B" and len(rest) > 100 and rng.random() < 0.7:  # a storage: a pickle in the pickle
        inner = instructions_mutant(rng, bytes(rest[4:]))
        return code + len(inner).to_bytes(4, "little") + inner
    if len(rest) > 4:
        rest[rng.randrange(4, len(rest))] = rng.randrange(256)
    elif rest:
        rest[-1] = rng.randrange(256)
    return code + bytes(rest)


@functools.lru_cache(maxsize=1000)
def instructions(data: bytes) -> tuple[bytes, ...]:
    """The instructions of the pickles that `data` begins with, one after another, and the rest of it."""
    stream, pieces, end = io.BytesIO(data), [], 0
    try:
        while end < len(data) and data[end : end + 1] == b"\x80":
            starts = [position for _, _, position in pickletools.genops(stream)]
            pieces += [data[a:b] for a, b in zip(starts, [*starts[1:], stream.tell()], strict=True)]
            end = stream.tell()
    except ValueError:  # not a pickle after all
        pass
    return (*pieces, data[end:])


def header_mutant(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file whose header is still JSON, and says something else."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.get("__metadata__", {})
    if "latentlayers" in metadata and rng.random() < 0.5:
        description = json.loads(metadata["latentlayers"])
        json_mutant(rng, description)
        metadata["latentlayers"] = json.dumps(description)
    else:
        json_mutant(rng, header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def json_mutant(rng: random.Random, table: dict[str, Any]) -> None:
    """Change one entry, at any depth."""
    holder: Any = table
    while True:
        key: Any = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        inner = holder[key]
        if not isinstance(inner, (dict, list)) or not inner or rng.random() < 0.2:
            break
        holder = inner
    match rng.randrange(4):
        case 0 if isinstance(holder, dict):
            holder[rng.choice(["", "x", "mapping.fc0.weight", "\u202e"])] = holder.pop(key)
        case 1:
            del holder[key]
        case 2 if isinstance(inner, int):
            holder[key] = inner + rng.choice(NUMBERS)
        case _:
            holder[key] = rng.choice(VALUES)
