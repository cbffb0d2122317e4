"""What adding a model sends, and what the catalogue holds, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass

from latentlayers.client.info import ModelInfo
from latentlayers.v1 import model_service_pb2 as pb

_PHASES = {
    pb.ADD_PHASE_CONNECTING: "connecting",
    pb.ADD_PHASE_DOWNLOADING: "downloading",
    pb.ADD_PHASE_CHECKING: "checking",
    pb.ADD_PHASE_CONVERTING: "converting",
}
_KINDS = {pb.CATALOGUE_KIND_GENERATOR: "generator", pb.CATALOGUE_KIND_FEATURES: "features"}


@dataclass(frozen=True)
class CatalogueInfo:
    """An official file that can be added by its name; meanings as in `latentlayers.v1.CatalogueEntry`.

    Attributes:
        kind: "generator", or "features" for the weights of a perceptual network.
        size: in bytes; 0: not known before the download.
        sha256: "": nobody publishes one.
    """

    name: str
    kind: str
    title: str
    family: str
    resolution: int
    url: str
    file: str
    size: int
    sha256: str
    licence: str
    licence_url: str
    installed: bool

    @classmethod
    def from_wire(cls, m: pb.CatalogueEntry) -> CatalogueInfo:
        return cls(
            name=m.name,
            kind=_KINDS.get(m.kind, ""),
            title=m.title,
            family=m.family,
            resolution=m.resolution,
            url=m.url,
            file=m.file,
            size=m.size,
            sha256=m.sha256,
            licence=m.licence,
            licence_url=m.licence_url,
            installed=m.installed,
        )


@dataclass(frozen=True)
class AddProgress:
    """How far adding a model is.

    Attributes:
        phase: "connecting", "downloading", "checking" or "converting".
        bytes, total: downloaded so far, and in all; a total of 0 is not known.
        eta_seconds: None: not known.
        attempt: which connection it is, from 1; 0 when there is none.
    """

    phase: str
    bytes: int
    total: int
    eta_seconds: float | None
    attempt: int


@dataclass(frozen=True)
class AddNotice:
    """A sentence worth knowing that stops nothing."""

    text: str


AddEvent = AddProgress | AddNotice | ModelInfo


def add_event_from_wire(m: pb.AddModelResponse) -> AddEvent | None:
    """None for an event that this version does not know."""
    match m.WhichOneof("event"):
        case "progress":
            p = m.progress
            eta = p.eta_seconds if p.eta_seconds >= 0 else None
            return AddProgress(_PHASES.get(p.phase, ""), p.bytes, p.total, eta, p.attempt)
        case "notice":
            return AddNotice(m.notice)
        case "model":
            return ModelInfo.from_wire(m.model)
    return None
