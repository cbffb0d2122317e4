"""Queue, cancellation, previews, slow callers, crashes: over the wire, with a worker that can be told to misbehave."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import grpc
from fake_jobs import LONG, StartFake, failure, journal, queued_behind, render, wait_for_step
from latentlayers.v1 import daemon_service_pb2 as status_pb
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import model_service_pb2
from running_daemon import PATIENCE_S, details, eventually, reason


def end_of(call: Any) -> str:
    """ "done", or the reason why the call failed."""
    try:
        list(call)
    except grpc.RpcError as error:
        return reason(error)
    return "done"


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
    newer = render(daemon, "wait images:1:1", key="slider")  # however long the older one takes to arrive
    assert end_of(older) == "SUPERSEDED"
    (daemon.home / "go").touch()
    assert end_of(newer) == "done"


def test_progress_that_a_slow_caller_cannot_take_is_dropped_and_pictures_are_not(start_fake: StartFake) -> None:
    daemon = start_fake()
    # More than fits into the connection's own buffers.
    call = render(daemon, "previews:500:200000 images:20:200000 previews:3:10")
    assert next(call).event.progress.phase == pb.PHASE_LOADING
    eventually(lambda: journal(daemon))  # the worker is ready before it begins, too
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
