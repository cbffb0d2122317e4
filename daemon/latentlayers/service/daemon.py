"""DaemonService: what the front knows about itself and the worker, without starting one."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import grpc.aio
import psutil

from latentlayers import __version__
from latentlayers.paths import Paths
from latentlayers.service.config import ServiceConfig
from latentlayers.service.scheduler import Scheduler
from latentlayers.service.supervisor import Supervisor
from latentlayers.v1 import daemon_service_pb2 as pb
from latentlayers.v1 import daemon_service_pb2_grpc as rpc

# Counted up with every addition to the contract.
PROTOCOL = 1

Context = grpc.aio.ServicerContext[Any, Any]


class DaemonServicer(rpc.DaemonServiceServicer):
    """See the .proto file.

    Args:
        address: where the daemon listens.
        stop: set when somebody asks the daemon to stop.
    """

    def __init__(
        self,
        config: ServiceConfig,
        paths: Paths,
        address: str,
        scheduler: Scheduler,
        supervisor: Supervisor,
        stop: asyncio.Event,
    ) -> None:
        self._config, self._paths, self._address = config, paths, address
        self._scheduler, self._supervisor, self._stop = scheduler, supervisor, stop
        self._started = time.monotonic()

    async def GetStatus(self, request: pb.GetStatusRequest, context: Context) -> pb.GetStatusResponse:
        worker = self._supervisor.status
        return pb.GetStatusResponse(
            version=__version__,
            protocol=PROTOCOL,
            front_pid=os.getpid(),
            worker_pid=worker.pid,
            worker_state=worker.state,
            device=worker.device,
            front_memory_bytes=_resident(os.getpid()),
            worker_memory_bytes=_resident(worker.pid) if worker.pid else 0,
            device_memory_bytes=worker.device_memory,
            loaded_models=worker.models,
            queue_length=self._scheduler.queue_length,
            queue_limit=self._config.queue_limit,
            uptime_seconds=time.monotonic() - self._started,
            idle_unload_in_seconds=self._supervisor.idle_unload_in_s,
            max_message_bytes=self._config.max_message_bytes,
            torch_version=worker.torch,
            data_folder=str(self._paths.data),
            worker_restarts=worker.restarts,
            address=self._address,
        )

    async def Stop(self, request: pb.StopRequest, context: Context) -> pb.StopResponse:
        self._stop.set()
        return pb.StopResponse()


def _resident(pid: int) -> int:
    """Resident memory in bytes; 0 if the process is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
