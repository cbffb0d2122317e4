"""Adding models from the catalogue, from any address, or from a file: the front downloads, the worker converts."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio

from latentlayers.checkpoints import catalogue
from latentlayers.checkpoints.catalogue import CatalogueEntry
from latentlayers.checkpoints.download.address import model_name, shown, to_fetch
from latentlayers.checkpoints.download.hashes import KnownHashes
from latentlayers.checkpoints.download.partial import sweep
from latentlayers.checkpoints.header import digest
from latentlayers.engine.describe import model_to_proto
from latentlayers.errors import InvalidInput, LatentLayersError, PreconditionFailed
from latentlayers.library.model_files import SAFETENSORS
from latentlayers.library.models import ModelEntry, ModelStore
from latentlayers.paths import Paths
from latentlayers.service.calls import Calls
from latentlayers.service.config import ServiceConfig
from latentlayers.v1 import model_service_pb2 as pb

if TYPE_CHECKING:
    from latentlayers.checkpoints.download.fetch import Download, Progress

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KINDS = {"generator": pb.CATALOGUE_KIND_GENERATOR, "features": pb.CATALOGUE_KIND_FEATURES}
_OF_NO_USE = {"FILE_CORRUPT", "FORMAT_UNSUPPORTED"}
_PHASES = {
    "connecting": pb.ADD_PHASE_CONNECTING,
    "downloading": pb.ADD_PHASE_DOWNLOADING,
    "checking": pb.ADD_PHASE_CHECKING,
}


@dataclass(frozen=True)
class Wanted:
    """One file to be downloaded and what to do with it.

    Attributes:
        url: what its hash is remembered under; address: where to get it this time, which may be a mirror.
        job: what the worker is asked to do with the file; its path is not known yet.
        size, sha256: what it must have; 0 and "" where that is not known.
        features: it is a perceptual network, not a model.
    """

    url: str
    address: str
    job: pb.ImportModelRequest
    size: int = 0
    sha256: str = ""
    features: bool = False


class Downloads:
    """`AddModel` and `ListCatalogue`. Uses the network only for what a caller names."""

    def __init__(self, config: ServiceConfig, paths: Paths, store: ModelStore, calls: Calls) -> None:
        self._config, self._store, self._calls = config, store, calls
        self._folder = paths.downloads
        self._hashes = KnownHashes(paths.state / "download-hashes.json")
        self._running: set[Path] = set()

    async def catalogue(self) -> list[pb.CatalogueEntry]:
        """All official files, and which of them are here already."""
        models = await asyncio.to_thread(self._store.list)
        return [_to_proto(entry, self._installed(entry, models)) for entry in catalogue.entries()]

    async def add(self, request: pb.AddModelRequest, context: Context) -> AsyncIterator[pb.AddModelResponse]:
        """See AddModel in the .proto file.

        Raises:
            NotFound: CATALOGUE_UNKNOWN. InvalidInput: SHA256_INVALID, MODEL_NAME_INVALID.
            PreconditionFailed: LICENCE_NOT_ACCEPTED, MODEL_EXISTS, DOWNLOAD_RUNNING, DOWNLOAD_CHANGED.
            As `Download.run`, and whatever the worker has to say about the file.
        """
        expected = _checked_sha256(request.sha256)
        if Path(request.source).is_absolute():
            if expected:
                yield _at(pb.ADD_PHASE_CHECKING)
                await _check_file(Path(request.source), expected)
            yield _at(pb.ADD_PHASE_CONVERTING)
            yield await self._convert(pb.ImportModelRequest(path=request.source, name=request.name), context)
            return
        wanted = self._wanted(request, expected)
        await asyncio.to_thread(self._check_new, wanted)
        await asyncio.to_thread(self.sweep)
        download = self._begin(wanted, context)
        async with aclosing(download.run()) as steps:
            async for progress in steps:
                yield _downloading(progress)
        if not wanted.sha256:
            self._check_unchanged(wanted, download)
        yield _at(pb.ADD_PHASE_CONVERTING, await asyncio.to_thread(lambda: download.file.stat().st_size))
        answer = await self._convert_download(wanted, download, context)
        if self._hashes.record(wanted.url, download.sha256) and not wanted.sha256:
            remembered = f"Its sha256 is {download.sha256}; should the file ever change, adding it again is refused."
            yield pb.AddModelResponse(notice=remembered)
        yield answer

    def sweep(self) -> None:
        """Removes downloads that were given up long ago."""
        sweep(self._folder, spare=self._running)

    def _wanted(self, request: pb.AddModelRequest, sha256: str) -> Wanted:
        """What the caller asks for."""
        if "://" in request.source:
            to_fetch(request.source)  # or raise
            job = pb.ImportModelRequest(
                name=request.name or model_name(request.source), provenance=f"downloaded from {shown(request.source)}"
            )
            return Wanted(request.source, request.source, job, sha256=sha256)
        entry = catalogue.find(request.source)
        if not request.licence_accepted:
            raise PreconditionFailed(
                "LICENCE_NOT_ACCEPTED",
                f"{entry.name} is under the licence: {entry.licence}.",
                f"Read {entry.licence_url} and, if you agree, accept it (--accept-licence).",
            )
        address = entry.address(request.mirror or self._config.download_mirror)
        way = "" if address == entry.url else f", downloaded from {shown(to_fetch(address))}"
        job = pb.ImportModelRequest(
            name=request.name or entry.name,
            licence=entry.licence,
            provenance=entry.provenance + way,
            domain=entry.domain,
        )
        # Who names a hash of their own wants that file, whatever the catalogue's has.
        size = 0 if sha256 else entry.size
        return Wanted(entry.url, address, job, size, sha256 or entry.sha256, entry.kind == "features")

    def _check_new(self, wanted: Wanted) -> None:
        """Before anything is downloaded: could it be kept?"""
        if not wanted.features:
            self._store.check_new(wanted.job.name)
        elif self._features_file(wanted.job.name).is_file():
            raise PreconditionFailed("MODEL_EXISTS", f"{wanted.job.name} is there already.", "There is nothing to do.")

    def _begin(self, wanted: Wanted, context: Context) -> Download:
        """The download, which nobody else can begin until the call ends."""
        from latentlayers.checkpoints.download.fetch import Download, DownloadSettings

        config = self._config
        settings = DownloadSettings(
            pause_s=config.download_pause_s, idle_s=config.download_idle_s, proxy=config.download_proxy
        )
        download = Download(wanted.address, self._folder, settings, size=wanted.size, sha256=wanted.sha256)
        file = download.file
        if file in self._running:
            raise PreconditionFailed(
                "DOWNLOAD_RUNNING",
                f"{shown(wanted.address)} is being downloaded already.",
                "Wait until it is done, or cancel the other call first.",
            )
        self._running.add(file)
        # Runs however the call ends, unlike a `finally` here: see `Calls.stream`.
        context.add_done_callback(lambda _: self._running.discard(file))  # type: ignore[arg-type]
        log.info("downloading %s", shown(wanted.address))
        return download

    def _check_unchanged(self, wanted: Wanted, download: Download) -> None:
        try:
            self._hashes.check(wanted.url, download.sha256)
        except LatentLayersError:
            download.discard()
            raise

    async def _convert_download(self, wanted: Wanted, download: Download, context: Context) -> pb.AddModelResponse:
        job = pb.ImportModelRequest()
        job.CopyFrom(wanted.job)
        job.path = str(download.file)
        try:
            if wanted.features:
                made = await self._calls.single("ImportFeatures", job, context, pb.ImportModelResponse)
                answer = pb.AddModelResponse(model=made.model)
            else:
                answer = await self._convert(job, context)
        except LatentLayersError as error:
            # Other failures may pass, and need no second download. A damaged file has to be fetched anew, and one that
            # is no model, which may mean harm, is not kept.
            if error.reason in _OF_NO_USE:
                download.discard()
            raise
        # The converted file holds all that is used of it, and training files are three times as large.
        download.discard()
        return answer

    async def _convert(self, job: pb.ImportModelRequest, context: Context) -> pb.AddModelResponse:
        made = await self._calls.single("ImportModel", job, context, pb.ImportModelResponse)
        entry = await asyncio.to_thread(self._store.get, made.model.name)
        return pb.AddModelResponse(model=model_to_proto(entry, loaded=False))

    def _installed(self, entry: CatalogueEntry, models: tuple[ModelEntry, ...]) -> bool:
        if entry.kind == "features":
            return self._features_file(entry.name).is_file()
        # Not by name, which people may choose.
        return any(entry.url in model.provenance for model in models)

    def _features_file(self, name: str) -> Path:
        return self._store.features_folder / f"{name}{SAFETENSORS}"


def _checked_sha256(text: str) -> str:
    sha256 = text.strip().lower()
    if sha256 and not _SHA256.fullmatch(sha256):
        raise InvalidInput("SHA256_INVALID", f"{text!r:.80} is not a sha256.", "Give its 64 hexadecimal digits.")
    return sha256


async def _check_file(file: Path, expected: str) -> None:
    found = await asyncio.to_thread(digest, file)
    if found != expected:
        raise PreconditionFailed(
            "FILE_HASH_WRONG", f"{file} has the sha256 {found} instead of {expected}.", "Use the file that was meant."
        )


def _at(phase: pb.AddPhase, size: int = 0) -> pb.AddModelResponse:
    return pb.AddModelResponse(progress=pb.AddProgress(phase=phase, bytes=size, total=size, eta_seconds=-1))


def _downloading(progress: Progress) -> pb.AddModelResponse:
    return pb.AddModelResponse(
        progress=pb.AddProgress(
            phase=_PHASES[progress.phase],
            bytes=progress.bytes,
            total=progress.total,
            eta_seconds=-1 if progress.eta_s is None else progress.eta_s,
            attempt=progress.attempt,
        )
    )


def _to_proto(entry: CatalogueEntry, installed: bool) -> pb.CatalogueEntry:
    return pb.CatalogueEntry(
        name=entry.name,
        kind=_KINDS[entry.kind],
        title=f"{entry.title}, by {entry.by}",
        family=entry.family,
        resolution=entry.resolution,
        url=entry.url,
        size=entry.size,
        sha256=entry.sha256,
        licence=entry.licence,
        licence_url=entry.licence_url,
        installed=installed,
        file=entry.file,
    )
