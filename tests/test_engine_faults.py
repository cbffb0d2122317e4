"""Bad input and bad luck, through the wire, with the real worker: a clear error, and nothing lost."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import embedding_service_pb2, latent_pb2, picture_pb2
from PIL import Image
from running_daemon import RunningDaemon, StartDaemon, details, eventually
from shipped import codes
from test_engine_editing import embed, embedded, encoded, face, images, latent, source

LONG = latent_pb2.EmbedOptions(preset="paper", refresh=True)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def fails(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """(status, reason) of a call that must fail with a sentence and a remedy."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    reason, metadata, _ = details(caught.value)
    assert metadata["remedy"]
    assert len(str(caught.value.details())) > 20
    return caught.value.code(), reason


GOOD = encoded(face()).encoded
BAD_PICTURES = {
    "not a picture": (b"hello, world" * 100, "IMAGE_UNREADABLE"),
    "nothing": (b"", "IMAGE_UNREADABLE"),
    "truncated": (GOOD[: len(GOOD) // 2], "IMAGE_TRUNCATED"),
    "1x1": (encoded(Image.new("RGB", (1, 1))).encoded, "IMAGE_TOO_SMALL"),
    "30000x30000": (png_header(30000, 30000), "IMAGE_TOO_LARGE"),
    "a bomb": (png_header(2**31 - 1, 2**31 - 1), "IMAGE_TOO_LARGE"),
    "fully transparent": (encoded(Image.new("RGBA", (96, 96), (0, 0, 0, 0))).encoded, "IMAGE_EMPTY"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_pictures_are_refused_with_a_reason(daemon: RunningDaemon, name: str) -> None:
    data, expected = BAD_PICTURES[name]
    code, reason = fails(lambda: embed(daemon, picture_pb2.Picture(encoded=data)))
    assert reason == expected
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (0, 50), (2**31, 2**31)])
def test_raw_rows_that_lie_about_their_size_are_refused(daemon: RunningDaemon, width: int, height: int) -> None:
    raw = picture_pb2.RawPixels(width=width, height=height, format=picture_pb2.PIXEL_FORMAT_RGBA8, data=b"\xff" * 1000)
    code, _ = fails(lambda: embed(daemon, picture_pb2.Picture(raw=raw)))
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_bad_latents_are_refused_with_a_reason(daemon: RunningDaemon) -> None:
    good = codes()
    bad = good.copy()
    bad[3, 5] = np.nan

    def rendered(code: latent_pb2.Source) -> Callable[[], Any]:
        return lambda: list(daemon.editing.Render(pb.RenderRequest(source=code)))

    assert rendered(latent(good))()
    assert fails(rendered(latent(bad)))[1] == "LATENT_NOT_FINITE"
    assert fails(rendered(latent(good[:-1])))[1] == "LATENT_SHAPE"
    assert fails(rendered(latent(good, digest="0" * 64)))[1] == "LATENT_MODEL_MISMATCH"
    assert fails(rendered(latent_pb2.Source()))[1] == "SOURCE_MISSING"
    assert fails(rendered(latent_pb2.Source(embedding_id="0123456789ab"))) == (
        grpc.StatusCode.NOT_FOUND,
        "EMBEDDING_UNKNOWN",
    )


def test_bad_parameters_are_refused_before_anything_is_embedded(daemon: RunningDaemon) -> None:
    a, b = source(face(20)), source(face(21))
    options = latent_pb2.EmbedOptions(preset="paper")
    before = len(daemon.embeddings.ListEmbeddings(embedding_service_pb2.ListEmbeddingsRequest()).embeddings)

    def morph(**fields: Any) -> Callable[[], Any]:
        return lambda: list(daemon.editing.Morph(pb.MorphRequest(a=a, b=b, embed=options, **fields)))

    def crossover(**fields: Any) -> Callable[[], Any]:
        return lambda: list(daemon.editing.Crossover(pb.CrossoverRequest(content=a, style=b, embed=options, **fields)))

    def direction(**fields: Any) -> Callable[[], Any]:
        return lambda: list(daemon.editing.ApplyDirection(pb.ApplyDirectionRequest(source=a, embed=options, **fields)))

    infinite = pb.Weights(values=[0.5, float("inf")])
    assert fails(morph(weights=infinite))[1] == "WEIGHT_INVALID"
    assert fails(morph(frames=0))[1] == "WEIGHT_INVALID"
    assert fails(morph(frames=1_000_000))[1] == "WEIGHT_INVALID"
    assert fails(crossover(rows="purple"))[1] == "ROWS_INVALID"
    assert fails(crossover(row_weights=[1.0, 0.5]))[1] == "ROWS_INVALID"
    assert fails(direction(direction="frown"))[1] == "DIRECTION_UNKNOWN"
    assert fails(direction(direction="smile", strengths=[float("nan")]))[1] == "WEIGHT_INVALID"
    unknown_model = latent_pb2.EmbedOptions(model="nobody")
    assert fails(lambda: list(daemon.editing.Morph(pb.MorphRequest(a=a, b=b, frames=2, embed=unknown_model)))) == (
        grpc.StatusCode.NOT_FOUND,
        "MODEL_UNKNOWN",
    )
    after = len(daemon.embeddings.ListEmbeddings(embedding_service_pb2.ListEmbeddingsRequest()).embeddings)
    assert after == before


def running_embedding(daemon: RunningDaemon, image: Image.Image) -> tuple[Any, pb.Progress]:
    """A long embedding that has done at least one step, and the progress that says so."""
    request = pb.EmbedRequest(source=source(image).picture, options=LONG)
    call = daemon.editing.Embed(request)
    for response in call:
        progress = response.event.progress
        if progress.phase == pb.PHASE_EMBEDDING and progress.step > 0:
            return call, progress
    raise AssertionError("it ended too soon")


def test_a_cancelled_embedding_stops_and_the_next_call_is_served(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    call, _ = running_embedding(daemon, face(30))
    worker = daemon.status.worker_pid
    call.cancel()
    assert not embed(daemon, encoded(face(31))).reused
    assert daemon.status.worker_pid == worker, "it stopped by itself; nobody had to kill the worker"


def test_previews_are_served_between_the_steps_of_a_running_embedding(daemon: RunningDaemon) -> None:
    call, _ = running_embedding(daemon, face(32))
    zero = latent(codes())
    request = pb.RenderRequest(source=zero, latest_wins_key="slider")
    assert len(images(daemon.editing.Render(request))) == 1
    assert next(call).event.WhichOneof("event") == "progress", "the embedding goes on"
    call.cancel()


def test_a_worker_killed_in_the_middle_costs_one_call_and_nothing_kept(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    kept = embed(daemon, encoded(face(33))).embedding
    call, _ = running_embedding(daemon, face(34))
    os.kill(daemon.status.worker_pid, signal.SIGKILL)
    assert fails(lambda: list(call)) == (grpc.StatusCode.UNAVAILABLE, "WORKER_DIED")
    assert embed(daemon, encoded(face(33))).embedding.id == kept.id
    assert not embed(daemon, encoded(face(35))).reused


def test_embeddings_survive_a_daemon_that_is_killed(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    kept = embed(first, encoded(face(36))).embedding
    worker = first.status.worker_pid
    first.process.kill()
    first.wait_for_exit()
    eventually(lambda: not psutil.pid_exists(worker))
    second = start_daemon()
    again = embed(second, encoded(face(36)))
    assert again.reused
    assert again.embedding.latent.ws == kept.latent.ws


@pytest.mark.skipif(sys.platform != "linux", reason="a small file system is mounted")
def test_a_full_disk_does_not_cost_the_embedding_that_was_waited_for(start_daemon: StartDaemon, tmp_path: Path) -> None:
    library = tmp_path / "home" / "data" / "library"
    library.mkdir(parents=True)
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(library)], capture_output=True)
    if mount.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        daemon = start_daemon()
        assert daemon.paths.library == library
        embed(daemon, encoded(face(37)))
        with (library / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"\0" * 512):
                    pass
            except OSError:
                pass
        request = pb.EmbedRequest(source=source(face(38)).picture, options=latent_pb2.EmbedOptions(max_steps=5))
        events = list(daemon.editing.Embed(request))
        (found,) = embedded(iter(events))
        notices = [e.event.notice for e in events if e.event.WhichOneof("event") == "notice"]
        assert [n.reason for n in notices] == ["DISK_FULL"]
        assert found.embedding.id == ""
        assert len(found.embedding.latent.ws) == codes().nbytes
        (library / "ballast").unlink()
        assert embed(daemon, encoded(face(37))).reused, "what was kept is still there"
        assert embed(daemon, encoded(face(39))).embedding.id
    finally:
        daemon.close()
        subprocess.run(["umount", "-l", str(library)], check=True)


def test_a_picture_larger_than_the_limit_is_refused_by_size_not_by_accident(daemon: RunningDaemon) -> None:
    huge = picture_pb2.Picture(encoded=io.BytesIO(b"\0" * (daemon.status.max_message_bytes + 1)).getvalue())
    with pytest.raises(grpc.RpcError) as caught:
        embed(daemon, huge)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
