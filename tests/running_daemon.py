"""A daemon of the test's own, and the plain gRPC stubs to talk to it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import psutil
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from latentlayers.paths import Paths
from latentlayers.v1 import daemon_service_pb2 as pb
from latentlayers.v1 import (
    daemon_service_pb2_grpc,
    editing_service_pb2_grpc,
    embedding_service_pb2_grpc,
    model_service_pb2_grpc,
)

SCRIPT = Path(__file__).with_name("daemon_process.py")
PATIENCE_S = 120.0  # of a busy machine; what goes well does not wait for it to pass
T = TypeVar("T")


def eventually(what: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """The first true value of `what()`."""
    until = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < until, f"it did not happen within {seconds} s"
        time.sleep(0.02)
    return value


class RunningDaemon:
    """A daemon process with its files under `home`; `settings` are fields of `ServiceConfig`.

    Attributes:
        address: where it listens.
        channel: an open connection; and the stubs on it.
    """

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home, self.paths = home, Paths.under(home)
        home.mkdir(parents=True, exist_ok=True)
        self.output = home / "output.txt"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), json.dumps({"home": str(home), **settings}, default=str)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=home,
            )
        try:
            self.address = self._wait_for_address()
            self.connect(grpc.insecure_channel(self.address, LIMITS))
        except BaseException:
            self.process.kill()
            raise

    def connect(self, channel: grpc.Channel) -> None:
        """Makes the stubs use `channel` from now on."""
        self.channel = channel
        self.daemon = daemon_service_pb2_grpc.DaemonServiceStub(channel)
        self.editing = editing_service_pb2_grpc.EditingServiceStub(channel)
        self.embeddings = embedding_service_pb2_grpc.EmbeddingServiceStub(channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)

    @property
    def status(self) -> pb.GetStatusResponse:
        return self.daemon.GetStatus(pb.GetStatusRequest(), timeout=PATIENCE_S)

    def is_serving(self, service: str) -> bool:
        answer = self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def wait_for_exit(self) -> int:
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Ends the daemon, whatever state it is in."""
        if hasattr(self, "channel"):
            self.channel.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.home not in self.paths.runtime.parents:  # a stand-in, where a socket in `home` is not possible
            shutil.rmtree(self.paths.runtime, ignore_errors=True)

    def _wait_for_address(self) -> str:
        def announced() -> str:
            assert self.process.poll() is None, self.output.read_text()
            try:
                announcement = json.loads(self.paths.address_file.read_text())
            except (OSError, ValueError):
                return ""
            return str(announcement["address"]) if announcement["pid"] == self.process.pid else ""

        return eventually(announced)


# Makes a daemon of the test's own: the fixture `start_daemon`.
StartDaemon = Callable[..., RunningDaemon]

LIMITS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def details(error: grpc.RpcError) -> tuple[str, dict[str, str], float | None]:
    """(reason, metadata, seconds after which to retry) of a failed call."""
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert status.message == error.details()
    info, retry, found = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo(), None
    for detail in status.details:
        if detail.Unpack(retry):
            found = retry.retry_delay.ToMilliseconds() / 1000
        else:
            assert detail.Unpack(info)
    assert info.domain == "latentlayers"
    return info.reason, dict(info.metadata), found


def reason(error: grpc.RpcError) -> str:
    return details(error)[0]
