"""The client finds the daemon, starts it if there is none, and says plainly when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from latentlayers.client import Client
from latentlayers.client.address import Endpoint, announced_endpoint, given_endpoint, parse_address
from latentlayers.errors import InvalidInput, LatentLayersError, NotFound, Unavailable
from latentlayers.paths import Paths
from running_daemon import RunningDaemon, eventually, is_running

NOBODY = "127.0.0.1:1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user without a daemon; what is started for it is stopped again."""
    home = tmp_path / "home"
    monkeypatch.setenv("LATENTLAYERS_HOME", str(home))
    monkeypatch.delenv("LATENTLAYERS_ADDRESS", raising=False)
    yield home
    monkeypatch.delenv("LATENTLAYERS_ADDRESS", raising=False)  # a test may have set it to another's daemon
    try:
        with Client(start=False) as client:
            pid = client.status().front_pid
            client.stop()
        psutil.Process(pid).wait(30)
    except (Unavailable, psutil.NoSuchProcess):
        pass


def test_a_client_starts_the_daemon_and_the_next_one_finds_it(home: Path) -> None:
    with Client() as first, Client() as second:
        assert first.status().front_pid == second.status().front_pid
        assert first.status().data_folder == str(Paths.under(home).data)
        assert first.address == second.address == first.status().address


def test_the_daemon_outlives_the_program_that_started_it(home: Path) -> None:
    program = "from latentlayers.client import Client; print(Client().status().front_pid)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    pid = int(done.stdout)
    assert is_running(pid)
    if os.name == "posix":  # Ctrl-C in the program's terminal must not reach it
        assert os.getsid(pid) == pid
    with Client(start=False) as client:
        assert client.status().front_pid == pid


def test_clients_that_start_at_once_get_one_daemon(home: Path) -> None:
    def pid(_: int) -> int:
        with Client() as client:
            return client.status().front_pid

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(pid, range(4)))) == 1


def test_without_a_daemon_and_without_start_it_says_so(home: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        Client(start=False)
    assert caught.value.reason == "DAEMON_NOT_RUNNING"
    assert "latentlayers serve" in caught.value.remedy
    assert not home.exists()


def test_a_daemon_that_was_killed_is_replaced(home: Path) -> None:
    with Client() as client:
        pid = client.status().front_pid
    psutil.Process(pid).kill()
    eventually(lambda: not is_running(pid))
    assert Paths.under(home).address_file.exists()  # what it left behind
    with Client() as client:
        assert client.status().front_pid != pid


def test_a_stopped_daemon_is_gone_and_started_again_when_needed(home: Path) -> None:
    with Client() as client:
        pid = client.status().front_pid
        client.stop()
    with Client() as client:  # at once: it waits for the other's end
        assert client.status().front_pid != pid


def test_a_daemon_that_cannot_start_is_explained(home: Path) -> None:
    paths = Paths.under(home)
    paths.ensure()
    paths.library.rmdir()
    paths.library.write_text("not a folder")
    with pytest.raises(LatentLayersError) as caught:
        Client()
    assert caught.value.reason in ("DAEMON_START_FAILED", "LIBRARY_WRITE_FAILED")
    assert str(paths.library) in str(caught.value)


def test_an_address_that_nobody_listens_at_is_unreachable(home: Path, tmp_path: Path) -> None:
    for address in (NOBODY, f"unix:{tmp_path}/none.sock", str(tmp_path / "none.sock")):
        with pytest.raises(Unavailable) as caught:
            Client(address)
        assert caught.value.reason == "DAEMON_UNREACHABLE"
        assert caught.value.remedy
    assert not home.exists()


def test_the_environment_may_name_the_daemon(
    home: Path, daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENTLAYERS_ADDRESS", daemon.address)
    with Client() as client:
        assert client.status().front_pid == daemon.process.pid
    assert not home.exists()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("unix:/run/x.sock", "unix:/run/x.sock"),
        ("/run/x.sock", "unix:/run/x.sock"),
        ("localhost:50061", "localhost:50061"),
        ("[::1]:50061", "[::1]:50061"),
    ],
)
def test_addresses_are_read(text: str, target: str) -> None:
    assert parse_address(text) == target


@pytest.mark.parametrize("text", ["", "bogus", "unix:", "host:", "host:0", "host:70000", ":50", "http://x/y", "x:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_address(text)
    assert caught.value.reason == "ADDRESS_INVALID"


def test_over_tcp_the_token_is_found_and_without_it_nothing_is_answered(
    start_daemon: Callable[..., RunningDaemon], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running = start_daemon(listen="127.0.0.1:0")
    monkeypatch.setenv("LATENTLAYERS_HOME", str(running.home))
    monkeypatch.delenv("LATENTLAYERS_ADDRESS", raising=False)
    for address in (None, running.address):
        with Client(address, start=False) as client:
            assert client.address == running.address
            assert list(client.embeddings.list()) == []
            assert client.endpoint.token_file == running.paths.token_file
            assert next(client.models.watch()).models == client.models.list().models
    token = running.paths.token_file.read_text()
    monkeypatch.setenv("LATENTLAYERS_HOME", str(tmp_path / "stranger"))
    with pytest.raises(LatentLayersError) as caught:
        Client(running.address)
    assert caught.value.reason == "TOKEN_REFUSED"
    monkeypatch.setenv("LATENTLAYERS_TOKEN", token)
    with Client(running.address) as client:
        assert client.status().front_pid == running.process.pid


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_over_tls_the_announced_certificate_is_trusted(
    start_daemon: Callable[..., RunningDaemon], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=studio", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    running = start_daemon(listen="0.0.0.0:0", tls_certificate=certificate, tls_key=key)
    monkeypatch.setenv("LATENTLAYERS_HOME", str(running.home))
    monkeypatch.delenv("LATENTLAYERS_ADDRESS", raising=False)
    with Client(start=False) as client:
        assert client.status().front_pid == running.process.pid
    by_name = f"localhost:{running.address.rpartition(':')[2]}"
    monkeypatch.setenv("LATENTLAYERS_TLS_CERTIFICATE", str(certificate))
    with Client(by_name) as client:
        assert client.status().front_pid == running.process.pid
    monkeypatch.delenv("LATENTLAYERS_TLS_CERTIFICATE")
    with pytest.raises(Unavailable):
        Client(by_name)


def test_the_token_is_never_shown_to_another_machine(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.ensure()
    paths.token_file.write_text("secret")
    for address in ("unix:/x.sock", "example.org:50061"):
        assert given_endpoint(address, paths, {}) == Endpoint(address)
    for address in ("127.0.0.1:9", "localhost:9", "[::1]:9"):
        endpoint = given_endpoint(address, paths, {})
        assert endpoint is not None
        assert endpoint.token == "secret"
        assert "secret" not in repr(endpoint)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"address": 5}', '{"address": "bogus"}', "\xff", "{" * 9999])
def test_a_damaged_announcement_counts_as_none(tmp_path: Path, content: str) -> None:
    paths = Paths.under(tmp_path)
    paths.ensure()
    paths.address_file.write_text(content, "latin-1")
    assert announced_endpoint(paths) is None


def test_one_client_serves_many_threads(daemon: RunningDaemon) -> None:
    with Client(daemon.address) as client, ThreadPoolExecutor(8) as pool:
        pids = pool.map(lambda _: client.status().front_pid, range(40))
        assert set(pids) == {daemon.process.pid}


def test_health_is_checked_and_watched(daemon: RunningDaemon) -> None:
    with Client(daemon.address) as client:
        assert client.health_check() == "SERVING"
        assert client.health_check("latentlayers.v1.EditingService") == "SERVING"
        watching = client.watch()
        assert next(watching) == "SERVING"
        watching.close()
        with pytest.raises(NotFound):
            client.health_check("no.such.Service")


def test_nothing_loaded_can_be_unloaded(start_daemon: Callable[..., RunningDaemon]) -> None:
    with Client(start_daemon().address) as client:
        client.models.unload()
        assert client.status().worker_state == "unloaded"


def test_a_call_after_the_daemon_has_gone_is_unreachable(start_daemon: Callable[..., RunningDaemon]) -> None:
    running = start_daemon()
    with Client(running.address) as client:
        running.process.kill()
        running.process.wait()
        with pytest.raises(Unavailable) as caught:
            client.status()
        assert caught.value.reason == "DAEMON_UNREACHABLE"


def test_unknown_names_are_refused_with_a_remedy(daemon: RunningDaemon) -> None:
    with Client(daemon.address) as client:
        for call, reason in (
            (lambda: client.models.get("nobody"), "MODEL_UNKNOWN"),
            (lambda: client.embeddings.get("0123456789ab"), "EMBEDDING_UNKNOWN"),
            (lambda: client.embeddings.delete("0123456789ab"), "EMBEDDING_UNKNOWN"),
        ):
            with pytest.raises(NotFound) as caught:
                call()
            assert caught.value.reason == reason
            assert caught.value.remedy
            assert caught.value.remedy not in caught.value.message
