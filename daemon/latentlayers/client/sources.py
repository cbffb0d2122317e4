"""Whatever a caller names as a source, as the wire's `Source`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from latentlayers.client.events import EmbedResult
from latentlayers.client.info import EmbeddingInfo, Latent
from latentlayers.client.pictures import PictureLike, PictureSource
from latentlayers.errors import InvalidInput
from latentlayers.v1 import latent_pb2

# A str is the path of a picture file, or an embedding's id (or the first six or more characters of one).
SourceLike = PictureLike | PictureSource | EmbeddingInfo | EmbedResult | Latent

EMBEDDING_ID = re.compile(r"[0-9a-f]{6,64}")


def source_to_wire(source: SourceLike, limit: int) -> latent_pb2.Source:
    """The message, with at most `limit` bytes of picture data.

    Raises:
        InvalidInput: SOURCE_UNKNOWN, a str that is neither a file nor an id; else as `PictureSource.to_wire`.
    """
    if isinstance(source, EmbedResult):
        source = source.embedding
    if isinstance(source, EmbeddingInfo):
        if not source.id and source.latent is not None:  # the library could not keep it
            return latent_pb2.Source(latent=source.latent.to_wire())
        return latent_pb2.Source(embedding_id=source.id)
    if isinstance(source, Latent):
        return latent_pb2.Source(latent=source.to_wire())
    if isinstance(source, str) and not is_picture_file(source):
        return latent_pb2.Source(embedding_id=source)
    if not isinstance(source, PictureSource):
        source = PictureSource(source)
    return latent_pb2.Source(picture=source.to_wire(limit))


def picture_source(picture: PictureLike | PictureSource) -> PictureSource:
    """A picture with its frame; a str is always a path here."""
    return picture if isinstance(picture, PictureSource) else PictureSource(picture)


def is_picture_file(text: str) -> bool:
    """True if `text` is an existing file, False if it can only be an embedding's id.

    Raises:
        InvalidInput: SOURCE_UNKNOWN, it is neither.
    """
    if text and Path(text).exists():
        return True
    if EMBEDDING_ID.fullmatch(text):
        return False
    looks_like_path = os.sep in text or "/" in text or Path(text).suffix
    raise InvalidInput(
        "SOURCE_UNKNOWN",
        f"There is no file {text}." if looks_like_path else f"{text!r} is neither a picture file nor an embedding id.",
        "Check the path, or see the ids with `latentlayers embeddings list`.",
    )
