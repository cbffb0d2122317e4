"""Has the checkpoints in the models folder converted, without anybody asking and without getting in anybody's way."""

from __future__ import annotations

import asyncio
import logging

from latentlayers.errors import Kind, LatentLayersError
from latentlayers.library.conversions import STILL_S, is_growing
from latentlayers.library.models import ModelEntry
from latentlayers.service.calls import Calls
from latentlayers.service.catalogue import Catalogue, Listing
from latentlayers.v1 import model_service_pb2 as pb

log = logging.getLogger(__name__)

# The first time may be somebody else's doing; a file that takes the worker with it twice does not get a third try.
ATTEMPTS = 2


class Converter:
    """Gives the worker one waiting checkpoint after the other, each once: the next try is for a changed file."""

    def __init__(self, catalogue: Catalogue, calls: Calls) -> None:
        self._catalogue, self._calls = catalogue, calls

    async def run(self) -> None:
        """Does so until it is cancelled or the daemon stops."""
        try:
            await self._catalogue.retry_conversions()
            async for listing in self._catalogue.changes():
                waiting = _waiting(listing)
                while waiting and not (ready := [entry for entry in waiting if not is_growing(entry.stamp)]):
                    await asyncio.sleep(STILL_S)
                    await self._catalogue.refresh()  # they are no longer listed as being copied
                    waiting = _waiting(await self._catalogue.listing())
                if waiting:
                    await self._convert(ready[0])
                    await self._catalogue.refresh()
                else:
                    await self._catalogue.purge()
        except LatentLayersError as error:
            log.info("the models folder is left alone: %s", error)
        except Exception:
            log.exception("the models folder is left alone")

    async def _convert(self, entry: ModelEntry) -> None:
        request = pb.ImportModelRequest(path=str(entry.checkpoint), name=entry.name)
        log.info("%s is converted to the model %s", entry.checkpoint, entry.name)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._calls.chore("ConvertModel", request, pb.ImportModelResponse)
            except LatentLayersError as error:
                log.info("%s is not converted: %s", entry.checkpoint, error)
                if error.kind is Kind.UNAVAILABLE and attempt < ATTEMPTS:
                    continue
                # Want of room, or of a worker that starts, is not the file's fault.
                lasting = error.kind is Kind.INVALID or error.reason in ("WORKER_DIED", "INTERNAL")
                problem = f"{error.message} {error.remedy}"
                await self._catalogue.conversion_failed(entry, problem, lasting=lasting)
            return


def _waiting(listing: Listing) -> list[ModelEntry]:
    return [entry for entry in listing.entries if entry.converting]
