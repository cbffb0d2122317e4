"""The worker's life under the front: crashes, failed starts, idleness, stopping; with a worker that does as told."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import grpc
import psutil
import pytest
from fake_jobs import LONG, StartFake, failure, journal, queued_behind, render, wait_for_step
from latentlayers.v1 import daemon_service_pb2 as status_pb
from latentlayers.v1 import model_service_pb2
from running_daemon import PATIENCE_S, RunningDaemon, StartDaemon, details, eventually, is_running, reason


def kill_worker(daemon: RunningDaemon) -> None:
    os.kill(daemon.status.worker_pid, signal.SIGKILL)


def test_a_killed_worker_ends_the_running_call_and_the_next_one_works(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(call := render(daemon, LONG))
    kill_worker(daemon)
    error = failure(call)
    assert error.code() == grpc.StatusCode.UNAVAILABLE
    assert details(error)[0::2] == ("WORKER_DIED", 0.0)
    assert "SIGKILL" in (error.details() or "")
    assert "memory" in (error.details() or "")
    assert list(render(daemon, "images:1:1"))[-1].event.HasField("image")
    assert daemon.status.worker_restarts == 1


def test_a_waiting_call_survives_the_crash_of_the_running_one(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(running := render(daemon, LONG))
    waiting = render(daemon, "images:1:1")
    assert queued_behind(waiting) == 1
    kill_worker(daemon)
    assert reason(failure(running)) == "WORKER_DIED"
    assert list(waiting)[-1].event.HasField("image")


def test_an_idle_worker_that_is_killed_is_replaced_at_the_next_call(start_fake: StartFake) -> None:
    daemon = start_fake()
    list(render(daemon, "images:1:1"))
    kill_worker(daemon)
    eventually(lambda: daemon.status.worker_state == status_pb.WORKER_STATE_CRASHED)
    assert list(render(daemon, "images:1:1"))[-1].event.HasField("image")


def test_repeated_crashes_lengthen_the_pause_until_a_call_succeeds(start_fake: StartFake) -> None:
    daemon = start_fake()
    pauses = [details(failure(render(daemon, "die")))[2] for _ in range(3)]
    list(render(daemon, "images:1:1"))
    pauses.append(details(failure(render(daemon, "die")))[2])
    assert [round(pause or 0) for pause in pauses] == [0, 1, 2, 0]


def test_a_worker_that_exits_says_why(start_fake: StartFake) -> None:
    error = failure(render(start_fake(), "exit:3"))
    assert reason(error) == "WORKER_DIED"
    assert "code 3" in (error.details() or "")
    assert "something is wrong" in (error.details() or "")


def test_a_worker_that_talks_nonsense_is_replaced(start_fake: StartFake) -> None:
    daemon = start_fake()
    assert reason(failure(render(daemon, "nonsense hang"))) == "WORKER_DIED"
    assert list(render(daemon, "images:1:1"))[-1].event.HasField("image")


def test_a_worker_that_does_not_stop_a_cancelled_call_is_replaced(start_fake: StartFake) -> None:
    daemon = start_fake(cancel_grace_s=0.5)
    wait_for_step(call := render(daemon, "steps:1:0 hang"))
    stubborn = daemon.status.worker_pid
    call.cancel()
    assert len(list(render(daemon, "images:1:1"))) >= 1
    assert not is_running(stubborn)
    assert daemon.status.worker_pid != stubborn


def test_a_slow_answer_to_cancel_does_not_kill_a_worker_that_is_busy_with_another_call(start_fake: StartFake) -> None:
    daemon = start_fake(cancel_grace_s=0.2)
    wait_for_step(running := render(daemon, "steps:200:0.01 images:1:1"))
    wait_for_step(preview := render(daemon, "steps:1:0 hang", key="slider"))
    preview.cancel()
    assert list(running)[-1].event.HasField("image")


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-c", "raise SystemExit('no torch here')"],
        ["/there/is/no/such/program"],
        [sys.executable, "-c", "import time; time.sleep(3600)"],
    ],
    ids=["exits at once", "does not exist", "never gets ready"],
)
def test_a_worker_that_cannot_start_is_a_clear_error(start_daemon: StartDaemon, command: list[str]) -> None:
    daemon = start_daemon(worker_command=command, worker_start_timeout_s=1.0)
    for _ in range(2):
        error = failure(render(daemon, "images:1:1"))
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert reason(error) == "WORKER_START_FAILED"
    assert daemon.status.worker_pid == 0


def test_an_idle_worker_exits_and_the_next_call_gets_a_new_one(start_fake: StartFake) -> None:
    idle_unload = 2.0  # long enough for a busy machine to see it count
    daemon = start_fake(idle_unload_s=idle_unload)
    wait_for_step(call := render(daemon, LONG))
    worker = daemon.status.worker_pid
    assert daemon.status.idle_unload_in_seconds < 0
    call.cancel()
    eventually(lambda: 0 <= daemon.status.idle_unload_in_seconds <= idle_unload)
    eventually(lambda: not is_running(worker))
    eventually(lambda: daemon.status.worker_state == status_pb.WORKER_STATE_UNLOADED)
    assert list(render(daemon, "images:1:1"))[-1].event.HasField("image")
    assert daemon.status.worker_restarts == 0


def test_unloading_everything_waits_for_the_running_call_and_ends_the_worker(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(call := render(daemon, "steps:30:0.01 images:1:1"))
    worker = daemon.status.worker_pid
    daemon.models.UnloadModel(model_service_pb2.UnloadModelRequest(), timeout=PATIENCE_S)
    assert not is_running(worker)
    assert list(call)[-1].event.HasField("image")
    assert daemon.status.worker_state == status_pb.WORKER_STATE_UNLOADED


def test_unloading_everything_starts_no_worker(start_fake: StartFake) -> None:
    daemon = start_fake()
    daemon.models.UnloadModel(model_service_pb2.UnloadModelRequest(), timeout=PATIENCE_S)
    assert journal(daemon) == []


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "the Stop call"])
def test_stopping_tells_the_callers_and_leaves_nothing_behind(start_fake: StartFake, way: str) -> None:
    daemon = start_fake()
    wait_for_step(running := render(daemon, LONG))
    waiting = render(daemon, LONG)
    assert queued_behind(waiting) == 1
    worker = daemon.status.worker_pid
    failures: list[grpc.RpcError] = []
    readers = [threading.Thread(target=lambda c=call: failures.append(failure(c))) for call in (running, waiting)]
    for reader in readers:
        reader.start()
    if way == "the Stop call":
        daemon.daemon.Stop(status_pb.StopRequest(), timeout=PATIENCE_S)
    else:
        daemon.process.send_signal(getattr(signal, way))
    assert daemon.wait_for_exit() == 0
    for reader in readers:
        reader.join()
    assert [error.code() for error in failures] == [grpc.StatusCode.UNAVAILABLE] * 2
    assert {reason(error) for error in failures} == {"DAEMON_STOPPING"}
    assert not is_running(worker)
    assert not daemon.paths.socket.exists()
    assert not daemon.paths.address_file.exists()


def test_stopping_does_not_wait_for_a_worker_that_is_still_starting(start_daemon: StartDaemon) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(3600)"]
    daemon = start_daemon(worker_command=command, stop_grace_s=0.5)
    call = render(daemon, "")
    worker = eventually(lambda: daemon.status.worker_pid)
    daemon.process.terminate()
    assert reason(failure(call)) == "DAEMON_STOPPING"
    assert daemon.wait_for_exit() == 0
    assert not is_running(worker)


def test_a_host_applications_python_settings_do_not_reach_the_worker(
    start_fake: StartFake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A module of the host's that would break ours; the front itself is started with the setting.
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "argparse.py").write_text("raise ImportError('the host application's')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "host"))
    daemon = start_fake()
    list(render(daemon, "images:1:1"))
    assert "PYTHONPATH" not in psutil.Process(daemon.status.worker_pid).environ()
