"""Editing through the wire, with the real worker and the shipped model: what comes back is what the paper says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from latentlayers.v1 import editing_service_pb2 as pb
from latentlayers.v1 import latent_pb2, model_service_pb2, picture_pb2
from PIL import Image
from running_daemon import RunningDaemon
from shipped import MODEL, NUM_WS, RESOLUTION

STEPS = 12


@pytest.fixture(scope="module")
def model(daemon: RunningDaemon) -> model_service_pb2.Model:
    """The shipped model's description."""
    return daemon.models.GetModel(model_service_pb2.GetModelRequest(name=MODEL)).model


@pytest.fixture(scope="module")
def codes(model: model_service_pb2.Model) -> list[latent_pb2.Source]:
    """Three latents that the model never drew for anybody."""
    rng = np.random.default_rng(5)
    shape = (3, model.num_ws, model.w_dim)
    return [latent(ws, model.digest) for ws in rng.normal(0.3, 0.4, shape).astype("<f4")]


def latent(ws: Any, digest: str = "") -> latent_pb2.Source:
    values = latent_pb2.Latent(ws=ws.tobytes(), rows=ws.shape[0], width=ws.shape[1], model_digest=digest)
    return latent_pb2.Source(latent=values)


def face(seed: int = 0, side: int = 96) -> Image.Image:
    """Something with a light oval on a dark ground."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    oval = np.exp(-((x / 0.25) ** 4) - ((y / 0.35) ** 4))
    noise = np.random.default_rng(seed).normal(0, 4, (side, side, 3))
    pixels = 40 + 150 * oval[..., None] * np.array([1.0, 0.8, 0.7]) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> picture_pb2.Picture:
    file = io.BytesIO()
    image.save(file, form, **options)
    return picture_pb2.Picture(encoded=file.getvalue())


def source(image: Image.Image) -> latent_pb2.Source:
    return latent_pb2.Source(picture=latent_pb2.PictureSource(picture=encoded(image)))


def pixels(image: pb.Image) -> Any:
    return np.asarray(Image.open(io.BytesIO(image.picture.encoded)).convert("RGB"), dtype=np.int16)


def images(responses: Iterator[Any]) -> list[Any]:
    return [pixels(r.event.image) for r in responses if r.event.WhichOneof("event") == "image"]


def embedded(responses: Iterator[Any]) -> list[pb.Embedded]:
    return [r.event.embedded for r in responses if r.event.WhichOneof("event") == "embedded"]


def embed(daemon: RunningDaemon, picture: picture_pb2.Picture, **options: Any) -> pb.Embedded:
    request = pb.EmbedRequest(
        source=latent_pb2.PictureSource(picture=picture),
        options=latent_pb2.EmbedOptions(max_steps=STEPS, **options),
    )
    return embedded(daemon.editing.Embed(request))[0]


def same(one: Any, other: Any) -> bool:
    """But for rounding: a batch of pictures and a picture by itself need not be computed by the same kernels."""
    return bool(np.abs(one - other).max() <= 1)


def render(daemon: RunningDaemon, code: latent_pb2.Source, **options: Any) -> Any:
    return images(daemon.editing.Render(pb.RenderRequest(source=code, **options)))[0]


def test_the_ends_of_a_morph_are_its_sources(daemon: RunningDaemon, codes: list[latent_pb2.Source]) -> None:
    first, middle, last = images(daemon.editing.Morph(pb.MorphRequest(a=codes[0], b=codes[1], frames=3)))
    assert same(first, render(daemon, codes[0]))
    assert same(last, render(daemon, codes[1]))
    assert (middle != first).any()
    assert (middle != last).any()


def test_a_morph_takes_weights_of_its_first_source(daemon: RunningDaemon, codes: list[latent_pb2.Source]) -> None:
    request = pb.MorphRequest(a=codes[0], b=codes[1], weights=pb.Weights(values=[0.0, 1.0]))
    b, a = images(daemon.editing.Morph(request))
    assert same(a, render(daemon, codes[0]))
    assert same(b, render(daemon, codes[1]))


def test_a_crossover_of_all_rows_is_the_style_and_of_none_the_content(
    daemon: RunningDaemon, codes: list[latent_pb2.Source]
) -> None:
    def crossed(**options: Any) -> Any:
        return images(daemon.editing.Crossover(pb.CrossoverRequest(content=codes[0], style=codes[1], **options)))[0]

    assert same(crossed(rows="all"), render(daemon, codes[1]))
    assert same(crossed(rows="none"), render(daemon, codes[0]))
    halves = [0.0] * (NUM_WS // 2) + [1.0] * (NUM_WS // 2)
    assert same(crossed(), crossed(row_weights=halves))


def test_a_crossover_shows_only_where_its_mask_is_white(daemon: RunningDaemon, codes: list[latent_pb2.Source]) -> None:
    half = RESOLUTION // 2
    mask = Image.new("L", (RESOLUTION, RESOLUTION), 0)
    mask.paste(255, (0, 0, half, RESOLUTION))
    request = pb.CrossoverRequest(content=codes[0], style=codes[1], rows="all", mask=encoded(mask))
    (crossed,) = images(daemon.editing.Crossover(request))
    assert same(crossed[:, :half], render(daemon, codes[1])[:, :half])
    assert same(crossed[:, half:], render(daemon, codes[0])[:, half:])


def test_an_expression_from_two_equal_codes_changes_nothing(
    daemon: RunningDaemon, codes: list[latent_pb2.Source]
) -> None:
    request = pb.TransferExpressionRequest(target=codes[0], neutral=codes[1], expressive=codes[1], strengths=[0.5, 2])
    for picture in images(daemon.editing.TransferExpression(request)):
        assert same(picture, render(daemon, codes[0]))


@pytest.mark.parametrize("direction", ["smile", "pca-1", "sefa-2"])
def test_directions_of_strength_zero_change_nothing_and_others_do(
    daemon: RunningDaemon, codes: list[latent_pb2.Source], direction: str
) -> None:
    request = pb.ApplyDirectionRequest(source=codes[0], direction=direction, strengths=[0.0, 1.5])
    still, moved = images(daemon.editing.ApplyDirection(request))
    assert same(still, render(daemon, codes[0]))
    assert np.abs(moved - still).mean() > 0.5


def test_full_truncation_is_the_mean_picture(daemon: RunningDaemon, codes: list[latent_pb2.Source]) -> None:
    assert (render(daemon, codes[0], truncation=0.0) == render(daemon, codes[1], truncation=0.0)).all()


def test_synthesis_stops_early_for_a_cheap_preview(daemon: RunningDaemon, codes: list[latent_pb2.Source]) -> None:
    assert render(daemon, codes[0], output=pb.OutputOptions(resolution=16)).shape == (16, 16, 3)


def test_the_same_pixels_are_embedded_once_however_they_arrive(daemon: RunningDaemon) -> None:
    image = face(1)
    raw = picture_pb2.RawPixels(width=96, height=96, format=picture_pb2.PIXEL_FORMAT_RGB8, data=image.tobytes())
    first = embed(daemon, encoded(image))
    assert not first.reused
    again = embed(daemon, picture_pb2.Picture(raw=raw))
    assert again.reused
    assert again.embedding.id == first.embedding.id
    assert not embed(daemon, encoded(image), seed=1).reused
    assert not embed(daemon, encoded(face(2))).reused


def test_embedding_twice_with_one_seed_gives_the_same_code(daemon: RunningDaemon) -> None:
    picture = encoded(face(3))
    first, second = (embed(daemon, picture, refresh=True).embedding for _ in range(2))
    assert first.id != second.id
    assert first.latent.ws == second.latent.ws


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("I;16", "PNG"), ("1", "PNG"), ("LA", "PNG")],
)
def test_every_kind_of_picture_can_be_embedded(daemon: RunningDaemon, mode: str, form: str) -> None:
    image = face(4)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    found = embed(daemon, encoded(image, form)).embedding
    assert found.psnr > 8
    assert len(found.latent.ws) == found.latent.rows * found.latent.width * 4


def test_pixels_under_the_mask_do_not_count(daemon: RunningDaemon) -> None:
    mask = Image.new("L", (96, 96), 255)
    mask.paste(0, (0, 0, 40, 96))
    spoiled = face(5)
    spoiled.paste((255, 0, 255), (0, 0, 40, 96))

    def code(image: Image.Image) -> bytes:
        masked = latent_pb2.PictureSource(picture=encoded(image), mask=encoded(mask))
        options = latent_pb2.EmbedOptions(max_steps=STEPS, refresh=True)
        return embedded(daemon.editing.Embed(pb.EmbedRequest(source=masked, options=options)))[0].embedding.latent.ws

    assert code(face(5)) == code(spoiled)


def test_pasting_back_touches_only_the_frame(daemon: RunningDaemon) -> None:
    image = face(6, side=160)
    frame = picture_pb2.FrameSpec(rectangle=picture_pb2.Rectangle(x=40, y=30, width=80, height=80))
    framed = latent_pb2.PictureSource(picture=encoded(image), frame=frame)
    for paste in (pb.PASTE_MODE_REPLACE, pb.PASTE_MODE_RESIDUAL):
        request = pb.ApplyDirectionRequest(
            source=latent_pb2.Source(picture=framed),
            direction="pca-1",
            strengths=[3.0],
            embed=latent_pb2.EmbedOptions(max_steps=STEPS),
            output=pb.OutputOptions(paste=paste),
        )
        (pasted,) = images(daemon.editing.ApplyDirection(request))
        outside = np.ones((160, 160), dtype=bool)
        outside[30:110, 40:120] = False
        original = np.asarray(image, dtype=np.int16)
        assert (pasted[outside] == original[outside]).all()
        assert (pasted[40:100, 50:110] != original[40:100, 50:110]).any()


def test_a_picture_that_brings_its_code_is_not_embedded(daemon: RunningDaemon, codes: list[latent_pb2.Source]) -> None:
    image = face(9, side=160)
    frame = picture_pb2.FrameSpec(rectangle=picture_pb2.Rectangle(x=40, y=30, width=80, height=80))
    known = latent_pb2.PictureSource(picture=encoded(image), frame=frame, latent=codes[0].latent)
    request = pb.MorphRequest(
        a=latent_pb2.Source(picture=known),
        b=codes[1],
        weights=pb.Weights(values=[0.25]),
        output=pb.OutputOptions(paste=pb.PASTE_MODE_REPLACE, feather=0, layer=True),
    )
    events = list(daemon.editing.Morph(request))
    assert not embedded(iter(events))
    (answer,) = [e.event.image for e in events if e.event.WhichOneof("event") == "image"]
    layer = np.asarray(Image.open(io.BytesIO(answer.picture.encoded)).convert("RGBA"))
    shown = np.zeros((160, 160), dtype=bool)
    shown[30:110, 40:120] = True
    assert ((layer[..., 3] == 255) == shown).all()
    mixed = daemon.editing.Morph(pb.MorphRequest(a=codes[0], b=codes[1], weights=pb.Weights(values=[0.25])))
    (plain,) = images(mixed)
    begin, end = 3 * RESOLUTION // 8, 5 * RESOLUTION // 8
    pasted, drawn = (
        np.asarray(Image.fromarray(part.astype(np.uint8)).resize((10, 10), Image.Resampling.BOX), dtype=np.int16)
        for part in (layer[60:80, 70:90, :3], plain[begin:end, begin:end])
    )
    assert np.abs(pasted - drawn).mean() < 4, "the middle of the paste is the model's own picture"


def test_a_morph_of_two_untouched_pictures_is_one_call(daemon: RunningDaemon) -> None:
    request = pb.MorphRequest(
        a=source(face(7)), b=source(face(8)), frames=2, embed=latent_pb2.EmbedOptions(max_steps=STEPS)
    )
    events = list(daemon.editing.Morph(request))
    assert [e.role for e in embedded(iter(events))] == ["a", "b"]
    assert len(images(iter(events))) == 2
    steps = [e.event.progress for e in events if e.event.WhichOneof("event") == "progress"]
    assert {p.role for p in steps if p.phase == pb.PHASE_EMBEDDING} == {"a", "b"}
