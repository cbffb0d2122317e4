"""Safetensors files of latents, with the standard library alone.

The safetensors package's own functions take numpy or torch arrays; those underneath take pointers and do not
return the metadata. The format is simple enough: a length, a JSON table, the numbers.
"""

from __future__ import annotations

import hashlib
import io
import json

from latentlayers.checkpoints.header import Layout, read_layout
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint
from latentlayers.library.arrays import Float, FloatArray, damaged, row_major
from latentlayers.library.embeddings import Embedding, EmbeddingInfo, Latent, info_from_json

_DESCRIPTION, _CHECKSUM = "latentlayers.embedding", "latentlayers.ws_sha256"
_WS, _THUMBNAIL = "ws", "thumbnail"
_FLOATS: dict[str, Float] = {"F16": "f2", "F32": "f4", "F64": "f8"}


def write_embedding(embedding: Embedding) -> bytes:
    """Everything about an embedding as one safetensors file.

    Tensors: "ws" F32 [1, num_ws, w_dim]; "thumbnail" U8, the bytes of a PNG. Metadata: its description as JSON,
    and the sha256 of the numbers in "ws".
    """
    ws, thumbnail = embedding.ws, embedding.thumbnail
    end = len(ws.values)
    table = {
        "__metadata__": {_DESCRIPTION: embedding.to_json(), _CHECKSUM: hashlib.sha256(ws.values).hexdigest()},
        _WS: {"dtype": "F32", "shape": [1, ws.rows, ws.width], "data_offsets": [0, end]},
        _THUMBNAIL: {"dtype": "U8", "shape": [len(thumbnail)], "data_offsets": [end, end + len(thumbnail)]},
    }
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the numbers to 8 bytes
    return len(header).to_bytes(8, "little") + header + ws.values + thumbnail


def read_embedding(data: bytes) -> Embedding:
    """Inverse of `write_embedding`.

    Raises:
        InvalidInput: FILE_CORRUPT, unless the file is exactly what was written.
    """
    layout = _layout(data)
    info, entry = _describe(layout, data), layout.tensors.get(_WS)
    match entry:
        case None:
            raise damaged("it has no latent")
        case _ if entry.dtype != "F32" or len(entry.shape) != 3 or entry.shape[0] != 1:
            raise damaged(f"its latent is {entry.dtype} {list(entry.shape)}")
    if info is None:
        raise damaged("it has no description")
    values = data[layout.data_start + entry.begin : layout.data_start + entry.end]
    if hashlib.sha256(values).hexdigest() != layout.metadata.get(_CHECKSUM):
        raise damaged("the numbers in it have changed since they were written")
    return Embedding.of(info, Latent(values, *entry.shape[1:]))


def read_floats(data: bytes) -> tuple[dict[str, FloatArray], EmbeddingInfo | None]:
    """The floating-point tensors of any safetensors file, and its description if it is one of ours.

    Raises:
        InvalidInput: FILE_CORRUPT.
    """
    layout = _layout(data)
    arrays = {
        name: FloatArray(
            data[layout.data_start + entry.begin : layout.data_start + entry.end],
            _FLOATS[entry.dtype],
            entry.shape,
            row_major(entry.shape),
        )
        for name, entry in layout.tensors.items()
        if entry.dtype in _FLOATS
    }
    return arrays, _describe(layout, data)


def _layout(data: bytes) -> Layout:
    try:
        return read_layout(io.BytesIO(data), len(data))
    except (CorruptCheckpoint, UnsupportedCheckpoint) as error:
        raise damaged(f"it is not a whole safetensors file ({error.message})") from None


def _describe(layout: Layout, data: bytes) -> EmbeddingInfo | None:
    text, entry = layout.metadata.get(_DESCRIPTION), layout.tensors.get(_THUMBNAIL)
    if text is None:
        return None
    start = layout.data_start
    thumbnail = data[start + entry.begin : start + entry.end] if entry is not None and entry.dtype == "U8" else b""
    return info_from_json(text, thumbnail)
