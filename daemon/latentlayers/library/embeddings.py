"""A picture's latent code and what is known about how it was found, as values and as JSON."""

from __future__ import annotations

import hashlib
import json
import math
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from latentlayers.errors import InvalidInput
from latentlayers.library.arrays import all_finite, damaged

_ID = re.compile(r"[0-9a-f]{12}")
_MAX_TEXT = 4096

Frame = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Latent:
    """A latent code as rows of `w+`.

    Attributes:
        values: rows * width little-endian float32 numbers, row by row.
    """

    values: bytes
    rows: int
    width: int

    def check(self) -> None:
        """Raises InvalidInput: LATENT_SHAPE, the bytes do not fit the sizes; LATENT_NOT_FINITE, NaN or infinity."""
        if min(self.rows, self.width) < 1 or len(self.values) != 4 * self.rows * self.width:
            raise InvalidInput(
                "LATENT_SHAPE",
                f"The latent has {len(self.values)} bytes, not 4 x {self.rows} x {self.width}.",
                "Send rows * width float32 values.",
            )
        if not all_finite(self.values):
            raise InvalidInput(
                "LATENT_NOT_FINITE",
                "The latent contains NaN or infinite numbers.",
                "Use a latent whose numbers are all finite; embed the picture again if this one came from here.",
            )


@dataclass(frozen=True, kw_only=True)
class EmbeddingInfo:
    """All that the library knows about an embedding but its latent code.

    Attributes:
        id: 12 hex digits, made by `new_id`; stable for the embedding's life.
        key: 64 hex digits, see `embedding_key`; equal keys mean the same work.
        name: the source's label, for people.
        model, model_digest: the generator's name and the sha256 of its file.
        space: "w_plus", "w" or "z".
        seconds: how long it took.
        objective, psnr (dB), perceptual, distance_from_mean: likeness as measured at the end; None where it
            never was, as for imported latents.
        verdict: "good", "fair", "poor" or "" for not judged; verdict_text says it as a sentence.
        frame: the 2x3 matrix from source pixels to model pixels, row by row.
        created: seconds since 1970-01-01 UTC.
        thumbnail: PNG; may be empty.
    """

    id: str
    key: str
    name: str
    model: str
    model_digest: str
    space: str
    preset: str
    seed: int
    steps: int
    seconds: float
    objective: float | None
    psnr: float | None
    perceptual: float | None
    distance_from_mean: float | None
    verdict: str
    verdict_text: str
    frame: Frame
    source_width: int
    source_height: int
    created: float
    thumbnail: bytes = b""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):  # it becomes a file name
            raise ValueError(f"an embedding's id is 12 hex digits, not {self.id!r}")

    def to_json(self) -> str:
        """Everything but the thumbnail; measures that are not finite become null."""
        values = {name: getattr(self, name) for name in _FIELD_TYPES}
        for name, kind in _FIELD_TYPES.items():
            if kind == "float | None" and values[name] is not None and not math.isfinite(values[name]):
                values[name] = None
        return json.dumps(values, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class Embedding(EmbeddingInfo):
    """An embedding with its latent code."""

    ws: Latent

    @classmethod
    def of(cls, info: EmbeddingInfo, ws: Latent) -> Embedding:
        """`info` with its latent."""
        return cls(**{f.name: getattr(info, f.name) for f in fields(EmbeddingInfo)}, ws=ws)


_FIELD_TYPES = {f.name: str(f.type) for f in fields(EmbeddingInfo) if f.name != "thumbnail"}


def info_from_json(text: str, thumbnail: bytes = b"") -> EmbeddingInfo:
    """Inverse of `EmbeddingInfo.to_json`, for text that may be anything.

    Raises:
        InvalidInput: FILE_CORRUPT, with the field that is wrong.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise damaged("its description is not JSON") from None
    if not isinstance(values, dict):
        raise damaged("its description is not a JSON object")
    for name, kind in _FIELD_TYPES.items():
        if name not in values or not _is_a(kind, values[name]):
            raise damaged(f"its {name} is {values.get(name)!r:.80}")
    known = {name: values[name] for name in _FIELD_TYPES} | {"frame": tuple(values["frame"])}
    try:
        return EmbeddingInfo(**known, thumbnail=thumbnail)
    except ValueError as error:
        raise damaged(str(error)) from None


def new_id() -> str:
    """An id no other embedding has."""
    return secrets.token_hex(6)


def embedding_key(chunks: Iterable[bytes], settings: Mapping[str, Any]) -> str:
    """sha256 (hex) of the work that an embedding is: equal inputs need not be embedded twice.

    Args:
        chunks: canonical pixels, mask, frame, model digest, in an agreed order; each counts with its length, so
            moving bytes from one to the next changes the key.
        settings: JSON-ready; the order of its keys does not matter.
    """
    sha = hashlib.sha256()
    for chunk in (json.dumps(settings, sort_keys=True, allow_nan=False).encode(), *chunks):
        sha.update(len(chunk).to_bytes(8, "little"))
        sha.update(chunk)
    return sha.hexdigest()


def _is_a(kind: str, value: object) -> bool:
    def number(x: object) -> bool:
        return (type(x) is float and math.isfinite(x)) or (type(x) is int and abs(x) < 1 << 53)

    match kind:
        case "str":
            return isinstance(value, str) and len(value) <= _MAX_TEXT
        case "int":
            return type(value) is int and -(1 << 63) <= value < 1 << 63  # what SQLite can hold
        case "float":
            return number(value)
        case "float | None":
            return value is None or number(value)
        case _:
            return isinstance(value, list) and len(value) == 6 and all(map(number, value))
