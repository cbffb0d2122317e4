"""The library's values as messages. Without torch: the front answers its listings with these too."""

from __future__ import annotations

from dataclasses import asdict

from latentlayers.checkpoints.layers import Layer
from latentlayers.library.embeddings import Embedding, EmbeddingInfo
from latentlayers.library.models import ModelEntry
from latentlayers.v1 import latent_pb2, model_service_pb2, picture_pb2

SPACES = {
    "w_plus": latent_pb2.LATENT_SPACE_W_PLUS,
    "w": latent_pb2.LATENT_SPACE_W,
    "z": latent_pb2.LATENT_SPACE_Z,
}
LIKENESS = {
    "good": latent_pb2.LIKENESS_GOOD,
    "fair": latent_pb2.LIKENESS_FAIR,
    "poor": latent_pb2.LIKENESS_POOR,
}
NAN = float("nan")


def embedding_to_proto(embedding: EmbeddingInfo) -> latent_pb2.Embedding:
    """With its latent if `embedding` is a whole `Embedding`. Measures that were never taken are NaN."""
    xu, xv, x0, yu, yv, y0 = embedding.frame
    message = latent_pb2.Embedding(
        id=embedding.id,
        name=embedding.name,
        model=embedding.model,
        model_digest=embedding.model_digest,
        space=SPACES.get(embedding.space, latent_pb2.LATENT_SPACE_UNSPECIFIED),
        preset=embedding.preset,
        seed=embedding.seed,
        steps=embedding.steps,
        seconds=embedding.seconds,
        objective=NAN if embedding.objective is None else embedding.objective,
        psnr=NAN if embedding.psnr is None else embedding.psnr,
        perceptual=NAN if embedding.perceptual is None else embedding.perceptual,
        distance_from_mean=NAN if embedding.distance_from_mean is None else embedding.distance_from_mean,
        likeness=LIKENESS.get(embedding.verdict, latent_pb2.LIKENESS_UNSPECIFIED),
        likeness_text=embedding.verdict_text,
        frame=picture_pb2.Affine(xu=xu, xv=xv, x0=x0, yu=yu, yv=yv, y0=y0),
        source_width=embedding.source_width,
        source_height=embedding.source_height,
        created=embedding.created,
        thumbnail=embedding.thumbnail,
    )
    if isinstance(embedding, Embedding):
        latent = embedding.ws
        message.latent.CopyFrom(
            latent_pb2.Latent(
                ws=latent.values, rows=latent.rows, width=latent.width, model_digest=embedding.model_digest
            )
        )
    return message


def model_to_proto(entry: ModelEntry, *, loaded: bool) -> model_service_pb2.Model:
    """A model as listings show it; `loaded`: the worker holds it."""
    return model_service_pb2.Model(
        name=entry.name,
        family=entry.family,
        resolution=entry.resolution,
        num_ws=entry.num_ws,
        w_dim=entry.w_dim,
        z_dim=entry.z_dim,
        c_dim=entry.c_dim,
        licence=entry.licence,
        provenance=entry.provenance,
        digest=entry.digest,
        domain=entry.domain,
        directions=entry.direction_names,
        shipped=entry.shipped,
        loaded=loaded,
        problem=entry.problem,
        converting=entry.converting,
        source_format=entry.source_format,
        source_sha256=entry.source_sha256,
    )


def layer_to_proto(layer: Layer) -> model_service_pb2.Layer:
    return model_service_pb2.Layer(**asdict(layer))
