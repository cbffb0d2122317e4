"""What a running call sends, and what it has given in the end, as frozen values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from latentlayers.client.info import EmbeddingInfo, Latent
from latentlayers.client.pictures import Picture
from latentlayers.v1 import editing_service_pb2

_PHASES = {
    editing_service_pb2.PHASE_QUEUED: "queued",
    editing_service_pb2.PHASE_LOADING: "loading",
    editing_service_pb2.PHASE_EMBEDDING: "embedding",
    editing_service_pb2.PHASE_RENDERING: "rendering",
}


@dataclass(frozen=True)
class Progress:
    """How far a call is.

    Attributes:
        phase: "queued" (`step` is the number of jobs ahead), "loading", "embedding" or "rendering".
        role: which source is being embedded, e.g. "a", "content"; "" for the call as a whole.
        total: 0: not known.
        eta_seconds: None: not known.
        preview: the picture as it is now, in some of the events.
    """

    phase: str
    role: str
    step: int
    total: int
    eta_seconds: float | None
    objective: float
    psnr: float
    preview: Picture | None


@dataclass(frozen=True)
class Embedded:
    """A source now has a latent code; `reused` says that nothing had to be optimised."""

    role: str
    embedding: EmbeddingInfo
    reused: bool


@dataclass(frozen=True)
class Image:
    """One finished picture of `count`, and the lambda it was made with; `latent` only if it was asked for."""

    picture: Picture
    index: int
    count: int
    weight: float
    latent: Latent | None

    def save(self, path: str | os.PathLike[str]) -> None:
        """As `Picture.save`."""
        self.picture.save(path)


@dataclass(frozen=True)
class Notice:
    """Something the caller should know that did not stop the work."""

    reason: str
    message: str
    remedy: str


Event = Progress | Embedded | Image | Notice


def event_from_wire(message: editing_service_pb2.EditEvent) -> Event | None:
    """None for an event of a newer daemon that this client does not know."""
    kind = message.WhichOneof("event")
    if kind == "progress":
        p = message.progress
        return Progress(
            phase=_PHASES.get(p.phase, ""),
            role=p.role,
            step=p.step,
            total=p.total,
            eta_seconds=p.eta_seconds if p.eta_seconds >= 0 else None,
            objective=p.objective,
            psnr=p.psnr,
            preview=Picture(p.preview) if p.HasField("preview") else None,
        )
    if kind == "embedded":
        e = message.embedded
        return Embedded(e.role, EmbeddingInfo.from_wire(e.embedding), e.reused)
    if kind == "image":
        i = message.image
        latent = Latent.from_wire(i.latent) if i.HasField("latent") else None
        return Image(Picture(i.picture), i.index, i.count, i.weight, latent)
    if kind == "notice":
        n = message.notice
        return Notice(n.reason, n.message, n.remedy)
    return None


@dataclass(frozen=True)
class EditResult:
    """What a finished call gave; `result[0]`, `len(result)` and iteration are those of its images.

    Attributes:
        images: in order.
        embeddings: by role ("a", "content", …).
        reused: the roles whose embedding was already in the library.
    """

    images: tuple[Image, ...]
    embeddings: Mapping[str, EmbeddingInfo]
    reused: frozenset[str]
    notices: tuple[Notice, ...]

    def __getitem__(self, index: int) -> Image:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def save(self, folder: str | os.PathLike[str], name: str = "image") -> list[Path]:
        """Writes name-00.png, name-01.png … into an existing folder; returns the paths. Raises as `Picture.save`."""
        paths = [Path(folder) / f"{name}-{image.index:02d}.png" for image in self.images]
        for path, image in zip(paths, self.images, strict=True):
            image.picture.save(path)
        return paths


@dataclass(frozen=True)
class EmbedResult:
    """A finished embedding; `reconstruction` is the generator's picture of it."""

    embedding: EmbeddingInfo
    reused: bool
    reconstruction: Picture | None
    notices: tuple[Notice, ...]
