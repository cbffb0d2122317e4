"""What a model file of ours says about itself, read with the standard library alone.

The file is a safetensors file: an 8-byte little-endian length, that many bytes of JSON naming every tensor's type,
shape and byte range, then the tensors. Our own description is one JSON string under the metadata key "latentlayers".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from latentlayers.checkpoints.refusals import corrupt, open_bounded, unsupported

METADATA_KEY = "latentlayers"
FORMAT_VERSION = 1
MAX_HEADER_BYTES = 1 << 20  # a 1024 px generator with 8 mapping layers needs about 20 kB
MAX_TEXT = 20_000
MAX_LAYERS = 64  # of a StyleGAN3, which has 14
DTYPE_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class ModelHeader:
    """A model's description, as stored in our files.

    Attributes:
        name: what people call it, e.g. "portraits-128".
        family: "stylegan1", "stylegan2" or "stylegan3".
        config: `Generator.config.to_json()`.
        licence: SPDX identifier or the owner's words; "unknown" if the file did not say.
        provenance: free text: who made it, from what, how.
        source_sha256: hex digest of the file it was read or converted from; "" if it was made here.
        source_format: the layout of that file, e.g. "nvidia-torch", "nvidia-tf", "rosinality", "native".
        domain: "portraits" where the mean latent is a good start for embedding; "" otherwise.
        format_version: of this description; this code reads up to `FORMAT_VERSION`.
    """

    name: str
    family: str
    config: Mapping[str, Any] = field(hash=False)
    licence: str = "unknown"
    provenance: str = ""
    source_sha256: str = ""
    source_format: str = "native"
    domain: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelHeader:
        """Inverse of `to_json`.

        Raises:
            CorruptCheckpoint: not such a description. UnsupportedCheckpoint: a version newer than this code.
        """
        data = _parse_json(text)
        version = data.get("format_version")
        if type(version) is not int or version < 1:
            raise corrupt(f"its format_version is {version!r:.80}")
        if version > FORMAT_VERSION:
            raise unsupported(
                f"its format_version is {version} and this Latent Layers reads up to {FORMAT_VERSION}",
                "Update Latent Layers; the file is newer than the program.",
            )
        known = {f.name for f in fields(cls)}
        if set(data) != known:
            raise corrupt(f"its description lacks or adds {sorted(set(data) ^ known)!r:.200}")
        for key, value in data.items():
            if key == "config":
                if not isinstance(value, dict):
                    raise corrupt("its config is not an object")
            elif key != "format_version" and (not isinstance(value, str) or len(value) > MAX_TEXT):
                raise corrupt(f"its {key} is not a text of at most {MAX_TEXT} characters")
        return cls(**data)


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a safetensors file: bytes `begin` to `end` of the data section."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Layout:
    """A checked safetensors header: `tensors` tile the file from `data_start` to its end without gap or overlap."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]
    data_start: int

    @property
    def header(self) -> ModelHeader:
        """Our description. Raises UnsupportedCheckpoint if another program wrote the file."""
        text = self.metadata.get(METADATA_KEY)
        if text is None:
            raise unsupported("it is a safetensors file that Latent Layers did not write")
        return ModelHeader.from_json(text)


def read_header(path: str | Path) -> ModelHeader:
    """The description in a model file of ours; torch is not imported and the weights are not read.

    Raises:
        NotFound, CorruptCheckpoint, UnsupportedCheckpoint: see `latentlayers.errors`.
    """
    with open_bounded(Path(path)) as (file, size):
        return read_layout(file, size).header


def num_ws(family: str, config: Mapping[str, Any]) -> int:
    """Rows of `w+` that a network of this configuration reads.

    Raises:
        UnsupportedCheckpoint: a family this version does not know. CorruptCheckpoint: not such a configuration.
    """
    match family, config:
        case (("stylegan1" | "stylegan2"), {"resolution": int(side)}) if side >= 4 and side.bit_count() == 1:
            return 2 * side.bit_length() - 4  # two per side from 4 px on
        case "stylegan3", {"layers": list(layers)} if 0 < len(layers) <= MAX_LAYERS:
            return len(layers) + 2  # the Fourier features, the layers, ToRGB
        case (("stylegan1" | "stylegan2" | "stylegan3"), _):
            raise corrupt("its config does not tell the rows of its latents")
    raise unsupported(f"its family is {family!r:.80}", "Update Latent Layers.")


def digest(path: str | Path) -> str:
    """sha256 of the file, in hex."""
    sha = hashlib.sha256()
    with open_bounded(Path(path)) as (file, _):
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def read_layout(file: BinaryIO, size: int) -> Layout:
    """Read and check the header of a safetensors file of `size` bytes, opened at its start.

    Raises:
        CorruptCheckpoint: any size, type or offset in it is impossible.
    """
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
        raise corrupt(f"it claims a header of {length} bytes in a file of {size}")
    table = _parse_json(file.read(length).decode("utf-8", errors="replace"))
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise corrupt("its metadata is not a table of texts")
    tensors = {name: _entry(name, value) for name, value in table.items()}
    _check_tiling(tensors, size - 8 - length)
    return Layout(metadata, tensors, 8 + length)


def _entry(name: str, value: object) -> TensorEntry:
    def is_sizes(sizes: object) -> bool:
        return isinstance(sizes, list) and all(type(n) is int and 0 <= n <= 1 << 48 for n in sizes)

    match value:
        case {"dtype": str(dtype), "shape": shape, "data_offsets": [begin, end]} if (
            dtype in DTYPE_BYTES and is_sizes(shape) and len(shape) <= 8 and is_sizes([begin, end])
        ):
            if end - begin != math.prod(shape) * DTYPE_BYTES[dtype]:
                raise corrupt(f"{name:.100} has {end - begin} bytes for shape {shape} of {dtype}")
            return TensorEntry(dtype, tuple(shape), begin, end)
    raise corrupt(f"the entry of {name:.100} is not a tensor")


def _check_tiling(tensors: Mapping[str, TensorEntry], size: int) -> None:
    ranges = sorted((entry.begin, entry.end) for entry in tensors.values())
    ranges = [(0, 0), *ranges, (size, size)]
    for (_, end), (begin, _) in pairwise(ranges):
        if begin != end:
            raise corrupt(f"tensor data ends at byte {end} but continues at byte {begin}")


def _parse_json(text: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise ValueError("a key occurs twice")
        return table

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise corrupt(f"its header is not valid JSON ({error!s:.100})") from None
    if not isinstance(data, dict):
        raise corrupt("its header is not a JSON object")
    return data
