"""Edits of layers that are too large to travel at their own scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Painter, QtCore
from edits import edit
from fake_daemon import FakeDaemon
from latentlayers import host
from latentlayers.host.detail import carried_over
from latentlayers.host.pixels import Pixels, scaled
from latentlayers.state import capture
from latentlayers.state.operations import Direction
from latentlayers.state.studio import Studio
from numpy.typing import NDArray

MOST, SIDE = 128, 160  # so much travels of a layer that has so much
TYPES = {"U8": np.dtype("u1"), "U16": np.dtype("<u2")}


def noise(side: int) -> NDArray[np.float64]:
    """Grey noise, BGRA from 0 to 1, opaque."""
    grey = np.random.default_rng(1).uniform(0.3, 0.6, (side, side, 1))
    return np.concatenate([grey, grey, grey, np.ones_like(grey)], axis=2)


def pixels(samples: NDArray[np.float64], depth: str) -> Pixels:
    height, width = samples.shape[:2]
    data = (samples * np.iinfo(TYPES[depth]).max).round().astype(TYPES[depth])
    return Pixels(width, height, depth, data.tobytes())


def samples(of: Pixels) -> NDArray[np.float64]:
    found = np.frombuffer(of.data, TYPES[of.depth]).reshape(of.height, of.width, 4)
    return found / np.iinfo(TYPES[of.depth]).max


@pytest.mark.parametrize("depth", ["U8", "U16"])
def test_what_an_edit_adds_and_takes_is_added_to_and_taken_from_the_large_picture(depth: str) -> None:
    plain = noise(256)
    plain[:40, :, 3] = 0.25  # a part of the layer is thin
    large = pixels(plain, depth)
    small = scaled(large, 64, 64)
    change = np.array([0.2, -0.1, 0.1])
    edited = samples(small).copy()
    edited[..., :3] += change
    edited[:, 32:, :] = 0  # outside of the selection the daemon leaves nothing
    result = samples(carried_over(pixels(edited, depth), small, large))
    left = np.s_[48:, :120]
    np.testing.assert_allclose(result[left][..., :3], plain[left][..., :3] + change, atol=0.02)
    np.testing.assert_allclose(result[left][..., 3], 1, atol=0.01)
    assert result[:, 140:, 3].max() == 0
    assert result[:30, :, 3].max() <= 0.26


def test_a_change_of_nothing_leaves_every_pixel_as_it_was() -> None:
    large = pixels(noise(100), "U8")
    small = scaled(large, 30, 30)
    assert carried_over(small, small, large) == large


@pytest.fixture
def large_layer(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Noise all over the canvas, as Krita's node, in a plugin that sends little."""
    monkeypatch.setattr(capture, "MOST_MAIN", MOST)
    painter.open(SIDE)
    node = painter.node(painter.add_layer("Ada", (0, 0, SIDE, SIDE)))
    node.setPixelData(QtCore.QByteArray(pixels(noise(SIDE), "U8").data), 0, 0, SIDE, SIDE)
    return node


def blue_of(painter: Painter, job: Any) -> NDArray[np.float64]:
    """What the result of an edit shows of one channel; the daemon draws all of it in one red."""
    document = host.active_document()
    return samples(document.read(job.deed.result, document.bounds, SIDE))[..., 0]


@pytest.mark.parametrize(("paste", "keeps"), [("residual", True), ("replace", False)])
def test_a_layer_larger_than_what_travels_keeps_its_texture(
    studio: Studio, daemon: FakeDaemon, painter: Painter, large_layer: Any, paste: str, keeps: bool
) -> None:
    studio.set(paste=paste)
    job = edit(studio, daemon, Direction("smile"))
    assert daemon.last.request.source.picture.picture.raw.width == MOST
    assert (blue_of(painter, job).std() > 0.02) == keeps


def test_a_large_layer_that_was_painted_on_meanwhile_gets_the_picture_as_it_came(
    studio: Studio, daemon: FakeDaemon, painter: Painter, large_layer: Any
) -> None:
    job = studio.apply(Direction("smile"))
    large_layer.setPixelData(QtCore.QByteArray(b"\0\0\0\xff" * SIDE), 0, 0, SIDE, 1)
    daemon.last.serve()
    assert blue_of(painter, job).std() == 0
