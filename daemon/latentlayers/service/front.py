"""The front: server, services, scheduler and supervisor put together, started and stopped in order."""

from __future__ import annotations

import asyncio
import logging

from latentlayers.errors import LatentLayersError
from latentlayers.library.models import ModelStore
from latentlayers.paths import Paths
from latentlayers.service import server as servers
from latentlayers.service.calls import Calls
from latentlayers.service.catalogue import Catalogue
from latentlayers.service.config import Endpoint, ServiceConfig
from latentlayers.service.conversions import Converter
from latentlayers.service.daemon import DaemonServicer
from latentlayers.service.downloads import Downloads
from latentlayers.service.editing import EditingServicer
from latentlayers.service.embeddings import EmbeddingServicer
from latentlayers.service.models import ModelServicer
from latentlayers.service.scheduler import Scheduler, stopping
from latentlayers.service.supervisor import Supervisor
from latentlayers.v1 import (
    daemon_service_pb2_grpc,
    editing_service_pb2_grpc,
    embedding_service_pb2_grpc,
    model_service_pb2_grpc,
)

log = logging.getLogger(__name__)

# Streams that never end by themselves (health's Watch) are cut off this long after the others were told.
FAREWELL_S = 0.5


class Front:
    """A running daemon: made, started and stopped once.

    Args:
        token: see `Guard`.
        stop: set when a caller asks the daemon to stop.

    Raises:
        As `server.bind`.
    """

    def __init__(self, config: ServiceConfig, paths: Paths, where: Endpoint, token: str, stop: asyncio.Event) -> None:
        store = ModelStore(paths)
        self._catalogue = Catalogue(store)
        self._supervisor = Supervisor(config, paths.state)
        self._scheduler = Scheduler(self._supervisor, limit=config.queue_limit, most_bytes=config.queue_bytes)
        self._embeddings = EmbeddingServicer(paths.library, store)
        self._server = servers.make_server(config, token)
        self._health = servers.add_health_and_reflection(self._server)
        self.address = servers.bind(self._server, where, config)
        calls = Calls(self._scheduler, config.outbox_bytes)
        daemon = DaemonServicer(config, paths, self.address, self._scheduler, self._supervisor, stop)
        self._downloads = Downloads(config, paths, store, calls)
        models = ModelServicer(self._catalogue, calls, self._supervisor, self._downloads)
        add = daemon_service_pb2_grpc.add_DaemonServiceServicer_to_server
        add(daemon, self._server)  # type: ignore[no-untyped-call]
        add = editing_service_pb2_grpc.add_EditingServiceServicer_to_server
        add(EditingServicer(calls), self._server)  # type: ignore[no-untyped-call]
        add = embedding_service_pb2_grpc.add_EmbeddingServiceServicer_to_server
        add(self._embeddings, self._server)  # type: ignore[no-untyped-call]
        add = model_service_pb2_grpc.add_ModelServiceServicer_to_server
        add(models, self._server)  # type: ignore[no-untyped-call]
        self._converter = Converter(self._catalogue, calls)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Answers calls from now on."""
        await servers.set_services(self._health)
        await servers.set_capabilities(self._health, usable=False)
        await asyncio.to_thread(self._downloads.sweep)
        await self._server.start()
        self._tasks = [asyncio.create_task(self._watch_models()), asyncio.create_task(self._converter.run())]

    async def stop(self) -> None:
        """Ends all calls with DAEMON_STOPPING, and the worker. Returns when both are done."""
        for task in self._tasks:
            task.cancel()
        await self._health.enter_graceful_shutdown()
        self._scheduler.stop()
        await self._catalogue.close(stopping())
        await asyncio.gather(self._server.stop(FAREWELL_S), self._supervisor.stop())
        self._embeddings.close()

    async def _watch_models(self) -> None:
        """Keeps the capabilities' health true."""
        try:
            await self._catalogue.watch()
            async for listing in self._catalogue.changes():
                await servers.set_capabilities(self._health, usable=listing.usable)
        except LatentLayersError as error:
            log.error("the models folder is not watched: %s", error)
