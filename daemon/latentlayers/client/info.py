"""What is known about embeddings, models and the daemon itself, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from latentlayers.v1 import daemon_service_pb2, latent_pb2, model_service_pb2

if TYPE_CHECKING:
    import numpy as np

_SPACES = {
    latent_pb2.LATENT_SPACE_W_PLUS: "w+",
    latent_pb2.LATENT_SPACE_W: "w",
    latent_pb2.LATENT_SPACE_Z: "z",
}
_LIKENESS = {
    latent_pb2.LIKENESS_GOOD: "good",
    latent_pb2.LIKENESS_FAIR: "fair",
    latent_pb2.LIKENESS_POOR: "poor",
}
_WORKER_STATES = {
    daemon_service_pb2.WORKER_STATE_UNLOADED: "unloaded",
    daemon_service_pb2.WORKER_STATE_STARTING: "starting",
    daemon_service_pb2.WORKER_STATE_READY: "ready",
    daemon_service_pb2.WORKER_STATE_BUSY: "busy",
    daemon_service_pb2.WORKER_STATE_CRASHED: "crashed",
}


@dataclass(frozen=True)
class Latent:
    """A latent code as rows of `w+`.

    Attributes:
        ws: rows * width little-endian float32 values, row by row.
        model_digest: sha256 (hex) of the generator file it belongs to; "" trusts the call's model.
    """

    ws: bytes = field(repr=False)
    rows: int
    width: int
    model_digest: str = ""

    @classmethod
    def of(cls, ws: np.ndarray[Any, Any], model_digest: str = "") -> Latent:
        """From an array [num_ws, w_dim] or [1, num_ws, w_dim]. Raises ValueError for another shape."""
        if ws.ndim == 3 and ws.shape[0] == 1:
            ws = ws[0]
        if ws.ndim != 2:
            raise ValueError(f"ws has shape {list(ws.shape)} instead of [num_ws, w_dim]")
        rows, width = ws.shape
        return cls(ws.astype("<f4").tobytes(), rows, width, model_digest)

    def array(self) -> np.ndarray[Any, Any]:
        """[rows, width] float32."""
        import numpy as np

        return np.frombuffer(self.ws, "<f4").reshape(self.rows, self.width).astype(np.float32)

    def to_wire(self) -> latent_pb2.Latent:
        return latent_pb2.Latent(ws=self.ws, rows=self.rows, width=self.width, model_digest=self.model_digest)

    @classmethod
    def from_wire(cls, latent: latent_pb2.Latent) -> Latent:
        return cls(latent.ws, latent.rows, latent.width, latent.model_digest)


@dataclass(frozen=True)
class EmbeddingInfo:
    """A picture's latent code and how it was found; units and meanings as in `latentlayers.v1.Embedding`.

    Attributes:
        id: "" if the library could not keep it.
        space: "w+", "w" or "z".
        likeness: "good", "fair", "poor", or "" if it was never judged; `likeness_text` is the sentence for it.
        frame: (xu, xv, x0, yu, yv, y0): x = xu*u + xv*v + x0, y = yu*u + yv*v + y0, u and v in the model's unit square.
        source_size: width and height of the source picture.
        created: seconds since 1970-01-01 UTC.
        latent: None in lists.
        thumbnail: PNG; may be empty.
    """

    id: str
    name: str
    model: str
    model_digest: str
    space: str
    preset: str
    seed: int
    steps: int
    seconds: float
    objective: float
    psnr: float
    perceptual: float
    distance_from_mean: float
    likeness: str
    likeness_text: str
    frame: tuple[float, float, float, float, float, float]
    source_size: tuple[int, int]
    created: float
    latent: Latent | None = field(repr=False)
    thumbnail: bytes = field(repr=False)

    @classmethod
    def from_wire(cls, m: latent_pb2.Embedding) -> EmbeddingInfo:
        frame = m.frame
        return cls(
            id=m.id,
            name=m.name,
            model=m.model,
            model_digest=m.model_digest,
            space=_SPACES.get(m.space, ""),
            preset=m.preset,
            seed=m.seed,
            steps=m.steps,
            seconds=m.seconds,
            objective=m.objective,
            psnr=m.psnr,
            perceptual=m.perceptual,
            distance_from_mean=m.distance_from_mean,
            likeness=_LIKENESS.get(m.likeness, ""),
            likeness_text=m.likeness_text,
            frame=(frame.xu, frame.xv, frame.x0, frame.yu, frame.yv, frame.y0),
            source_size=(m.source_width, m.source_height),
            created=m.created,
            latent=Latent.from_wire(m.latent) if m.HasField("latent") else None,
            thumbnail=m.thumbnail,
        )


@dataclass(frozen=True)
class ModelInfo:
    """A model the daemon can use; meanings as in `latentlayers.v1.Model`."""

    name: str
    family: str
    resolution: int
    num_ws: int
    w_dim: int
    z_dim: int
    c_dim: int
    licence: str
    provenance: str
    digest: str
    domain: str
    directions: tuple[str, ...]
    shipped: bool
    loaded: bool
    problem: str
    converting: bool
    source_format: str
    source_sha256: str

    @classmethod
    def from_wire(cls, m: model_service_pb2.Model) -> ModelInfo:
        return cls(
            name=m.name,
            family=m.family,
            resolution=m.resolution,
            num_ws=m.num_ws,
            w_dim=m.w_dim,
            z_dim=m.z_dim,
            c_dim=m.c_dim,
            licence=m.licence,
            provenance=m.provenance,
            digest=m.digest,
            domain=m.domain,
            directions=tuple(m.directions),
            shipped=m.shipped,
            loaded=m.loaded,
            problem=m.problem,
            converting=m.converting,
            source_format=m.source_format,
            source_sha256=m.source_sha256,
        )


@dataclass(frozen=True)
class LayerInfo:
    """One layer of a generator; meanings and units as in `latentlayers.v1.Layer`."""

    name: str
    kind: str
    rows: tuple[int, ...]
    resolution: int
    channels_in: int
    channels_out: int
    kernel: int
    noise: int
    parameters: int

    @classmethod
    def from_wire(cls, m: model_service_pb2.Layer) -> LayerInfo:
        return cls(
            name=m.name,
            kind=m.kind,
            rows=tuple(m.rows),
            resolution=m.resolution,
            channels_in=m.channels_in,
            channels_out=m.channels_out,
            kernel=m.kernel,
            noise=m.noise,
            parameters=m.parameters,
        )


@dataclass(frozen=True)
class ModelDescription:
    """How a model is built; without layers if it cannot be used.

    Attributes:
        layers: in the order in which they are used, the mapping network's first.
        parameters: of all layers; file_size: of the generator, in bytes.
    """

    model: ModelInfo
    layers: tuple[LayerInfo, ...]
    parameters: int
    file_size: int

    @classmethod
    def from_wire(cls, m: model_service_pb2.DescribeModelResponse) -> ModelDescription:
        layers = tuple(map(LayerInfo.from_wire, m.layers))
        return cls(ModelInfo.from_wire(m.model), layers, m.parameters, m.file_size)


@dataclass(frozen=True)
class ModelList:
    """All models, and the name of the one that is used when none is named ("" if there is none)."""

    models: tuple[ModelInfo, ...]
    default_model: str


@dataclass(frozen=True)
class Status:
    """The daemon's state; meanings and units as in `latentlayers.v1.GetStatusResponse`.

    Attributes:
        worker_state: "unloaded", "starting", "ready", "busy" or "crashed".
        idle_unload_in_seconds: None while the clock is not running.
    """

    version: str
    protocol: int
    front_pid: int
    worker_pid: int
    worker_state: str
    device: str
    front_memory_bytes: int
    worker_memory_bytes: int
    device_memory_bytes: int
    loaded_models: tuple[str, ...]
    queue_length: int
    queue_limit: int
    uptime_seconds: float
    idle_unload_in_seconds: float | None
    max_message_bytes: int
    torch_version: str
    data_folder: str
    worker_restarts: int
    address: str

    @classmethod
    def from_wire(cls, m: daemon_service_pb2.GetStatusResponse) -> Status:
        return cls(
            version=m.version,
            protocol=m.protocol,
            front_pid=m.front_pid,
            worker_pid=m.worker_pid,
            worker_state=_WORKER_STATES.get(m.worker_state, ""),
            device=m.device,
            front_memory_bytes=m.front_memory_bytes,
            worker_memory_bytes=m.worker_memory_bytes,
            device_memory_bytes=m.device_memory_bytes,
            loaded_models=tuple(m.loaded_models),
            queue_length=m.queue_length,
            queue_limit=m.queue_limit,
            uptime_seconds=m.uptime_seconds,
            idle_unload_in_seconds=m.idle_unload_in_seconds if m.idle_unload_in_seconds >= 0 else None,
            max_message_bytes=m.max_message_bytes,
            torch_version=m.torch_version,
            data_folder=m.data_folder,
            worker_restarts=m.worker_restarts,
            address=m.address,
        )
