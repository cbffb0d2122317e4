"""The client's view of the daemon's models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc

from latentlayers.client.adding import AddEvent, CatalogueInfo, add_event_from_wire
from latentlayers.client.connection import Connection
from latentlayers.client.info import ModelDescription, ModelInfo, ModelList
from latentlayers.client.wire_errors import typed
from latentlayers.v1 import model_service_pb2 as pb
from latentlayers.v1 import model_service_pb2_grpc


class Models:
    """What `Client.models` is. All methods raise the daemon's typed errors; MODEL_UNKNOWN for an unknown name."""

    def __init__(self, connection: Connection, timeout: float | None) -> None:
        self._stub = connection.stub(model_service_pb2_grpc.ModelServiceStub)
        self._timeout = timeout

    def list(self) -> ModelList:
        """All models, those that cannot be used too (`ModelInfo.problem` says why)."""
        with typed():
            answer = self._stub.ListModels(pb.ListModelsRequest(), timeout=self._timeout)
        return _model_list(answer)

    def get(self, name: str) -> ModelInfo:
        with typed():
            answer = self._stub.GetModel(pb.GetModelRequest(name=name), timeout=self._timeout)
        return ModelInfo.from_wire(answer.model)

    def catalogue(self) -> tuple[CatalogueInfo, ...]:
        """The official files that `add` knows by name. Nothing is downloaded."""
        with typed():
            answer = self._stub.ListCatalogue(pb.ListCatalogueRequest(), timeout=self._timeout)
        return tuple(map(CatalogueInfo.from_wire, answer.entries))

    def add(
        self,
        source: str | os.PathLike[str],
        name: str = "",
        *,
        sha256: str = "",
        accept_licence: bool = False,
        mirror: str = "",
    ) -> Iterator[AddEvent]:
        """Downloads a checkpoint if need be, converts it and keeps it; the last event is its `ModelInfo`.

        Closing the iterator ends the call. What was downloaded is kept, and the same call goes on from there.

        Args:
            source: a name of the catalogue, an http(s) address, or the full path of a file on the daemon's machine.
            name: what to call the model; else the catalogue's name, or the file's.
            sha256: what the file must hash to, in hex.
            accept_licence: the person has seen the licence of the catalogue's entry and agrees; needed for those.
            mirror: an http(s) folder to take the catalogue's files from.
        """
        request = pb.AddModelRequest(
            source=os.fspath(source), name=name, sha256=sha256, licence_accepted=accept_licence, mirror=mirror
        )
        return _added(self._stub.AddModel(request, timeout=self._timeout))

    def describe(self, name: str = "") -> ModelDescription:
        """How a model is built, layer by layer; without a name, the default one."""
        with typed():
            answer = self._stub.DescribeModel(pb.DescribeModelRequest(name=name), timeout=self._timeout)
        return ModelDescription.from_wire(answer)

    def import_(self, path: str | os.PathLike[str], name: str = "") -> ModelInfo:
        """Converts a checkpoint file on the daemon's machine and keeps it; nothing in the file is executed."""
        request = pb.ImportModelRequest(path=str(Path(path).absolute()), name=name)
        with typed():
            answer = self._stub.ImportModel(request, timeout=self._timeout)
        return ModelInfo.from_wire(answer.model)

    def load(self, name: str = "") -> ModelInfo:
        """Makes the worker hold the model, so that the next call starts at once."""
        with typed():
            answer = self._stub.LoadModel(pb.LoadModelRequest(name=name), timeout=self._timeout)
        return ModelInfo.from_wire(answer.model)

    def unload(self, name: str = "") -> None:
        """Gives the model's memory back; without a name, everything, and the worker process ends."""
        with typed():
            self._stub.UnloadModel(pb.UnloadModelRequest(name=name), timeout=self._timeout)

    def remove(self, name: str) -> None:
        """Deletes the model's file. A model that comes with the package cannot be removed."""
        with typed():
            self._stub.RemoveModel(pb.RemoveModelRequest(name=name), timeout=self._timeout)

    def watch(self) -> Iterator[ModelList]:
        """The list now, and again whenever it changes; closing the iterator ends the call."""
        call = self._stub.WatchModels(pb.WatchModelsRequest())
        return _watched(call)


def _watched(call: grpc.RpcContext) -> Iterator[ModelList]:
    try:
        with typed():
            for answer in call:  # type: ignore[attr-defined]
                yield _model_list(answer)
    finally:
        call.cancel()


def _added(call: grpc.RpcContext) -> Iterator[AddEvent]:
    try:
        with typed():
            for answer in call:  # type: ignore[attr-defined]
                event = add_event_from_wire(answer)
                if event is not None:
                    yield event
    finally:
        call.cancel()


def _model_list(answer: pb.ListModelsResponse | pb.WatchModelsResponse) -> ModelList:
    return ModelList(tuple(map(ModelInfo.from_wire, answer.models)), answer.default_model)
