"""The Python client: what scripts and our own command line use to talk to the daemon. Imports no torch."""

from latentlayers.client.adding import AddEvent, AddNotice, AddProgress, CatalogueInfo
from latentlayers.client.client import Client
from latentlayers.client.events import EditResult, Embedded, EmbedResult, Event, Image, Notice, Progress
from latentlayers.client.info import EmbeddingInfo, Latent, LayerInfo, ModelDescription, ModelInfo, ModelList, Status
from latentlayers.client.operations import (
    ApplyDirection,
    Crossover,
    Embed,
    Morph,
    Operation,
    Render,
    TransferExpression,
)
from latentlayers.client.options import EmbedOptions, OutputOptions
from latentlayers.client.pictures import Picture, PictureSource
from latentlayers.client.sources import Sample, SourceLike
from latentlayers.client.stream import CancelToken, EventStream

__all__ = [
    "AddEvent",
    "AddNotice",
    "AddProgress",
    "ApplyDirection",
    "CancelToken",
    "CatalogueInfo",
    "Client",
    "Crossover",
    "EditResult",
    "Embed",
    "EmbedOptions",
    "EmbedResult",
    "Embedded",
    "EmbeddingInfo",
    "Event",
    "EventStream",
    "Image",
    "Latent",
    "LayerInfo",
    "ModelDescription",
    "ModelInfo",
    "ModelList",
    "Morph",
    "Notice",
    "Operation",
    "OutputOptions",
    "Picture",
    "PictureSource",
    "Progress",
    "Render",
    "Sample",
    "SourceLike",
    "Status",
    "TransferExpression",
]
