"""Finding and reaching the daemon, over the wire: health, reflection, status, one instance, TCP, limits, footprint."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from latentlayers import __version__
from latentlayers.errors import InvalidInput
from latentlayers.paths import Paths
from latentlayers.service.config import ServiceConfig, endpoint
from latentlayers.v1 import daemon_service_pb2 as pb
from latentlayers.v1 import editing_service_pb2 as editing
from latentlayers.v1 import latent_pb2, model_service_pb2
from library_samples import model_file
from running_daemon import PATIENCE_S, SCRIPT, RunningDaemon, StartDaemon, details, eventually, reason

SERVING = health_pb2.HealthCheckResponse.SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = [f"latentlayers.v1.{name}Service" for name in ("Daemon", "Editing", "Embedding", "Model")]
CAPABILITIES = [f"latentlayers.{name}" for name in ("embed", "render", "morph", "crossover", "expression", "direction")]

posix_only = pytest.mark.skipif(os.name != "posix", reason="unix sockets and modes")


def serve_again(daemon: RunningDaemon, **settings: Any) -> subprocess.CompletedProcess[str]:
    """A second daemon with the same home; returns when it has ended."""
    command = [sys.executable, str(SCRIPT), json.dumps({"home": str(daemon.home), **settings})]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def serve_here(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The program as people start it; returns when it has ended."""
    command = [sys.executable, "-m", "latentlayers.service", "--home", str(home), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)


def with_token(daemon: RunningDaemon, token: str | None = None) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {daemon.paths.token_file.read_text() if token is None else token}")]


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_says_that_every_service_is_serving(daemon: RunningDaemon, service: str) -> None:
    assert daemon.is_serving(service)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_a_capability_is_serving_once_there_is_a_usable_model(start_daemon: StartDaemon, capability: str) -> None:
    daemon = start_daemon()
    watch = daemon.health.Watch(health_pb2.HealthCheckRequest(service=capability), timeout=PATIENCE_S)
    next(watch)
    model_file(daemon.paths.models / "tiny" / "generator.safetensors")
    eventually(lambda: daemon.is_serving(capability))


def test_what_is_not_offered_is_unknown_to_health(daemon: RunningDaemon) -> None:
    request = health_pb2.HealthCheckRequest(service="latentlayers.inpaint")
    with pytest.raises(grpc.RpcError) as caught:
        daemon.health.Check(request, timeout=PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert next(daemon.health.Watch(request, timeout=PATIENCE_S)).status == UNKNOWN


def test_watched_health_ends_with_not_serving_when_the_daemon_stops(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    watch = daemon.health.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    assert next(watch).status == SERVING
    daemon.daemon.Stop(pb.StopRequest(), timeout=PATIENCE_S)
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert daemon.wait_for_exit() == 0


def test_reflection_lists_all_services_and_describes_them(daemon: RunningDaemon) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(daemon.channel)

    def ask(**what: Any) -> reflection_pb2.ServerReflectionResponse:
        requests: Iterator[Any] = iter([reflection_pb2.ServerReflectionRequest(**what)])
        return next(stub.ServerReflectionInfo(requests, timeout=PATIENCE_S))

    listed = {service.name for service in ask(list_services="").list_services_response.service}
    assert listed == {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    files = ask(file_containing_symbol=SERVICES[1]).file_descriptor_response.file_descriptor_proto
    assert any(b"TransferExpression" in file for file in files)


def test_status_is_answered_without_starting_a_worker(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(queue_limit=7)
    status = daemon.status
    assert status.version == __version__
    assert status.protocol >= 1
    assert status.front_pid == daemon.process.pid
    assert status.worker_pid == 0
    assert status.worker_state == pb.WORKER_STATE_UNLOADED
    assert status.queue_limit == 7
    assert status.max_message_bytes > 4096 * 4096 * 4
    assert status.data_folder == str(daemon.paths.data)
    assert status.address == daemon.address
    assert daemon.status.worker_state == pb.WORKER_STATE_UNLOADED


def test_the_front_stays_small_and_free_of_torch_and_numpy(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.models.ListModels(model_service_pb2.ListModelsRequest(), timeout=PATIENCE_S)
    assert 0 < daemon.status.front_memory_bytes < 80_000_000
    maps = Path(f"/proc/{daemon.process.pid}/maps")
    if maps.exists():
        loaded = maps.read_text()
        assert "libtorch" not in loaded
        assert "/numpy/" not in loaded


def test_importing_the_front_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, latentlayers.service.main\n"
        "sys.exit(str({'torch', 'numpy', 'PIL', 'safetensors'} & set(sys.modules) or ''))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S)
    assert run.stderr.strip() == ""


def test_a_second_daemon_says_where_the_first_one_listens_and_exits_with_0(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    second = serve_again(daemon)
    assert second.returncode == 0
    assert daemon.address in second.stdout
    assert str(daemon.process.pid) in second.stdout
    assert daemon.is_serving("")


def test_many_daemons_started_at_once_leave_exactly_one(start_daemon: StartDaemon, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), json.dumps({"home": str(tmp_path / "home")})]
    others = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    paths = Paths.under(tmp_path / "home")
    try:
        eventually(lambda: sum(process.poll() is None for process in others) == 1 and paths.address_file.exists())
        (winner,) = (process for process in others if process.poll() is None)
        assert {process.returncode for process in others if process is not winner} == {0}
        assert json.loads(paths.address_file.read_text())["pid"] == winner.pid
    finally:
        for process in others:
            process.terminate()
            process.wait(PATIENCE_S)


def test_a_daemon_that_was_killed_does_not_stand_in_the_way_of_the_next(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    first.process.kill()
    first.wait_for_exit()
    assert first.paths.address_file.exists()
    second = start_daemon()
    assert second.is_serving("")
    assert second.status.front_pid == second.process.pid


def test_a_daemon_started_while_another_one_stops_takes_its_place(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    first.process.send_signal(signal.SIGTERM)
    # It goes on holding the lock for its farewell.
    eventually(lambda: not first.paths.address_file.exists())
    assert start_daemon().is_serving("")


@posix_only
def test_socket_and_files_are_private(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    assert daemon.address == f"unix:{daemon.paths.socket}"
    assert stat.S_IMODE(daemon.paths.socket.stat().st_mode) == 0o600
    for folder in (daemon.paths.runtime, daemon.paths.state, daemon.paths.data):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for item in daemon.paths.state.rglob("*"):
        assert stat.S_IMODE(item.stat().st_mode) == (0o700 if item.is_dir() else 0o600)


@posix_only
@pytest.mark.parametrize("name", ["with blanks", "ünïcode 日本", "a#b", "a?b", "a%20b"])
def test_a_daemon_can_live_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    daemon = RunningDaemon(tmp_path / name)
    try:
        assert daemon.is_serving("")
        assert daemon.paths.socket.exists()
        assert [path.name for path in tmp_path.iterdir()] == [name]
    finally:
        daemon.close()


@posix_only
def test_a_runtime_folder_that_is_open_to_others_is_refused(tmp_path: Path) -> None:
    config = ServiceConfig(home=tmp_path / "home")
    config.paths.ensure()
    config.paths.runtime.chmod(0o755)
    run = serve_here(tmp_path / "home")
    assert run.returncode == 3
    assert str(config.paths.runtime) in run.stderr


def test_tcp_refuses_callers_without_the_token_and_serves_those_with_it(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(listen="127.0.0.1:0")
    request = pb.GetStatusRequest()
    for metadata in ([], with_token(daemon, ""), with_token(daemon, "wrong")):
        with pytest.raises(grpc.RpcError) as caught:
            daemon.daemon.GetStatus(request, metadata=metadata, timeout=PATIENCE_S)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert reason(caught.value) == "TOKEN_REFUSED"
        with pytest.raises(grpc.RpcError) as caught:
            list(daemon.editing.Render(editing.RenderRequest(), metadata=metadata, timeout=PATIENCE_S))
        assert reason(caught.value) == "TOKEN_REFUSED"
        with pytest.raises(grpc.RpcError) as caught:
            daemon.health.Check(health_pb2.HealthCheckRequest(), metadata=metadata, timeout=PATIENCE_S)
        assert reason(caught.value) == "TOKEN_REFUSED"
    status = daemon.daemon.GetStatus(request, metadata=with_token(daemon), timeout=PATIENCE_S)
    assert status.address == daemon.address
    assert not status.address.endswith(":0")


def test_the_token_is_kept_and_private(start_daemon: StartDaemon) -> None:
    first = start_daemon(listen="127.0.0.1:0")
    token = first.paths.token_file.read_text()
    assert len(token) >= 32
    if os.name == "posix":
        assert stat.S_IMODE(first.paths.token_file.stat().st_mode) == 0o600
    assert json.loads(first.paths.address_file.read_text())["token_file"] == str(first.paths.token_file)
    first.close()
    assert start_daemon(listen="127.0.0.1:0").paths.token_file.read_text() == token


def test_two_daemons_cannot_share_a_port(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon(listen="127.0.0.1:0")
    run = serve_here(tmp_path / "another home", "--listen", daemon.address)
    assert run.returncode == 3
    assert daemon.address in run.stderr


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"listen": "0.0.0.0:50061"}, "ADDRESS_UNSAFE"),
        ({"listen": "[::]:50061"}, "ADDRESS_UNSAFE"),
        ({"listen": "example.org:50061"}, "ADDRESS_UNSAFE"),
        ({"listen": "50061"}, "ADDRESS_INVALID"),
        ({"listen": "127.0.0.1:http"}, "ADDRESS_INVALID"),
        ({"listen": "127.0.0.1:65536"}, "ADDRESS_INVALID"),
        ({"listen": "0.0.0.0:0", "tls_certificate": Path("missing.pem")}, "TLS_INCOMPLETE"),
    ],
)
def test_unsafe_and_impossible_addresses_are_refused(tmp_path: Path, settings: dict[str, Any], expected: str) -> None:
    config = ServiceConfig(home=tmp_path, **settings)
    with pytest.raises(InvalidInput) as caught:
        endpoint(config, config.paths)
    assert caught.value.reason == expected


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    run = serve_here(tmp_path, "--listen", "0.0.0.0:0", "--tls-certificate", "missing.pem", "--tls-key", "missing.pem")
    assert run.returncode == 3
    assert "missing.pem" in run.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")
def test_tls_makes_tcp_usable_beyond_loopback(start_daemon: StartDaemon, tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    daemon = start_daemon(listen="0.0.0.0:0", tls_certificate=certificate, tls_key=key)
    port = daemon.address.rpartition(":")[2]
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    daemon.connect(grpc.secure_channel(f"localhost:{port}", credentials))
    status = daemon.daemon.GetStatus(pb.GetStatusRequest(), metadata=with_token(daemon), timeout=PATIENCE_S)
    assert status.front_pid == daemon.process.pid
    assert json.loads(daemon.paths.address_file.read_text())["tls_certificate"] == str(certificate)


@pytest.mark.parametrize("size", [1_000_001, 3_000_000], ids=["a little", "much"])
def test_a_message_above_the_limit_is_refused_with_its_size_and_the_limit(start_daemon: StartDaemon, size: int) -> None:
    daemon = start_daemon(max_message_bytes=1_000_000)
    request = editing.RenderRequest(source=latent_pb2.Source(embedding_id="x" * size))
    with pytest.raises(grpc.RpcError) as caught:
        list(daemon.editing.Render(request, timeout=PATIENCE_S))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(request.ByteSize()) in (caught.value.details() or "")
    if size < 2_000_000:  # above that it is gRPC that refuses
        code, metadata, _ = details(caught.value)
        assert code == "MESSAGE_TOO_LARGE"
        assert metadata["remedy"]
    assert daemon.is_serving("")


def test_an_unknown_call_is_unimplemented(daemon: RunningDaemon) -> None:
    call = daemon.channel.unary_unary("/latentlayers.v1.EditingService/Inpaint")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
