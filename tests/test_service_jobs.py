"""Queue, cancellation, previews, slow callers, crashes: over the wire, with a worker that can be told to misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from latentlayers.v1 import daemon_service_pb2 as status_pb
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import latent_pb2, model_service_pb2
from running_daemon import PATIENCE_S, RunningDaemon, StartDaemon, details, eventually, is_running, reason

FAKE = Path(__file__).with_name("fake_worker.py")
WORKER = (sys.executable, str(FAKE))
LONG = "steps:100000:0.01"

StartFake = Callable[..., RunningDaemon]


@pytest.fixture
def start_fake(start_daemon: StartDaemon) -> StartFake:
    """As `start_daemon`, with the fake worker."""

    def start(**settings: Any) -> RunningDaemon:
        return start_daemon(**{"worker_command": WORKER, "cancel_grace_s": 20.0} | settings)

    return start


def render(daemon: RunningDaemon, words: str, key: str = "", timeout: float = PATIENCE_S) -> Any:
    """A call that makes the fake worker do `words`."""
    request = pb.RenderRequest(source=latent_pb2.Source(embedding_id=words), latest_wins_key=key)
    return daemon.editing.Render(request, timeout=timeout)


def failure(call: Any) -> grpc.RpcError:
    """What the call fails with, after whatever it sends before."""
    with pytest.raises(grpc.RpcError) as caught:
        for _ in call:
            pass
    return caught.value


def end_of(call: Any) -> str:
    """ "done", or the reason why the call failed."""
    try:
        list(call)
    except grpc.RpcError as error:
        return reason(error)
    return "done"


def wait_for_step(call: Iterator[pb.RenderResponse]) -> None:
    """Reads until the worker is doing the job."""
    eventually(lambda: next(call).event.progress.phase == pb.PHASE_EMBEDDING)


def queued_behind(call: Iterator[pb.RenderResponse]) -> int:
    """Reads the next event, which must say how many jobs are ahead."""
    progress = next(call).event.progress
    assert progress.phase == pb.PHASE_QUEUED
    return int(progress.step)


def journal(daemon: RunningDaemon) -> list[str]:
    """What the worker was told so far."""
    file = daemon.home / "journal"
    return file.read_text().splitlines() if file.exists() else []


def kill_worker(daemon: RunningDaemon) -> None:
    os.kill(daemon.status.worker_pid, signal.SIGKILL)


def test_events_pass_through_in_order(start_fake: StartFake) -> None:
    daemon = start_fake()
    events = [response.event for response in render(daemon, "images:3:10")]
    assert events[0].progress.phase == pb.PHASE_LOADING
    assert [event.image.index for event in events[1:]] == [0, 1, 2]


def test_every_editing_call_reaches_the_worker_under_its_name(start_fake: StartFake) -> None:
    daemon = start_fake()
    for name in ("Embed", "Morph", "Crossover", "TransferExpression", "ApplyDirection", "Render"):
        list(getattr(daemon.editing, name)(getattr(pb, f"{name}Request")(), timeout=PATIENCE_S))
        assert journal(daemon)[-1].split()[1] == name


def test_a_typed_error_of_the_worker_reaches_the_caller_with_reason_and_remedy(start_fake: StartFake) -> None:
    error = failure(render(start_fake(), "refuse"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "The weight is infinite. Use a finite one."
    assert details(error) == ("WEIGHT_INVALID", {"remedy": "Use a finite one."}, None)


def test_waiting_callers_are_told_their_place_until_the_queue_is_full(start_fake: StartFake) -> None:
    daemon = start_fake(queue_limit=2)
    running = render(daemon, LONG)
    wait_for_step(running)
    first = render(daemon, LONG)
    assert queued_behind(first) == 1
    second = render(daemon, "images:1:1")
    assert queued_behind(second) == 2
    assert daemon.status.queue_length == 2

    error = failure(render(daemon, "images:1:1"))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    code, _, retry_after = details(error)
    assert code == "QUEUE_FULL"
    assert retry_after is not None
    assert retry_after > 0

    first.cancel()
    assert queued_behind(second) == 1
    running.cancel()
    assert [response.event.WhichOneof("event") for response in second] == ["image"]
    assert sum(line.startswith("START") for line in journal(daemon)) == 2


def test_the_bytes_that_wait_are_bounded_too(start_fake: StartFake) -> None:
    daemon = start_fake(queue_bytes=100_000)
    wait_for_step(running := render(daemon, LONG))
    waiting = render(daemon, "images:1:1 " * 6_000)
    assert queued_behind(waiting) == 1
    assert reason(failure(render(daemon, "images:1:1 " * 6_000))) == "QUEUE_FULL"
    running.cancel()
    waiting.cancel()


def test_a_deadline_that_passes_in_the_queue_means_the_job_is_never_started(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(running := render(daemon, LONG))
    error = failure(render(daemon, "images:1:1", timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    running.cancel()
    list(render(daemon, "images:2:1"))
    assert [line for line in journal(daemon) if line.startswith("START")] == [
        f"START Render {LONG}",
        "START Render images:2:1",
    ]


def test_cancelling_a_running_call_cancels_the_workers_job(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(call := render(daemon, LONG))
    call.cancel()
    eventually(lambda: "CANCEL" in journal(daemon))
    assert len(list(render(daemon, "images:2:1"))) == 2
    assert daemon.status.worker_restarts == 0


def test_a_caller_that_dies_ends_its_job(start_fake: StartFake) -> None:
    daemon = start_fake()
    list(render(daemon, "images:1:1"))  # so that the first event means that the job runs
    code = (
        "import sys, time, grpc\n"
        "from latentlayers.v1 import editing_service_pb2 as pb, editing_service_pb2_grpc as rpc, latent_pb2\n"
        "stub = rpc.EditingServiceStub(grpc.insecure_channel(sys.argv[1]))\n"
        "request = pb.RenderRequest(source=latent_pb2.Source(embedding_id=sys.argv[2]))\n"
        "for _ in stub.Render(request): print('event', flush=True)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code, daemon.address, LONG], stdout=subprocess.PIPE)
    assert caller.stdout
    assert caller.stdout.readline()
    caller.kill()
    caller.communicate()
    eventually(lambda: "CANCEL" in journal(daemon))
    eventually(lambda: daemon.status.worker_state == status_pb.WORKER_STATE_READY)


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


def test_a_preview_is_served_while_another_call_runs(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(running := render(daemon, LONG))
    assert len(list(render(daemon, "images:1:1", key="slider"))) == 1
    assert journal(daemon)[-1] == "START Render interactive images:1:1"
    running.cancel()


def test_a_newer_preview_with_the_same_key_supersedes_the_older(start_fake: StartFake) -> None:
    daemon = start_fake()
    wait_for_step(other := render(daemon, LONG, key="another slider"))
    wait_for_step(older := render(daemon, LONG, key="slider"))
    newer = list(render(daemon, "images:1:1", key="slider"))
    error = failure(older)
    assert error.code() == grpc.StatusCode.ABORTED
    assert reason(error) == "SUPERSEDED"
    assert len(newer) == 1
    next(other)
    eventually(lambda: journal(daemon).count("CANCEL") == 1)
    other.cancel()


def test_of_many_previews_at_once_only_the_newest_is_sure_to_be_done(start_fake: StartFake) -> None:
    daemon = start_fake()
    list(render(daemon, ""))  # while it is still connecting, gRPC keeps no order among calls
    calls = [render(daemon, f"steps:3:0.02 images:{n}:1", key="slider") for n in range(1, 31)]
    assert sum(response.event.HasField("image") for response in calls[-1]) == 30
    ends = [end_of(call) for call in calls]
    assert ends[-1] == "done"
    assert set(ends) <= {"done", "SUPERSEDED"}


def test_a_preview_that_a_newer_one_overtakes_on_the_wire_is_superseded(start_fake: StartFake) -> None:
    daemon = start_fake()
    list(render(daemon, ""))
    older = render(daemon, " " * 8_000_000 + LONG, key="slider")
    newer = render(daemon, "steps:5:0.1 images:1:1", key="slider")
    assert end_of(newer) == "done"
    assert end_of(older) == "SUPERSEDED"


def test_progress_that_a_slow_caller_cannot_take_is_dropped_and_pictures_are_not(start_fake: StartFake) -> None:
    daemon = start_fake()
    # More than fits into the connection's own buffers.
    call = render(daemon, "previews:500:200000 images:20:200000 previews:3:10")
    assert next(call).event.progress.phase == pb.PHASE_LOADING
    eventually(lambda: daemon.status.worker_state == status_pb.WORKER_STATE_READY)
    events = [response.event for response in call]
    assert [event.image.index for event in events if event.HasField("image")] == list(range(20))
    assert len([event for event in events if event.HasField("progress")]) < 400
    assert events[-1].progress.step == 2


def test_a_slow_caller_gets_every_picture_without_filling_the_fronts_memory(start_fake: StartFake) -> None:
    daemon = start_fake(outbox_bytes=4_000_000)
    list(render(daemon, "images:1:1000000"))
    before = daemon.status.front_memory_bytes
    most, received = before, []
    for response in render(daemon, "images:200:1000000"):
        received.append(response.event.image.index)
        if len(received) % 20 == 1:
            time.sleep(0.05)
            most = max(most, daemon.status.front_memory_bytes)
    assert received == list(range(200))
    assert most - before < 50_000_000


def test_the_front_is_small_again_after_large_pictures_went_through(start_fake: StartFake) -> None:
    daemon = start_fake()
    request = pb.RenderRequest()
    request.source.picture.picture.raw.data = bytes(16_000_000)
    calls = [daemon.editing.Render(request, timeout=PATIENCE_S) for _ in range(4)]
    calls += [render(daemon, "images:5:4000000") for _ in range(8)]
    assert [end_of(call) for call in calls] == ["done"] * 12
    daemon.models.UnloadModel(model_service_pb2.UnloadModelRequest(), timeout=PATIENCE_S)
    eventually(lambda: daemon.status.front_memory_bytes < 80_000_000)


def test_a_caller_that_takes_nothing_is_given_up(start_fake: StartFake) -> None:
    daemon = start_fake(outbox_bytes=1_000_000, stall_timeout_s=0.5)
    stalled = render(daemon, "images:200:1000000")
    next(stalled)
    eventually(lambda: "CANCEL" in journal(daemon))
    assert reason(failure(stalled)) == "CALLER_TOO_SLOW"


def test_a_result_above_the_message_limit_is_a_clear_error(start_fake: StartFake) -> None:
    daemon = start_fake(max_message_bytes=1_000_000)
    error = failure(render(daemon, "images:1:1000000"))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(error) == "RESULT_TOO_LARGE"


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
    daemon = start_fake(idle_unload_s=0.5)
    wait_for_step(call := render(daemon, LONG))
    worker = daemon.status.worker_pid
    assert daemon.status.idle_unload_in_seconds < 0
    call.cancel()
    eventually(lambda: 0 <= daemon.status.idle_unload_in_seconds <= 0.5)
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
