"""Puts the worker together: which handler serves which call, over which files and device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import torch

from latentlayers.checkpoints import ModelHeader, catalogue, load_checkpoint
from latentlayers.checkpoints.file_names import plain_name
from latentlayers.checkpoints.native import save_generator
from latentlayers.checkpoints.vgg16 import OWN_NAME, load_vgg16, save_vgg16
from latentlayers.engine.device import memory_in_use, out_of_memory
from latentlayers.engine.edits import Editor
from latentlayers.engine.jobs import Job
from latentlayers.engine.models import ModelCache
from latentlayers.engine.worker import Worker
from latentlayers.errors import LatentLayersError
from latentlayers.library import Library, ModelStore
from latentlayers.library.models import GENERATOR
from latentlayers.paths import Paths
from latentlayers.v1 import model_service_pb2 as pb


class ModelCalls:
    """Handlers of ModelService's calls that need the worker. The front describes the models to the caller."""

    def __init__(self, models: ModelCache, store: ModelStore) -> None:
        self._models, self._store = models, store

    def handlers(self) -> dict[str, Callable[[Job], None]]:
        """One handler per RPC name."""
        return {
            "LoadModel": self.load,
            "UnloadModel": self.unload,
            "ImportModel": self.import_,
            "ImportFeatures": self.import_features,  # not an RPC: a part of AddModel
            "ConvertModel": self.convert,  # not an RPC: the front's own, for what lies in the models folder
        }

    def load(self, job: Job) -> None:
        """Holds the model in memory from now on; the response names it, which matters for the default model."""
        model = self._models.get(job.parse(pb.LoadModelRequest).name)
        job.emit(pb.LoadModelResponse(model=pb.Model(name=model.entry.name)).SerializeToString())

    def unload(self, job: Job) -> None:
        """Lets go of one model, or of all."""
        name = job.parse(pb.UnloadModelRequest).name
        for loaded in [name] if name else self._models.names:
            self._models.unload(loaded)
        job.emit(pb.UnloadModelResponse().SerializeToString())

    def import_(self, job: Job) -> None:
        """Reads a checkpoint of any known format, executing nothing in it, and keeps it in our own."""
        request = job.parse(pb.ImportModelRequest)
        source = Path(request.path)
        name = request.name or plain_name(source.stem)
        self._store.check_new(name)  # before anything large is read
        generator, read = load_checkpoint(source, request.provenance)
        header = _known(read)
        header = replace(
            header,
            name=name,
            licence=request.licence or header.licence,
            provenance=read.provenance if request.provenance else header.provenance,
            domain=request.domain or header.domain,
        )
        entry = self._store.add_converted(name, lambda folder: save_generator(folder / GENERATOR, generator, header))
        job.emit(pb.ImportModelResponse(model=pb.Model(name=entry.name)).SerializeToString())

    def convert(self, job: Job) -> None:
        """As `import_`, for a checkpoint in the models folder."""
        request = job.parse(pb.ImportModelRequest)

        def write(folder: Path) -> None:
            generator, header = load_checkpoint(request.path)
            save_generator(folder / GENERATOR, generator, _known(replace(header, name=request.name)))

        self._store.convert(request.name, Path(request.path), write)
        job.emit(pb.ImportModelResponse(model=pb.Model(name=request.name)).SerializeToString())

    def import_features(self, job: Job) -> None:
        """Reads VGG16's weights and keeps them for all models; those in memory are loaded again with them."""
        request = job.parse(pb.ImportModelRequest)
        convolutions = load_vgg16(request.path)
        self._store.features_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = {"licence": request.licence, "provenance": request.provenance}
        save_vgg16(self._store.features_folder / OWN_NAME, convolutions, about)
        self._models.unload_all()
        model = pb.Model(name=request.name, licence=request.licence, provenance=request.provenance)
        job.emit(pb.ImportModelResponse(model=model).SerializeToString())


def _known(header: ModelHeader) -> ModelHeader:
    """With licence, origin and domain, if it was made from one of the official files."""
    known = catalogue.by_sha256(header.source_sha256)
    if known is None:
        return header
    return replace(header, licence=known.licence, provenance=known.provenance, domain=known.domain)


def build_worker(incoming: BinaryIO, outgoing: BinaryIO, paths: Paths, device: torch.device) -> Worker:
    """The worker over `paths`' library and models, computing on `device`."""
    store = ModelStore(paths)
    models = ModelCache(store, device)
    handlers = Editor(models, Library(paths.library)).handlers() | ModelCalls(models, store).handlers()

    def translate(error: BaseException) -> LatentLayersError | None:
        typed = out_of_memory(error)
        if typed is not None:
            models.unload_all()
        return typed

    return Worker(
        incoming,
        outgoing,
        handlers,
        translate,
        state=lambda: {"models": models.names, "device_memory": memory_in_use(device)},
    )
