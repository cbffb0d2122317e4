"""Latents as files: what we write, what other tools wrote, and which is which.

    safetensors   tensor "ws" [1, num_ws, w_dim]; ours carries the embedding's description and thumbnail too
    npz           array "w" [1, num_ws, w_dim], as stylegan2-ada-pytorch's projector.py writes projected_w.npz
    npy           [num_ws, w_dim]
    pt            read only: a tensor, or rosinality's projector file, {picture: {"latent": tensor, ...}, ...}

A file's kind is found from its content; its name is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any, Literal

from latentlayers.errors import Exhausted, InvalidInput
from latentlayers.library.arrays import FloatArray, all_finite
from latentlayers.library.embeddings import Embedding, EmbeddingInfo, Latent
from latentlayers.library.npy import MAGIC, read_npy, read_npz, write_npy, write_npz, zip_names
from latentlayers.library.pt_reader import is_pt, read_pt
from latentlayers.library.tensor_file import read_floats, write_embedding

Format = Literal["safetensors", "npz", "npy", "pt"]

MAX_FILE_BYTES = 256 << 20
MAX_LATENTS = 1024

# What tools call the latent in a file, most telling first.
_NAMES = ("ws", "w", "latent", "latents", "w_plus", "projected_w")


@dataclass(frozen=True)
class FoundLatent:
    """A latent in a file.

    Attributes:
        name: what the file calls it; "" if it does not.
        space: "w" if the file held one row for all layers, else "w_plus".
        info: the description in files of ours.
    """

    name: str
    latent: Latent
    space: str
    info: EmbeddingInfo | None = None


@dataclass(frozen=True)
class ExportedFile:
    """A file's content and the name to suggest for it."""

    data: bytes
    file_name: str


def write_latent(embedding: Embedding, form: Format) -> ExportedFile:
    """An embedding's latent as a file.

    Raises:
        InvalidInput: FORMAT_UNSUPPORTED for "pt" and unknown formats.
    """
    ws = embedding.ws
    match form:
        case "safetensors":
            data = write_embedding(embedding)
        case "npz":
            data = write_npz({"w": write_npy(ws.values, (1, ws.rows, ws.width))})
        case "npy":
            data = write_npy(ws.values, (ws.rows, ws.width))
        case _:
            raise InvalidInput(
                "FORMAT_UNSUPPORTED",
                f"Latents cannot be written as {form!r}.",
                "Use safetensors, npz or npy.",
            )
    label = re.sub(r"[^A-Za-z0-9]+", "-", PureWindowsPath(embedding.name).stem).strip("-")[:40]
    return ExportedFile(data, f"{label or 'latent'}-{embedding.id[:6]}.{form}")


def read_latents(data: bytes, rows: int, width: int, form: Format | None = None) -> list[FoundLatent]:
    """The latents in a file, for a model with `rows` rows of `w+` of length `width`.

    Accepted shapes: [width] and [1, width] (one w, repeated for every row), [rows, width], [N, rows, width],
    and [N, 1, width]. Half and double precision become float32.

    Args:
        form: what the file is said to be; None to find out.

    Raises:
        InvalidInput: FORMAT_UNSUPPORTED, FILE_CORRUPT, LATENT_SHAPE or LATENT_NOT_FINITE.
        Exhausted: FILE_TOO_LARGE, more than `MAX_FILE_BYTES`, or more than `MAX_LATENTS` latents.
    """
    arrays, info = _read_arrays(data, form)
    counts = [_count(array.shape, rows, width) for _, array in arrays]
    if sum(counts) > MAX_LATENTS:
        raise Exhausted(
            "FILE_TOO_LARGE",
            f"The file holds {sum(counts)} latents; at most {MAX_LATENTS} are read at once.",
            "Split it.",
        )
    return [
        FoundLatent(name, latent, space, info)
        for (name, array), count in zip(arrays, counts, strict=True)
        for latent, space in _split(array, count, rows, width)
    ]


def described_as(data: bytes) -> EmbeddingInfo | None:
    """What a file says about its latent (model, digest, ...), if it is a safetensors file of ours; else None.

    Raises:
        InvalidInput: FILE_CORRUPT, a damaged safetensors file.
    """
    return read_floats(data)[1] if _kind(data) == "safetensors" else None


def _kind(data: bytes) -> Format | None:
    if data.startswith(MAGIC):
        return "npy"
    if data.startswith(b"PK\x03\x04"):
        names = zip_names(data)
        if is_pt(names):
            return "pt"
        return "npz" if any(name.endswith(".npy") for name in names) else None
    return "safetensors" if data[8:9] == b"{" and data[4:8] == b"\0\0\0\0" else None


def _read_arrays(data: bytes, form: Format | None) -> tuple[list[tuple[str, FloatArray]], EmbeddingInfo | None]:
    if len(data) > MAX_FILE_BYTES:
        raise Exhausted(
            "FILE_TOO_LARGE",
            f"The file has {len(data)} bytes; at most {MAX_FILE_BYTES} are read.",
            "Save the latent alone, without pictures and noise.",
        )
    kind = _kind(data)
    if kind is None or form not in (None, kind):
        raise _unsupported(data, kind, form)
    if kind == "npy":
        return [("", read_npy(data))], None
    if kind == "npz":
        return [("", _only(read_npz(data)))], None
    if kind == "pt":
        return list(_in_pt(read_pt(data))), None
    arrays, info = read_floats(data)
    return [("", _only(arrays))], info


def _in_pt(content: Any) -> Iterator[tuple[str, FloatArray]]:
    """The latents in a PyTorch file, with the picture each belongs to where the file says so."""
    match content:
        case FloatArray():
            yield "", content
        case [*items] if items and all(isinstance(item, FloatArray) for item in items):
            yield from (("", item) for item in items)
        case dict() if pictures := {
            name: _named(entry) for name, entry in content.items() if isinstance(entry, dict) and _named(entry)
        }:
            yield from ((PureWindowsPath(str(name)).stem, array) for name, array in pictures.items() if array)
        case dict():
            yield "", _only({str(k): v for k, v in content.items() if isinstance(v, FloatArray)})
        case _:
            raise _no_latent([])


def _named(arrays: Mapping[Any, Any]) -> FloatArray | None:
    found = (arrays.get(name) for name in _NAMES)
    return next((array for array in found if isinstance(array, FloatArray)), None)


def _only(arrays: Mapping[str, FloatArray]) -> FloatArray:
    """The array with a telling name, or the only one there is."""
    found = _named(arrays) or (next(iter(arrays.values())) if len(arrays) == 1 else None)
    if found is None:
        raise _no_latent(sorted(arrays))
    return found


def _count(shape: tuple[int, ...], rows: int, width: int) -> int:
    if shape in ((width,), (1, width), (rows, width)):
        return 1
    if len(shape) == 3 and shape[0] and shape[1:] in ((rows, width), (1, width)):
        return shape[0]
    raise InvalidInput(
        "LATENT_SHAPE",
        f"The file's array has shape {list(shape)[:8]}; this model's latents are [{rows}, {width}].",
        "Name the model that the latent was made with.",
    )


def _split(array: FloatArray, count: int, rows: int, width: int) -> Iterator[tuple[Latent, str]]:
    """`array` as `count` latents of this model; a single row stands for all of them."""
    values = array.float32()
    if not all_finite(values):
        raise InvalidInput(
            "LATENT_NOT_FINITE",
            "The file's latent contains NaN or infinite numbers.",
            "Use a latent whose numbers are all finite float32 values.",
        )
    size = len(values) // count
    single = size == 4 * width
    for start in range(0, len(values), size):
        part = values[start : start + size]
        yield Latent(part * rows if single else part, rows, width), "w" if single else "w_plus"


def _unsupported(data: bytes, kind: Format | None, form: Format | None) -> InvalidInput:
    remedy = "Use safetensors, npz, npy, or a PyTorch file saved with torch.save."
    if kind is not None:
        found = f"The file is {kind}, not {form}."
        remedy = "Leave the format out to have it found, or name the right one."
    elif data[:1] == b"\x80":
        found = "The file is a bare pickle, as PyTorch wrote before 1.6; it is not opened."
        remedy = "Load it with PyTorch and save it again, or save the latent as .npz."
    else:
        found = f"The file is not of a known latent format (it begins with {data[:8].hex(' ') or 'nothing'})."
    return InvalidInput("FORMAT_UNSUPPORTED", found, remedy)


def _no_latent(names: list[str]) -> InvalidInput:
    return InvalidInput(
        "FORMAT_UNSUPPORTED",
        f"No latent was found in the file; its arrays are {names!r:.200}.",
        f"Call the array one of: {', '.join(_NAMES)}.",
    )
