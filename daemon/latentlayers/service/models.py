"""ModelService: listings come from the disk, loading and importing are jobs of the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio

from latentlayers.checkpoints.layers import read_layers
from latentlayers.engine.describe import layer_to_proto, model_to_proto
from latentlayers.errors import InvalidInput
from latentlayers.library.models import ModelEntry
from latentlayers.service.calls import Calls
from latentlayers.service.catalogue import Catalogue, Listing
from latentlayers.service.downloads import Downloads
from latentlayers.service.supervisor import Supervisor
from latentlayers.v1 import model_service_pb2 as pb
from latentlayers.v1 import model_service_pb2_grpc as rpc

Context = grpc.aio.ServicerContext[Any, Any]


class ModelServicer(rpc.ModelServiceServicer):
    """See the .proto file."""

    def __init__(self, catalogue: Catalogue, calls: Calls, supervisor: Supervisor, downloads: Downloads) -> None:
        self._catalogue, self._calls, self._supervisor = catalogue, calls, supervisor
        self._downloads = downloads

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        listing = await self._catalogue.listing()
        return pb.ListModelsResponse(models=self._models(listing), default_model=listing.default)

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:
        return pb.GetModelResponse(model=self._model(await self._catalogue.get(request.name)))

    async def DescribeModel(self, request: pb.DescribeModelRequest, context: Context) -> pb.DescribeModelResponse:
        entry = await self._catalogue.get(request.name)
        layers = () if entry.problem else await asyncio.to_thread(read_layers, entry.path)
        return pb.DescribeModelResponse(
            model=self._model(entry),
            layers=map(layer_to_proto, layers),
            parameters=sum(layer.parameters for layer in layers),
            file_size=await asyncio.to_thread(_size, entry.path),
        )

    async def WatchModels(
        self, request: pb.WatchModelsRequest, context: Context
    ) -> AsyncIterator[pb.WatchModelsResponse]:
        async for listing in self._catalogue.changes():
            yield pb.WatchModelsResponse(models=self._models(listing), default_model=listing.default)

    async def ListCatalogue(self, request: pb.ListCatalogueRequest, context: Context) -> pb.ListCatalogueResponse:
        return pb.ListCatalogueResponse(entries=await self._downloads.catalogue())

    async def AddModel(self, request: pb.AddModelRequest, context: Context) -> AsyncIterator[pb.AddModelResponse]:
        async for response in self._downloads.add(request, context):
            yield response

    async def ImportModel(self, request: pb.ImportModelRequest, context: Context) -> pb.ImportModelResponse:
        if not Path(request.path).is_absolute():
            raise InvalidInput(
                "PATH_INVALID",
                f"{request.path!r:.200} is not an absolute path, and the daemon does not know your folder.",
                "Send the full path of the checkpoint on the daemon's machine.",
            )
        made = await self._calls.single("ImportModel", request, context, pb.ImportModelResponse)
        return pb.ImportModelResponse(model=self._model(await self._catalogue.get(made.model.name)))

    async def LoadModel(self, request: pb.LoadModelRequest, context: Context) -> pb.LoadModelResponse:
        # A worker need not be started to find out that there is no such model.
        await self._catalogue.get(request.name)
        held = await self._calls.single("LoadModel", request, context, pb.LoadModelResponse)
        model = model_to_proto(await self._catalogue.get(held.model.name), loaded=True)
        return pb.LoadModelResponse(model=model)

    async def UnloadModel(self, request: pb.UnloadModelRequest, context: Context) -> pb.UnloadModelResponse:
        if not request.name:
            await self._supervisor.unload()
        else:
            await self._catalogue.get(request.name)
            await self._let_go(request.name, context)
        return pb.UnloadModelResponse()

    async def RemoveModel(self, request: pb.RemoveModelRequest, context: Context) -> pb.RemoveModelResponse:
        # Not the default one: what is removed has to be named.
        if not request.name:
            raise InvalidInput("MODEL_NAME_INVALID", "No model is named.", "Name the model to remove.")
        await self._let_go(request.name, context)
        await self._catalogue.remove(request.name)
        return pb.RemoveModelResponse()

    async def _let_go(self, name: str, context: Context) -> None:
        if name in self._supervisor.status.models:
            request = pb.UnloadModelRequest(name=name)
            await self._calls.single("UnloadModel", request, context, pb.UnloadModelResponse)

    def _models(self, listing: Listing) -> list[pb.Model]:
        return [self._model(entry) for entry in listing.entries]

    def _model(self, entry: ModelEntry) -> pb.Model:
        return model_to_proto(entry, loaded=entry.name in self._supervisor.status.models)


def _size(path: Path) -> int:
    """In bytes; 0 if the file is not there, as where a link leads nowhere."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
