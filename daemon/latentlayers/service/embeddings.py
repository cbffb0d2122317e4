"""EmbeddingService: the library, read and written in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc.aio

from latentlayers.engine.describe import embedding_to_proto
from latentlayers.errors import InvalidInput, PreconditionFailed
from latentlayers.library import Embedding, Format, Library, ModelEntry, ModelStore, described_as
from latentlayers.v1 import embedding_service_pb2 as pb
from latentlayers.v1 import embedding_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")

PAGE_SIZE = 50
FORMATS: dict[pb.LatentFormat, Format] = {
    pb.LATENT_FORMAT_SAFETENSORS: "safetensors",
    pb.LATENT_FORMAT_NPZ: "npz",
    pb.LATENT_FORMAT_NPY: "npy",
    pb.LATENT_FORMAT_PT: "pt",
}


class EmbeddingServicer(rpc.EmbeddingServiceServicer):
    """See the .proto file. The library in `folder` is opened by the first call."""

    def __init__(self, folder: Path, store: ModelStore) -> None:
        self._folder, self._store = folder, store
        self._opening = threading.Lock()
        self._library: Library | None = None

    def close(self) -> None:
        """Closes the library; call it when no call runs any more."""
        if self._library is not None:
            self._library.close()

    async def ListEmbeddings(self, request: pb.ListEmbeddingsRequest, context: Context) -> pb.ListEmbeddingsResponse:
        page = await self._do(
            lambda library: library.list(request.model or None, request.page_size or PAGE_SIZE, request.page_token)
        )
        return pb.ListEmbeddingsResponse(
            embeddings=map(embedding_to_proto, page.embeddings), next_page_token=page.next_page_token
        )

    async def GetEmbedding(self, request: pb.GetEmbeddingRequest, context: Context) -> pb.GetEmbeddingResponse:
        embedding = await self._do(lambda library: library.get(request.id))
        return pb.GetEmbeddingResponse(embedding=embedding_to_proto(embedding))

    async def DeleteEmbedding(self, request: pb.DeleteEmbeddingRequest, context: Context) -> pb.DeleteEmbeddingResponse:
        await self._do(lambda library: library.delete(request.id))
        return pb.DeleteEmbeddingResponse()

    async def ExportEmbedding(self, request: pb.ExportEmbeddingRequest, context: Context) -> pb.ExportEmbeddingResponse:
        form = _format(request.format) or "safetensors"
        file = await self._do(lambda library: library.export(request.id, form))
        return pb.ExportEmbeddingResponse(data=file.data, file_name=file.file_name)

    async def ImportEmbeddings(
        self, request: pb.ImportEmbeddingsRequest, context: Context
    ) -> pb.ImportEmbeddingsResponse:
        form = _format(request.format)

        def add(library: Library) -> tuple[Embedding, ...]:
            return library.import_(request.data, self._model_for(request), form=form, name=request.name)

        added = await self._do(add)
        return pb.ImportEmbeddingsResponse(embeddings=map(embedding_to_proto, added))

    def _model_for(self, request: pb.ImportEmbeddingsRequest) -> ModelEntry:
        """The model that the request names, else the file, else the default one."""
        if request.model:
            model = self._store.get(request.model)
        elif (described := described_as(request.data)) is not None:
            same = (entry for entry in self._store.list() if entry.digest == described.model_digest)
            model = next(same, None) or self._store.get(described.model)
        else:
            model = self._store.default()
        if model.problem:
            raise PreconditionFailed(
                "MODEL_UNUSABLE", f"The model {model.name} cannot be used: {model.problem}", "Name another model."
            )
        return model

    async def _do(self, operation: Callable[[Library], T]) -> T:
        return await asyncio.to_thread(lambda: operation(self._opened()))

    def _opened(self) -> Library:
        with self._opening:
            if self._library is None:
                self._library = Library(self._folder)
            return self._library


def _format(value: pb.LatentFormat) -> Format | None:
    """None where the caller leaves it open."""
    if value == pb.LATENT_FORMAT_UNSPECIFIED:
        return None
    if value not in FORMATS:
        raise InvalidInput(
            "FORMAT_UNSUPPORTED", f"There is no latent format number {value}.", "Use one that the contract names."
        )
    return FORMATS[value]
