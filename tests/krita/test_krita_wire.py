"""The plugin's transport against real daemons, under both Qt bindings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from latentlayers import __version__
from latentlayers.client.address import given_endpoint
from latentlayers.paths import Paths
from latentlayers.service.daemon import PROTOCOL
from latentlayers.v1 import daemon_service_pb2 as pb
from latentlayers.v1 import daemon_service_pb2_grpc
from plugin_process import FAKE_WORKER, Client
from running_daemon import RunningDaemon, StartDaemon, eventually, is_running

LONG = "steps:100000:0.01"


def at(daemon: RunningDaemon) -> dict[str, str]:
    """The environment of a Krita whose user has this daemon."""
    return {"LATENTLAYERS_HOME": str(daemon.home)}


def was_cancelled(daemon: RunningDaemon) -> bool:
    return "CANCEL" in (daemon.home / "journal").read_text()


@pytest.fixture
def homeless(own_plugin_folder: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A user with the daemon installed and not running: arguments for `client`. What it starts is ended."""
    home = tmp_path / "home"
    installation = {"command": [sys.executable, "-m", "latentlayers.service"], "state": str(home / "state")}
    (own_plugin_folder / "latentlayers-daemon.json").write_text(json.dumps(installation))
    yield {"folder": own_plugin_folder, "environ": {"LATENTLAYERS_HOME": str(home)}}
    announcement = home / "state" / "daemon.json"
    if announcement.exists():
        pid = json.loads(announcement.read_text())["pid"]
        if is_running(pid) and "latentlayers.service" in psutil.Process(pid).cmdline():
            os.kill(pid, signal.SIGTERM)


def test_a_call_connects_and_is_answered_in_the_gui_thread(client: Client, obedient: RunningDaemon) -> None:
    said = client("unary", environ=at(obedient))
    assert said["before"] == [[], []]  # nothing comes before the control is back in the event loop
    assert said["end"] == "done"
    assert said["version"] == [__version__] == [said["status_version"]]
    assert said["in_gui_thread"]
    assert said["local"]
    assert said["states"] == [["connecting", ""], ["connected", ""]]


def test_a_stream_arrives_whole_and_in_order(client: Client, obedient: RunningDaemon) -> None:
    assert client("stream", words="steps:3:0 images:30:1000", environ=at(obedient)) == {
        "end": "done",
        "images": list(range(30)),
    }


def test_a_busy_gui_thread_loses_nothing(client: Client, obedient: RunningDaemon) -> None:
    assert client("stream", words="images:300:1000", busy=1.0, environ=at(obedient)) == {
        "end": "done",
        "images": list(range(300)),
    }


def test_cancelling_ends_one_call_here_and_at_the_daemon(client: Client, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER, cancel_grace_s=20.0)
    said = client("cancel", words=LONG, environ=at(daemon))
    assert said["finished"]
    assert said["end"]["reason"] == said["end"]["code"] == "CANCELLED"
    assert said["more"] == 0
    assert said["other"] == "done"
    eventually(lambda: was_cancelled(daemon))


def test_an_error_has_reason_sentence_and_remedy(client: Client, obedient: RunningDaemon) -> None:
    assert client("failure", words="steps:2:0 refuse", environ=at(obedient))["end"] == {
        "code": "INVALID_ARGUMENT",
        "reason": "WEIGHT_INVALID",
        "message": "The weight is infinite.",
        "remedy": "Use a finite one.",
        "retry_after": None,
    }


def test_a_full_queue_says_when_to_come_back(one_client: Client, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER, queue_limit=1)
    end = one_client("queue_full", environ=at(daemon))
    assert end["reason"] == "QUEUE_FULL"
    assert end["retry_after"] > 0


def test_a_deadline_is_kept(one_client: Client, obedient: RunningDaemon) -> None:
    end = one_client("failure", words=LONG, timeout=1.0, environ=at(obedient))["end"]
    assert end["code"] == "DEADLINE_EXCEEDED"
    assert end["remedy"]


def test_a_worker_that_dies_fails_the_call_and_not_the_next(client: Client, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER)
    said = client("failure", words="steps:2:0 die", then="steps:2:0", environ=at(daemon))
    assert said["end"]["reason"] == "WORKER_DIED"
    assert said["then"] == "done"


def test_a_daemon_killed_during_a_call_is_told(client: Client, start_daemon: StartDaemon) -> None:
    said = client("killed_daemon", words=LONG, environ=at(start_daemon(worker_command=FAKE_WORKER)))
    assert said["end"]["reason"] == "DAEMON_LOST"
    assert said["end"]["code"] == "UNAVAILABLE"
    assert said["states"] == [["connecting", ""], ["connected", ""], ["failed", "DAEMON_LOST"]]


def test_a_missing_daemon_is_started_and_its_death_noticed_while_idle(client: Client, homeless: dict[str, Any]) -> None:
    said = client("start_and_replace", **homeless)
    once = [["connecting", ""], ["starting", ""], ["connected", ""], ["failed", "DAEMON_LOST"]]
    assert said["states"] == once * 2
    assert len(set(said["pids"])) == 2


def test_calls_do_not_try_again_and_again_but_a_person_may(one_client: Client, homeless: dict[str, Any]) -> None:
    said = one_client("not_running", tries=4, **homeless)
    assert {end["reason"] for end in said["ends"]} == {"DAEMON_NOT_RUNNING"}
    failed = [["connecting", ""], ["failed", "DAEMON_NOT_RUNNING"]]
    assert said["attempts"] == failed
    assert said["asked"] == failed


def test_that_nobody_was_there_before_keeps_no_call_from_starting_the_daemon(
    one_client: Client, homeless: dict[str, Any]
) -> None:
    said = one_client("looked_for_before", times=3, **homeless)
    assert said["end"] == "done"
    assert "Fix" in said["remedy"]


def test_a_daemon_that_cannot_start_is_explained(one_client: Client, homeless: dict[str, Any]) -> None:
    state = Path(homeless["environ"]["LATENTLAYERS_HOME"]) / "state"
    command = [sys.executable, "-c", "import sys; sys.exit('The disk is upside down.')"]
    file = homeless["folder"] / "latentlayers-daemon.json"
    file.write_text(json.dumps({"command": command, "state": str(state)}))
    said = one_client("start", **homeless)
    assert said["states"][-1] == ["failed", "DAEMON_START_FAILED"]
    assert "The disk is upside down." in said["message"]
    assert str(state / "daemon-start.log") in said["remedy"]


def test_without_the_daemon_installed_it_says_so(one_client: Client, plugin_folder: Path, tmp_path: Path) -> None:
    environ = {"LATENTLAYERS_HOME": str(tmp_path / "home"), "PATH": str(tmp_path), "HOME": str(tmp_path)}
    said = one_client("start", environ=environ)
    assert said["states"][-1] == ["failed", "DAEMON_NOT_INSTALLED"]
    assert "bootstrap.py krita" in said["remedy"]
    assert one_client("connect", environ=environ)["code"] == "DAEMON_NOT_INSTALLED"  # a Fix button would not do


@pytest.mark.parametrize("variable", ["FLATPAK_ID", "SNAP_NAME"])
def test_from_a_sandbox_nothing_is_started(one_client: Client, homeless: dict[str, Any], variable: str) -> None:
    homeless["environ"][variable] = "org.kde.krita"
    said = one_client("start", **homeless)
    assert said["states"][-1] == ["failed", "DAEMON_NOT_RUNNING"]
    assert "sandbox" in said["message"]


def test_the_daemon_does_not_inherit_kritas_python_or_libraries(one_client: Client) -> None:
    environ = {
        "PYTHONPATH": "/krita/python",
        "PYTHONHOME": "/krita",
        "APPDIR": "/tmp/.mount_krita",
        "LD_LIBRARY_PATH": "/tmp/.mount_krita/usr/lib:/opt/cuda/lib:",
        "PATH": "/tmp/.mount_krita/usr/bin:/usr/bin",
        "QT_PLUGIN_PATH": "/tmp/.mount_krita/usr/plugins",
        "HOME": "/home/painter",
    }
    assert one_client("cleaned", inherited=environ) == {
        "APPDIR": "/tmp/.mount_krita",
        "LD_LIBRARY_PATH": "/opt/cuda/lib",
        "PATH": "/usr/bin",
        "HOME": "/home/painter",
    }


def test_closing_during_a_stream_is_quick_and_quiet(client: Client, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER, cancel_grace_s=20.0)
    said = client("close", words=LONG, environ=at(daemon))
    assert said == {"at_once": True, "thread_ended": True, "signals_after": [0, [], 0, []]}
    eventually(lambda: was_cancelled(daemon))


def test_a_layer_travels_both_ways(one_client: Client, daemon: RunningDaemon) -> None:
    side = 1024
    said = one_client("picture", side=side, environ=at(daemon))
    assert said == {"end": "done", "size": [side, side], "bytes": 4 * side * side, "outside_kept": True}


def test_what_the_daemon_would_refuse_for_its_size_is_not_sent(one_client: Client, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER, max_message_bytes=1 << 20)
    end = one_client("too_large", size=1 << 20, environ=at(daemon))
    assert end["reason"] == "MESSAGE_TOO_LARGE"
    assert "1 MB" in end["message"]


def test_tcp_needs_the_token(one_client: Client, start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon(worker_command=FAKE_WORKER, listen="127.0.0.1:0")
    assert one_client("unary", environ=at(daemon))["end"] == "done"
    elsewhere = {"LATENTLAYERS_HOME": str(tmp_path / "other"), "LATENTLAYERS_ADDRESS": daemon.address}
    said = one_client("connect", environ={**elsewhere, "LATENTLAYERS_TOKEN": "wrong"})
    assert said["code"] == "TOKEN_REFUSED"
    token = daemon.paths.token_file.read_text()
    assert one_client("connect", environ={**elsewhere, "LATENTLAYERS_TOKEN": token})["kind"] == "connected"


def test_over_tls_exactly_the_announced_certificate_is_trusted(
    one_client: Client, start_daemon: StartDaemon, tmp_path: Path
) -> None:
    keys = []
    for name in ("ours", "another"):
        key, certificate = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=painter"]
        command += ["-addext", "subjectAltName=DNS:painter.example", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, check=True, capture_output=True)
        keys.append((key, certificate))
    (key, certificate), (_, other) = keys
    daemon = start_daemon(worker_command=FAKE_WORKER, listen="0.0.0.0:0", tls_certificate=certificate, tls_key=key)
    assert one_client("unary", environ=at(daemon))["end"] == "done"
    environ = {
        "LATENTLAYERS_HOME": str(tmp_path / "other"),
        "LATENTLAYERS_ADDRESS": f"localhost:{daemon.address.rpartition(':')[2]}",
        "LATENTLAYERS_TOKEN": daemon.paths.token_file.read_text(),
        "LATENTLAYERS_TLS_CERTIFICATE": str(other),
    }
    assert one_client("connect", environ=environ)["code"] == "CERTIFICATE_REFUSED"


def test_an_address_that_is_none_or_that_nobody_listens_at_is_told(one_client: Client, tmp_path: Path) -> None:
    home = {"LATENTLAYERS_HOME": str(tmp_path / "home")}
    for address, code in (
        ("nonsense", "ADDRESS_INVALID"),
        ("127.0.0.1:1", "DAEMON_UNREACHABLE"),
        (f"unix:{tmp_path}/none.sock", "DAEMON_UNREACHABLE"),
    ):
        said = one_client("connect", environ={**home, "LATENTLAYERS_ADDRESS": address})
        assert said["code"] == code
        assert said["remedy"]


class OtherVersion(daemon_service_pb2_grpc.DaemonServiceServicer):
    def __init__(self, protocol: int) -> None:
        self.protocol = protocol

    def GetStatus(self, request: Any, context: Any) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(version="7.7", protocol=self.protocol)


def daemon_of(protocol: int | None) -> tuple[grpc.Server, str]:
    """A server of that protocol, or of none that the plugin knows, and its address."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    if protocol is not None:
        daemon_service_pb2_grpc.add_DaemonServiceServicer_to_server(OtherVersion(protocol), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("protocol", "kind", "code", "words"),
    [
        (PROTOCOL - 1, "failed", "DAEMON_TOO_OLD", "Update the daemon"),
        (None, "failed", "PLUGIN_TOO_OLD", "Update the plugin"),
        (PROTOCOL, "connected", "", ""),
        (PROTOCOL + 1, "connected", "", "Update the plugin"),
    ],
)
def test_versions_that_differ_say_which_side_to_update(
    one_client: Client, tmp_path: Path, protocol: int | None, kind: str, code: str, words: str
) -> None:
    server, address = daemon_of(protocol)
    try:
        said = one_client("connect", environ={"LATENTLAYERS_HOME": str(tmp_path), "LATENTLAYERS_ADDRESS": address})
    finally:
        server.stop(None)
    assert (said["kind"], said["code"]) == (kind, code)
    assert words in said["remedy"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_STATE_HOME": "/elsewhere/state"},
        {"XDG_STATE_HOME": "relative"},
        {"LATENTLAYERS_HOME": "~/layers"},
        {"LATENTLAYERS_HOME": "/layers/home", "LATENTLAYERS_ADDRESS": "/run/daemon.sock"},
        {"LATENTLAYERS_HOME": "/layers/home", "LATENTLAYERS_ADDRESS": "painter:50061", "LATENTLAYERS_TOKEN": "secret"},
    ],
)
def test_the_plugin_looks_where_the_daemons_own_client_does(
    one_client: Client, variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LATENTLAYERS_HOME", "LATENTLAYERS_ADDRESS", "LATENTLAYERS_TOKEN", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    paths = Paths.default()
    given = given_endpoint(None, paths)
    said = one_client("folders", environ={"HOME": str(tmp_path), **variables})
    assert said["state"] == str(paths.state)
    assert said["given"] == (given and [given.target, given.token, given.local])


def test_the_installers_word_counts_where_the_environment_says_nothing(
    one_client: Client, own_plugin_folder: Path, tmp_path: Path
) -> None:
    """In a Flatpak, Krita's environment leads to folders of the sandbox."""
    file = own_plugin_folder / "latentlayers-daemon.json"
    file.write_text(json.dumps({"command": ["/none"], "state": "/home/painter/.local/state/latentlayers"}))
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    assert one_client("folders", folder=own_plugin_folder, environ=environ)["state"] == (
        "/home/painter/.local/state/latentlayers"
    )
    for damaged in ("", "[]", '{"command": 3, "state": 4}'):
        file.write_text(damaged)
        assert one_client("folders", folder=own_plugin_folder, environ=environ)["state"] == str(
            tmp_path / "latentlayers"
        )
