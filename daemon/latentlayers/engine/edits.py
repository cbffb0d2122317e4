"""The editing calls: resolve the sources, do the paper's arithmetic, send the pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from latentlayers.editing import (
    apply_direction,
    crossover,
    default_rows,
    expression,
    morph,
    morph_weights,
    parse_rows,
)
from latentlayers.editing.checks import check_rows, check_weight
from latentlayers.engine.jobs import Job
from latentlayers.engine.messages import mask_in_frame
from latentlayers.engine.models import LoadedModel, ModelCache
from latentlayers.engine.output import check_output, send_images
from latentlayers.engine.sources import SourceResolver
from latentlayers.errors import InvalidInput
from latentlayers.library import Library
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import latent_pb2

MOST_IMAGES = 1000


class Editor:
    """Handlers of EditingService's calls.

    Args:
        library: where embeddings are looked up and kept.
    """

    def __init__(self, models: ModelCache, library: Library) -> None:
        self._models, self._library = models, library

    def handlers(self) -> dict[str, Callable[[Job], None]]:
        """One handler per RPC name."""
        return {
            "Embed": self.embed,
            "Morph": self.morph,
            "Crossover": self.crossover,
            "TransferExpression": self.transfer_expression,
            "ApplyDirection": self.apply_direction,
            "Render": self.render,
        }

    def embed(self, job: Job) -> None:
        request = job.parse(pb.EmbedRequest)
        if not request.source.HasField("picture"):
            raise InvalidInput("SOURCE_MISSING", "There is no picture to embed.", "Send one in `source.picture`.")
        model = self._model(job, request.options, [])
        check_output(model, request.output, latent_pb2.Source(picture=request.source))
        found = SourceResolver(job, model, self._library, request.options).embed(request.source, "source")
        send_images(job, model, [found.ws], [1.0], found, request.output)

    def morph(self, job: Job) -> None:
        request = job.parse(pb.MorphRequest)
        kind = request.WhichOneof("steps")
        weights = _checked(list(request.weights.values) if kind == "weights" else morph_weights(request.frames))
        model, resolver = self._resolver(job, request.embed, [request.a, request.b], request.output)
        a, b = resolver.resolve(request.a, "a"), resolver.resolve(request.b, "b")
        codes = [morph(a.ws, b.ws, lam) for lam in weights]
        send_images(job, model, codes, weights, a, request.output)

    def crossover(self, job: Job) -> None:
        request = job.parse(pb.CrossoverRequest)
        model, resolver = self._resolver(job, request.embed, [request.content, request.style], request.output)
        num_ws = model.generator.num_ws
        if request.row_weights:
            rows = check_rows(torch.tensor(list(request.row_weights)), model.generator.w_avg.expand(num_ws, -1))[:, 0]
        else:
            rows = parse_rows(request.rows, num_ws) if request.rows else default_rows(num_ws)
        blend = None
        if request.HasField("mask"):
            blend = mask_in_frame(request.mask, request.output.resolution or model.generator.resolution)
        content, style = resolver.resolve(request.content, "content"), resolver.resolve(request.style, "style")
        ws = crossover(content.ws, style.ws, rows.to(model.device))
        send_images(job, model, [ws], [1.0], content, request.output, blend=blend)

    def transfer_expression(self, job: Job) -> None:
        request = job.parse(pb.TransferExpressionRequest)
        strengths = _checked(list(request.strengths) or [1.0])
        sources = [request.target, request.neutral, request.expressive]
        model, resolver = self._resolver(job, request.embed, sources, request.output)
        rows = self._rows(request.rows, model)
        threshold = {"threshold": request.noise_threshold} if request.HasField("noise_threshold") else {}
        w1, w2 = resolver.resolve(request.target, "target"), resolver.resolve(request.neutral, "neutral")
        # Found from w2, so that w3 - w2 is the expression and not the accidents of two separate searches.
        w3 = resolver.resolve(request.expressive, "expressive", near=w2.ws)
        codes = [expression(w1.ws, w2.ws, w3.ws, lam, rows, **threshold).ws for lam in strengths]
        send_images(job, model, codes, strengths, w1, request.output)

    def apply_direction(self, job: Job) -> None:
        request = job.parse(pb.ApplyDirectionRequest)
        strengths = _checked(list(request.strengths) or [1.0])
        model, resolver = self._resolver(job, request.embed, [request.source], request.output)
        direction = model.direction(request.direction)
        rows = self._rows(request.rows, model)
        found = resolver.resolve(request.source, "source")
        codes = [apply_direction(found.ws, direction, strength, rows) for strength in strengths]
        send_images(job, model, codes, strengths, found, request.output)

    def render(self, job: Job) -> None:
        request = job.parse(pb.RenderRequest)
        model, resolver = self._resolver(job, request.embed, [request.source], request.output)
        found = resolver.resolve(request.source, "source")
        psi = request.truncation if request.HasField("truncation") else 1.0
        # Truncation is a morph towards the mean: w = psi*w + (1-psi)*w_avg.
        ws = morph(found.ws, model.generator.w_avg.expand_as(found.ws), psi)
        modes = {pb.NOISE_MODE_NONE: "none", pb.NOISE_MODE_RANDOM: "random"}
        noise: Any = modes.get(request.noise_mode, "const")
        send_images(job, model, [ws], [psi], found, request.output, noise=noise)

    def _rows(self, text: str, model: LoadedModel) -> Tensor | None:
        return parse_rows(text, model.generator.num_ws).to(model.device) if text else None

    def _resolver(
        self,
        job: Job,
        options: latent_pb2.EmbedOptions,
        sources: list[latent_pb2.Source],
        output: pb.OutputOptions,
    ) -> tuple[LoadedModel, SourceResolver]:
        model = self._model(job, options, sources)
        check_output(model, output, sources[0])
        return model, SourceResolver(job, model, self._library, options)

    def _model(self, job: Job, options: latent_pb2.EmbedOptions, sources: list[latent_pb2.Source]) -> LoadedModel:
        name = self._models.resolve(options.model or self._model_of(sources))
        if name not in self._models.names:
            job.send(pb.EditEvent(progress=pb.Progress(phase=pb.PHASE_LOADING, eta_seconds=-1)))
        return self._models.get(name)

    def _model_of(self, sources: list[latent_pb2.Source]) -> str:
        """Without a model named, the first code given by id or value decides; "" is the default model."""
        for source in sources:
            kind = source.WhichOneof("source")
            if kind == "embedding_id":
                return self._library.get(source.embedding_id).model
            latent = source.latent if kind == "latent" else source.picture.latent
            if latent.model_digest:
                return self._models.by_digest(latent.model_digest) or ""
        return ""


def _checked(weights: list[float]) -> list[float]:
    """The weights, unless one is useless: found out before anything is embedded, which takes long."""
    if not 1 <= len(weights) <= MOST_IMAGES:
        raise InvalidInput(
            "WEIGHT_INVALID", f"{len(weights)} pictures cannot be asked for.", f"Ask for 1 to {MOST_IMAGES} at a time."
        )
    return [check_weight(weight) for weight in weights]
