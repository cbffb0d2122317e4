"""Whatever a caller names as a source, as the wire's `Source`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from latentlayers.client.events import EmbedResult
from latentlayers.client.info import EmbeddingInfo, Latent
from latentlayers.client.options import in_range
from latentlayers.client.pictures import PictureLike, PictureSource
from latentlayers.errors import InvalidInput
from latentlayers.v1 import latent_pb2

EMBEDDING_ID = re.compile(r"[0-9a-f]{6,64}")
SAMPLE = re.compile(r"seed:(\d{1,10})(?:@(-?\d+(?:\.\d*)?|-?\.\d+))?(?:#(\d{1,10}))?")
_UINT32 = range(2**32)


@dataclass(frozen=True)
class Sample:
    """A code that the model draws by itself, `w = w_avg + truncation * (f(z) - w_avg)`.

    Attributes:
        seed: 0 to 2**32 - 1; of z. The same seed gives the same picture.
        truncation: psi; 1 is the whole variety of the model, 0 its mean.
        label: the class of a conditional model, counted from 0.
    """

    seed: int
    truncation: float = 0.7
    label: int | None = None

    @classmethod
    def parse(cls, text: str) -> Sample:
        """From "seed:17", "seed:17@0.5" (with its truncation) or "seed:17@0.5#3" (with its label too).

        Raises:
            InvalidInput: SOURCE_UNKNOWN.
        """
        found = SAMPLE.fullmatch(text)
        if found is None:
            raise InvalidInput(
                "SOURCE_UNKNOWN",
                f"{text!r:.80} is not a sample.",
                "Write seed:17, with a truncation seed:17@0.5, with a class seed:17#3, or seed:17@0.5#3.",
            )
        seed, truncation, label = found.groups()
        return cls(
            int(seed),
            cls.truncation if truncation is None else float(truncation),
            None if label is None else int(label),
        )

    def to_wire(self) -> latent_pb2.SampleSource:
        """Raises InvalidInput OPTION_INVALID for what the message cannot hold."""
        return latent_pb2.SampleSource(
            seed=in_range("seed", self.seed, _UINT32),
            truncation=float(self.truncation),
            label=None if self.label is None else in_range("label", self.label, _UINT32),
        )


# A str is the path of a picture file, an embedding's id (or the first six or more characters of one), or a sample
# as `Sample.parse` reads it.
SourceLike = PictureLike | PictureSource | EmbeddingInfo | EmbedResult | Latent | Sample


def source_to_wire(source: SourceLike, limit: int) -> latent_pb2.Source:
    """The message, with at most `limit` bytes of picture data.

    Raises:
        InvalidInput: SOURCE_UNKNOWN, a str that is none of them; else as `PictureSource.to_wire`.
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
        if not is_sample(source):
            return latent_pb2.Source(embedding_id=source)
        source = Sample.parse(source)
    if isinstance(source, Sample):
        return latent_pb2.Source(sample=source.to_wire())
    if not isinstance(source, PictureSource):
        source = PictureSource(source)
    return latent_pb2.Source(picture=source.to_wire(limit))


def picture_source(picture: PictureLike | PictureSource) -> PictureSource:
    """A picture with its frame; a str is always a path here."""
    return picture if isinstance(picture, PictureSource) else PictureSource(picture)


def is_sample(text: str) -> bool:
    """Whether `text` is meant as a sample; `Sample.parse` says whether it is one."""
    return text.startswith("seed:")


def is_picture_file(text: str) -> bool:
    """True if `text` is an existing file, False if it can only be a sample or an embedding's id.

    Raises:
        InvalidInput: SOURCE_UNKNOWN, it is neither.
    """
    if text and Path(text).exists():
        return True
    if is_sample(text) or EMBEDDING_ID.fullmatch(text):
        return False
    looks_like_path = os.sep in text or "/" in text or Path(text).suffix
    raise InvalidInput(
        "SOURCE_UNKNOWN",
        f"There is no file {text}."
        if looks_like_path
        else f"{text!r} is neither a picture file nor an embedding id nor a sample (seed:17).",
        "Check the path, or see the ids with `latentlayers embeddings list`.",
    )
