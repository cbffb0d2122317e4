"""Editing through the Python client, on the real daemon with the real model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from latentlayers.client import (
    CancelToken,
    Client,
    Embed,
    Embedded,
    EmbedOptions,
    EmbedResult,
    Event,
    Image,
    Latent,
    Morph,
    OutputOptions,
    PictureSource,
    Progress,
)
from latentlayers.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidInput,
    LatentLayersError,
    NotFound,
    PreconditionFailed,
    Superseded,
)
from PIL import Image as PillowImage
from running_daemon import RunningDaemon, eventually
from shipped import NUM_WS, RESOLUTION, W_DIM, codes

QUICK = EmbedOptions(max_steps=2, preset="projector")
ENDLESS = EmbedOptions(preset="paper", refresh=True)


def portrait(seed: int) -> np.ndarray:
    """[96, 80, 3] uint8."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:80] / 96
    oval = ((x - 0.42) ** 2 / 0.06 + (y - 0.5) ** 2 / 0.12 < 1)[..., None]
    return np.where(oval, random.integers(120, 250, 3), random.integers(20, 100, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def client(daemon: RunningDaemon) -> Iterator[Client]:
    with Client(daemon.address) as client:
        yield client


@pytest.fixture(scope="module")
def anna(client: Client) -> EmbedResult:
    return client.embed(portrait(100), QUICK)


@pytest.fixture(scope="module")
def bert(client: Client) -> EmbedResult:
    return client.embed(portrait(101), QUICK)


def test_an_embedding_comes_with_its_latent_its_picture_and_its_figures(client: Client, anna: EmbedResult) -> None:
    info = anna.embedding
    assert info.latent is not None
    ws = info.latent.array()
    assert ws.shape == (NUM_WS, W_DIM)
    assert np.isfinite(ws).all()
    assert anna.reconstruction is not None
    assert anna.reconstruction.array().shape == (RESOLUTION, RESOLUTION, 3)
    assert info.source_size == (80, 96)
    assert info.preset == "projector"
    kept = client.embeddings.get(info.id)
    assert kept.latent == info.latent
    assert kept.psnr == pytest.approx(info.psnr)


def test_the_same_picture_in_any_form_is_embedded_once(client: Client, anna: EmbedResult, tmp_path: Path) -> None:
    file = tmp_path / "anna.png"
    image = PillowImage.fromarray(portrait(100))
    image.save(file)
    for source in (file, str(file), file.read_bytes(), image, portrait(100), PictureSource(portrait(100))):
        again = client.embed(source, QUICK)
        assert (again.embedding.id, again.reused) == (anna.embedding.id, True)


def test_every_form_of_a_source_gives_the_same_picture(client: Client, anna: EmbedResult) -> None:
    assert anna.embedding.latent is not None
    sources = [anna, anna.embedding, anna.embedding.id, anna.embedding.id[:8], anna.embedding.latent, portrait(100)]
    first, *others = [client.render(source, options=QUICK)[0].picture.array() for source in sources]
    assert all(np.array_equal(other, first) for other in others)


def test_events_come_in_order_and_on_event_hears_the_same(client: Client) -> None:
    picture = portrait(200)
    heard: list[Event] = []
    options = EmbedOptions(max_steps=3, preset="projector", preview_interval=0.001)
    result = client.embed(picture, options, on_event=heard.append)
    kinds = [type(event) for event in heard]
    assert kinds.index(Progress) < kinds.index(Embedded) < kinds.index(Image)
    embedding = [event for event in heard if isinstance(event, Progress) and event.phase == "embedding"]
    assert [event.step for event in embedding] == sorted(event.step for event in embedding)
    previews = [event.preview for event in embedding if event.preview is not None]
    assert previews
    assert previews[-1].array().shape == (RESOLUTION, RESOLUTION, 3)
    with client.stream(Embed(picture, options)) as events:
        streamed = list(events)
    (embedded,) = [event for event in streamed if isinstance(event, Embedded)]
    assert (embedded.embedding.id, embedded.reused) == (result.embedding.id, True)


def test_morph_ends_are_its_sources_and_latents_come_along(
    client: Client, anna: EmbedResult, bert: EmbedResult
) -> None:
    result = client.morph(anna, bert, weights=[1, 0.25, 0], output=OutputOptions(latents=True))
    assert len(result) == 3
    assert [image.weight for image in result] == [1, 0.25, 0]
    w1, w2 = (found.embedding.latent for found in (anna, bert))
    assert w1 is not None
    assert w2 is not None
    codes = [image.latent.array() for image in result if image.latent is not None]
    assert np.array_equal(codes[0], w1.array())
    assert np.array_equal(codes[2], w2.array())
    assert np.allclose(codes[1], 0.25 * w1.array() + 0.75 * w2.array(), atol=1e-6)
    assert result.reused == {"a", "b"}


def test_results_are_saved(client: Client, anna: EmbedResult, tmp_path: Path) -> None:
    result = client.apply_direction(anna, "sefa-1", [0.0, 1.0])
    result[0].save(tmp_path / "one.jpg")
    assert [path.name for path in result.save(tmp_path, "smile")] == ["smile-00.png", "smile-01.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.jpg", "smile-00.png", "smile-01.png"]


def test_one_weight_per_row_is_a_crossover(client: Client, anna: EmbedResult, bert: EmbedResult) -> None:
    rows = [0.0] * 5 + [1.0] * (NUM_WS - 5)
    by_weight = client.crossover(anna, bert, rows=rows)[0].picture.array()
    assert np.array_equal(by_weight, client.crossover(anna, bert, rows="split:5")[0].picture.array())
    masked = client.crossover(anna, bert, rows=rows, mask=np.zeros((RESOLUTION, RESOLUTION), np.uint8))[
        0
    ].picture.array()
    assert np.array_equal(masked, client.render(anna)[0].picture.array())


def test_expression_of_two_equal_pictures_changes_nothing(client: Client, anna: EmbedResult, bert: EmbedResult) -> None:
    same = client.transfer_expression(anna, bert, bert, strengths=[2.0])[0].picture.array()
    assert np.array_equal(same, client.render(anna)[0].picture.array())


def is_busy(client: Client) -> bool:
    return client.status().worker_state == "busy"


def test_a_token_cancels_from_another_thread(client: Client) -> None:
    token = CancelToken()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.embed, portrait(300), ENDLESS, cancel=token)
        eventually(lambda: is_busy(client))
        token.cancel()
        with pytest.raises(Cancelled) as caught:
            running.result(60)
    assert caught.value.reason == "CANCELLED"
    eventually(lambda: not is_busy(client))


def test_a_token_that_is_already_cancelled_ends_a_call_at_once(client: Client) -> None:
    token = CancelToken()
    token.cancel()
    assert token.cancelled
    with pytest.raises(Cancelled):
        client.embed(portrait(300), ENDLESS, cancel=token)
    eventually(lambda: not is_busy(client))


def test_closing_the_iterator_stops_the_work(client: Client) -> None:
    with client.stream(Embed(portrait(300), ENDLESS)) as events:
        next(event for event in events if isinstance(event, Progress) and event.phase == "embedding")
        assert is_busy(client)
    eventually(lambda: not is_busy(client))
    with pytest.raises(Cancelled):
        next(events)


def test_an_on_event_that_raises_stops_the_work(client: Client) -> None:
    def refuse(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "embedding":
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.embed(portrait(300), ENDLESS, on_event=refuse)
    eventually(lambda: not is_busy(client))


def test_a_call_that_takes_too_long_ends_with_its_deadline(client: Client) -> None:
    with pytest.raises(DeadlineExceeded):
        client.embed(portrait(300), ENDLESS, timeout=0.5)
    eventually(lambda: not is_busy(client))


def test_a_newer_call_with_the_same_key_supersedes_the_older(
    client: Client, anna: EmbedResult, bert: EmbedResult
) -> None:
    def move(weight: float) -> object:
        try:
            return client.run(Morph(anna, bert, weights=[weight] * 50, latest_wins_key="slider"))
        except Superseded as error:
            return error.reason

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(move, 0.1)
        time.sleep(0.05)
        others = [pool.submit(move, 0.2) for _ in range(3)]
        ends = [future.result(60) for future in (first, *others)]
    assert any(not isinstance(end, str) for end in ends)  # the newest is always served
    assert {end for end in ends if isinstance(end, str)} <= {"SUPERSEDED"}


def test_threads_share_a_client(client: Client, anna: EmbedResult) -> None:
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda _: client.render(anna)[0].picture.array(), range(8)))
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


@pytest.mark.parametrize(
    ("latent", "kind", "reason"),
    [
        (Latent.of(codes(np.nan)), InvalidInput, "LATENT_NOT_FINITE"),
        (Latent.of(codes(width=W_DIM - 1)), InvalidInput, "LATENT_SHAPE"),
        (Latent(b"123", NUM_WS, W_DIM), InvalidInput, "LATENT_SHAPE"),
        (Latent.of(codes(), "0" * 64), PreconditionFailed, "LATENT_MODEL_MISMATCH"),
    ],
    ids=["nan", "shape", "bytes", "another model's"],
)
def test_latents_that_cannot_be_used_are_refused(
    client: Client, latent: Latent, kind: type[LatentLayersError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        client.render(latent)
    assert caught.value.reason == reason
    assert caught.value.remedy


def test_models_are_loaded_watched_and_unloaded(client: Client) -> None:
    watching = client.models.watch()
    default = next(watching).default_model
    watching.close()
    assert client.models.load(default).loaded
    assert default in client.status().loaded_models
    with pytest.raises(NotFound):
        client.models.load("nobody")


def test_after_a_failure_the_next_call_works(client: Client, anna: EmbedResult) -> None:
    with pytest.raises(InvalidInput):
        client.embed(b"not a picture")
    assert len(client.render(anna)) == 1
