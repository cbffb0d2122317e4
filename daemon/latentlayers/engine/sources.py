"""From a request's `Source` to a latent code: looked up, read, or embedded with progress."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from latentlayers.engine.describe import SPACES, embedding_to_proto
from latentlayers.engine.jobs import Job, Throttle
from latentlayers.engine.messages import (
    frame_from_proto,
    mask_from_proto,
    picture_from_proto,
    picture_to_proto,
    ws_from_proto,
)
from latentlayers.engine.models import LoadedModel
from latentlayers.engine.samples import sample
from latentlayers.errors import InvalidInput, LatentLayersError, PreconditionFailed
from latentlayers.imaging import Frame, Picture, crop, thumbnail_png
from latentlayers.inversion import EmbedResult, EmbedSettings, Progress, embed, preset
from latentlayers.inversion.presets import Space
from latentlayers.library import Embedding, Latent, Library, embedding_key, new_id
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import latent_pb2, picture_pb2

LIBRARY_SPACES: dict[Space, str] = {"w+": "w_plus", "w": "w", "z": "z"}
PROGRESS_INTERVAL_S = 0.1


@dataclass(frozen=True)
class Resolved:
    """A source with its code.

    Attributes:
        ws: [1, num_ws, w_dim] on the model's device.
        picture, frame: where the code came from; None unless the source was a picture.
    """

    ws: Tensor
    picture: Picture | None = None
    frame: Frame | None = None


class SourceResolver:
    """Resolves the sources of one call with one model.

    Args:
        options: which preset embeds the sources that are pictures.
    """

    def __init__(self, job: Job, model: LoadedModel, library: Library, options: latent_pb2.EmbedOptions) -> None:
        self._job, self._model, self._library, self._options = job, model, library, options
        self._settings = settings_from_proto(options)

    def resolve(self, source: latent_pb2.Source, role: str, near: Tensor | None = None) -> Resolved:
        """The latent code of `source`; pictures are embedded, and an `Embedded` event announces each code.

        Args:
            near: [1, num_ws, w_dim]; a picture's search begins and stays near this code, as in `inversion.embed`.

        Raises:
            InvalidInput: no source, or a bad picture, frame, mask, latent or sample. NotFound: EMBEDDING_UNKNOWN.
            PreconditionFailed: LATENT_MODEL_MISMATCH.
        """
        kind = source.WhichOneof("source")
        if kind == "picture":
            return self.embed(source.picture, role, near)
        if kind == "latent":
            return Resolved(self._on_device(ws_from_proto(source.latent, self._model)))
        if kind == "sample":
            return Resolved(sample(source.sample, self._model))
        if kind == "embedding_id":
            embedding = self._library.get(source.embedding_id)
            self._check_model(embedding)
            self._announce(role, embedding, reused=True)
            return Resolved(self._on_device(_ws(embedding)))
        raise InvalidInput(
            "SOURCE_MISSING", f"The {role} is missing.", "Give an embedding id, a latent, a picture or a sample."
        )

    def embed(self, source: latent_pb2.PictureSource, role: str, near: Tensor | None = None) -> Resolved:
        """Embeds a picture, unless it brings its code, or the library has these pixels with this model and settings."""
        picture = picture_from_proto(source.picture, role)
        frame = frame_from_proto(source.frame, picture.width, picture.height)
        if source.HasField("latent"):
            return Resolved(self._on_device(ws_from_proto(source.latent, self._model)), picture, frame)
        mask = mask_from_proto(source.mask, role) if source.HasField("mask") else None
        rgb, weight = crop(picture, frame, self._model.generator.resolution, mask)
        key = embedding_key(
            [rgb.tobytes(), weight.tobytes(), self._model.entry.digest.encode()],
            {
                "frame": frame.to_floats(),
                "size": picture.size,
                "features": self._model.features.name,
                "settings": asdict(self._settings),
                "near": "" if near is None else hashlib.sha256(near.cpu().numpy().tobytes()).hexdigest(),
            },
        )
        found = None if self._options.refresh else self._library.find(key)
        if found is None:
            result = self._optimise(torch.from_numpy(rgb), torch.from_numpy(weight), role, near)
            found = self._describe(result, key, source.name, frame, picture.size)
            self._announce(role, found, reused=False, kept=self._keep(found))
        else:
            self._announce(role, found, reused=True)
        return Resolved(self._on_device(_ws(found)), picture, frame)

    def _optimise(self, rgb: Tensor, weight: Tensor, role: str, near: Tensor | None) -> EmbedResult:
        interval = self._options.preview_interval_ms / 1000
        progress_due, preview_due = Throttle(PROGRESS_INTERVAL_S), Throttle(interval)

        def on_progress(progress: Progress) -> None:
            self._job.checkpoint()
            preview = interval > 0 and progress.rendered is not None and preview_due.ready()
            if not (preview or progress_due.ready() or progress.step == progress.total):
                return
            event = pb.Progress(
                phase=pb.PHASE_LOADING if progress.phase == "preparing" else pb.PHASE_EMBEDDING,
                role=role,
                step=progress.step,
                total=progress.total,
                eta_seconds=-1.0 if math.isnan(progress.eta_seconds) else progress.eta_seconds,
                objective=progress.objective,
                psnr=progress.psnr,
            )
            if preview and progress.picture is not None:
                event.preview.CopyFrom(picture_to_proto(progress.picture, picture_pb2.PIXEL_FORMAT_RGB8))
            self._job.send(pb.EditEvent(progress=event))

        model = self._model
        try:
            return embed(
                model.generator,
                rgb.to(model.device),
                weight.to(model.device),
                self._settings,
                model.features,
                on_progress=on_progress,
                near=None if near is None or self._settings.space == "z" else near[0],
            )
        finally:
            model.calibration.update()  # what was measured is worth keeping even if the call was cancelled since

    def _describe(self, result: EmbedResult, key: str, name: str, frame: Frame, size: tuple[int, int]) -> Embedding:
        model, ws = self._model, result.ws.detach().float().cpu()
        with torch.no_grad():
            picture = model.generator.synthesize(self._on_device(ws[None]))[0]
        return Embedding(
            id=new_id(),
            key=key,
            name=name,
            model=model.entry.name,
            model_digest=model.entry.digest,
            space=LIBRARY_SPACES[self._settings.space],
            preset=self._settings.name,
            seed=self._settings.seed,
            steps=result.steps,
            seconds=result.seconds,
            objective=result.objective,
            psnr=result.psnr,
            perceptual=result.perceptual,
            distance_from_mean=result.distance_from_mean,
            verdict=result.verdict.value,
            verdict_text=result.verdict_text,
            frame=frame.to_floats(),
            source_width=size[0],
            source_height=size[1],
            created=time.time(),
            ws=Latent(ws.numpy().astype("<f4").tobytes(), *ws.shape),
            thumbnail=thumbnail_png(picture.cpu().numpy()),
        )

    def _keep(self, embedding: Embedding) -> bool:
        try:
            self._library.add(embedding)
        except LatentLayersError as error:
            # The caller still gets the code it waited for; only the library is without it.
            self._job.notice(error.reason, f"The embedding was not kept: {error.message}", error.remedy)
            return False
        return True

    def _announce(self, role: str, embedding: Embedding, *, reused: bool, kept: bool = True) -> None:
        message = pb.Embedded(role=role, embedding=embedding_to_proto(embedding), reused=reused)
        if not kept:
            message.embedding.id = ""
        self._job.send(pb.EditEvent(embedded=message))

    def _check_model(self, embedding: Embedding) -> None:
        if embedding.model_digest != self._model.entry.digest:
            raise PreconditionFailed(
                "LATENT_MODEL_MISMATCH",
                f"The embedding {embedding.id} was made with {embedding.model}, not with {self._model.entry.name}.",
                f"Embed the picture again with {self._model.entry.name}, or choose the model {embedding.model}.",
            )

    def _on_device(self, ws: Tensor) -> Tensor:
        return ws.to(self._model.device)


def settings_from_proto(options: latent_pb2.EmbedOptions) -> EmbedSettings:
    """The preset named in `options` with what the caller changed about it.

    Raises:
        InvalidInput: PRESET_UNKNOWN.
    """
    settings = replace(preset(options.preset or "fast"), seed=options.seed)
    for space, name in LIBRARY_SPACES.items():
        if options.space == SPACES[name]:
            settings = replace(settings, space=space)
    return replace(settings, max_steps=options.max_steps) if options.max_steps else settings


def _ws(embedding: Embedding) -> Tensor:
    latent = embedding.ws
    return torch.frombuffer(bytearray(latent.values), dtype=torch.float32).reshape(1, latent.rows, latent.width)
