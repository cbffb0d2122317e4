"""The front together with the real worker: a crash, cancellation, previews between steps, idle unload."""

from __future__ import annotations

import os
import signal
from typing import Any

import grpc
import pytest
from latentlayers.v1 import daemon_service_pb2 as status_pb
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import embedding_service_pb2, latent_pb2, model_service_pb2, picture_pb2
from running_daemon import RunningDaemon, StartDaemon, details, eventually, is_running, reason

SIDE = 64
PATIENCE_S = 240.0  # the first start of torch on a busy machine takes its time


def picture(shade: int = 0) -> picture_pb2.Picture:
    """A colour gradient."""
    data = bytes((x * 3 % 256, y * 3 % 256, shade)[c] for y in range(SIDE) for x in range(SIDE) for c in range(3))
    raw = picture_pb2.RawPixels(width=SIDE, height=SIDE, format=picture_pb2.PIXEL_FORMAT_RGB8, data=data)
    return picture_pb2.Picture(raw=raw)


def embed(daemon: RunningDaemon, shade: int = 0, **options: Any) -> Any:
    source = latent_pb2.PictureSource(picture=picture(shade))
    request = pb.EmbedRequest(source=source, options=latent_pb2.EmbedOptions(**options))
    return daemon.editing.Embed(request, timeout=PATIENCE_S)


def embed_without_end(daemon: RunningDaemon, shade: int = 0) -> Any:
    """A call that takes far longer than the test, already under way."""
    call = embed(daemon, shade, preset="paper", max_steps=1_000_000)
    eventually(lambda: next(call).event.progress.phase == pb.PHASE_EMBEDDING)
    return call


def render(daemon: RunningDaemon, key: str = "") -> list[pb.RenderResponse]:
    """Renders the zero latent of the default model."""
    model = daemon.models.GetModel(model_service_pb2.GetModelRequest(), timeout=PATIENCE_S).model
    latent = latent_pb2.Latent(ws=bytes(4 * model.num_ws * model.w_dim), rows=model.num_ws, width=model.w_dim)
    request = pb.RenderRequest(source=latent_pb2.Source(latent=latent), latest_wins_key=key)
    return list(daemon.editing.Render(request, timeout=PATIENCE_S))


def images(responses: list[Any]) -> int:
    return sum(response.event.HasField("image") for response in responses)


def test_an_embedding_streams_progress_and_is_kept(daemon: RunningDaemon) -> None:
    events = [response.event for response in embed(daemon, max_steps=5, refresh=True)]
    assert pb.PHASE_EMBEDDING in [event.progress.phase for event in events if event.HasField("progress")]
    (embedded,) = (event.embedded for event in events if event.HasField("embedded"))
    kept = daemon.embeddings.GetEmbedding(
        embedding_service_pb2.GetEmbeddingRequest(id=embedded.embedding.id), timeout=PATIENCE_S
    )
    assert kept.embedding.latent == embedded.embedding.latent
    status = daemon.status
    assert status.device
    assert status.torch_version
    assert embedded.embedding.model in status.loaded_models
    assert status.worker_memory_bytes > status.front_memory_bytes


def test_a_worker_killed_while_it_embeds_is_reported_and_the_next_call_works(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    call = embed_without_end(daemon)
    os.kill(daemon.status.worker_pid, signal.SIGKILL)
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    code, metadata, retry_after = details(caught.value)
    assert code == "WORKER_DIED"
    assert metadata["remedy"]
    assert retry_after is not None
    assert images(render(daemon)) == 1
    assert daemon.status.worker_restarts == 1


def test_cancelling_an_embedding_leaves_the_worker_ready_for_the_next_call(daemon: RunningDaemon) -> None:
    call = embed_without_end(daemon, 1)
    worker = daemon.status.worker_pid
    call.cancel()
    assert images(render(daemon)) == 1
    assert daemon.status.worker_pid == worker


def test_a_preview_is_served_between_the_steps_of_an_embedding(daemon: RunningDaemon) -> None:
    call = embed_without_end(daemon, 2)
    assert images(render(daemon, key="slider")) == 1
    assert next(call).event.WhichOneof("event") == "progress"
    call.cancel()


def test_a_deadline_ends_an_embedding_in_the_worker_too(daemon: RunningDaemon) -> None:
    render(daemon)
    source = latent_pb2.PictureSource(picture=picture(3))
    request = pb.EmbedRequest(source=source, options=latent_pb2.EmbedOptions(preset="paper", max_steps=1_000_000))
    with pytest.raises(grpc.RpcError) as caught:
        list(daemon.editing.Embed(request, timeout=1.0))
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: daemon.status.worker_state == status_pb.WORKER_STATE_READY)


def test_a_bad_request_is_refused_with_a_reason_and_the_worker_stays(daemon: RunningDaemon) -> None:
    render(daemon)
    worker = daemon.status.worker_pid
    broken = picture_pb2.Picture(encoded=b"not a picture")
    request = pb.EmbedRequest(source=latent_pb2.PictureSource(picture=broken))
    with pytest.raises(grpc.RpcError) as caught:
        list(daemon.editing.Embed(request, timeout=PATIENCE_S))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason(caught.value) == "IMAGE_UNREADABLE"
    assert daemon.status.worker_pid == worker


def test_models_are_loaded_and_unloaded_on_request(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    loaded = daemon.models.LoadModel(model_service_pb2.LoadModelRequest(), timeout=PATIENCE_S).model
    assert loaded.loaded
    eventually(lambda: list(daemon.status.loaded_models) == [loaded.name])
    listing = daemon.models.ListModels(model_service_pb2.ListModelsRequest(), timeout=PATIENCE_S)
    assert [model.name for model in listing.models if model.loaded] == [loaded.name]
    daemon.models.UnloadModel(model_service_pb2.UnloadModelRequest(name=loaded.name), timeout=PATIENCE_S)
    eventually(lambda: not daemon.status.loaded_models)
    assert daemon.status.worker_pid


def test_an_idle_worker_gives_everything_back(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(idle_unload_s=0.5)
    daemon.models.LoadModel(model_service_pb2.LoadModelRequest(), timeout=PATIENCE_S)
    worker = daemon.status.worker_pid
    eventually(lambda: worker == 0 or not is_running(worker))
    status = eventually(lambda: daemon.status if daemon.status.worker_pid == 0 else None)
    assert status.worker_state == status_pb.WORKER_STATE_UNLOADED
    assert not status.loaded_models
    assert status.worker_memory_bytes == 0


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_the_worker_does_not_outlive_a_killed_front(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    embed_without_end(daemon)
    worker = daemon.status.worker_pid
    daemon.process.kill()
    eventually(lambda: not is_running(worker))
