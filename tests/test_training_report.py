"""What becomes of a trained run: the exported model, and the figures about it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from latentlayers.checkpoints import load_generator
from latentlayers.generators import StyleGAN2
from latentlayers.inversion.features import TrunkFeatures, load_features
from latentlayers.training.data import Portraits
from latentlayers.training.export import FEATURES_FILE, GENERATOR_FILE, export_model, trunk_of
from latentlayers.training.grids import draw_samples, measure_w_avg, tile
from latentlayers.training.report import Yardstick, frechet_distance, nearest, report
from training_samples import SIDE, random_images, small_state

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_an_exported_model_draws_what_the_run_s_average_draws(tmp_path: Path, strength: float) -> None:
    state = small_state()
    for parameter in (p for name, p in state.average.named_parameters() if name.endswith("noise_strength")):
        torch.nn.init.constant_(parameter, strength)
    state.average.w_avg.copy_(measure_w_avg(state.average, 500))
    export_model(state, tmp_path, name="tiny", licence="Apache-2.0", provenance="a test")
    loaded = load_generator(tmp_path / GENERATOR_FILE)
    assert isinstance(loaded, StyleGAN2)
    assert loaded.config.use_noise == bool(strength)  # noise that does nothing is not kept
    z = torch.randn(2, 8)
    ours = loaded.synthesize(loaded.map(z, truncation=0.7))
    theirs = state.average.synthesize(state.average.map(z, truncation=0.7))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)  # half precision storage
    images = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    taps = load_features(tmp_path / FEATURES_FILE)(images)
    for kept, made in zip(taps, trunk_of(state).features(images), strict=True):
        torch.testing.assert_close(kept, made, rtol=0, atol=0.02)


def test_a_model_exported_with_portraits_brings_weights_for_its_channels(tmp_path: Path) -> None:
    portraits = Portraits(random_images(8, SIDE), [{"kind": "colour" if i % 2 else "mono"} for i in range(8)])
    told = {"name": "tiny", "licence": "Apache-2.0", "provenance": "a test"}
    export_model(small_state(), tmp_path, portraits=portraits, **told)
    features = load_features(tmp_path / FEATURES_FILE)
    assert isinstance(features, TrunkFeatures)
    assert features.channels is not None
    assert all(float(weights.std()) > 0.01 for weights in features.channels)


def test_the_exported_trunk_weighs_its_taps_equally_and_sees_the_same() -> None:
    state = small_state()
    with torch.no_grad():
        state.discriminator.b8.conv1.weight *= 30
    calibrated, samples = trunk_of(state), draw_samples(state.average, 128)
    for ours, theirs in zip(calibrated.features(samples), state.discriminator.features(samples), strict=True):
        assert float(ours.square().mean()) == pytest.approx(1, rel=1e-3)
        torch.testing.assert_close(ours / ours.std(), theirs / theirs.std(), rtol=1e-3, atol=1e-4)


def test_the_frechet_distance_of_a_shift_is_its_square() -> None:
    rows = torch.randn(500, 4)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(rows, rows + 2) == pytest.approx(16, rel=1e-6)


def test_a_copied_picture_is_found_even_if_mirrored() -> None:
    known = torch.rand(10, 3, 32, 32) * 2 - 1
    found = nearest(known[[4, 7]].flip(3), known, 32)
    assert found.index.tolist() == [4, 7]
    assert (found.distance < 0.1).all()


def test_real_pictures_are_as_like_the_data_as_can_be() -> None:
    state, images = small_state(), random_images(40).float() / 127.5 - 1
    figures = Yardstick({"trunk": trunk_of(state)}, images, images, images).distances(images)
    for space in figures.values():
        assert space["frechet_train"] == pytest.approx(0, abs=0.05)
        assert (space["precision"], space["recall"]) == (1, 1)
    flat = torch.full_like(images, 0.9) + 0.01 * images
    found = Yardstick({"trunk": trunk_of(state)}, images, images, images).distances(flat)
    for name, space in found.items():
        assert space["frechet_train"] > figures[name]["frechet_train"] + 0.1
    assert found["trunk"]["precision"] < 0.5


def test_a_report_holds_its_figures_and_sheets(tmp_path: Path) -> None:
    state = small_state()
    rows = [{"kind": "colour" if i % 2 else "mono"} for i in range(40)]
    portraits = Portraits(random_images(40, 2 * SIDE), rows)  # larger than what the generator draws
    images = portraits.images.float() / 127.5 - 1
    yardstick = Yardstick({"own trunk": trunk_of(state)}, images, images, images)
    features = TrunkFeatures(trunk_of(state))
    figures = report(state.average, features, yardstick, portraits, portraits, tmp_path, samples=40, reconstructions=2)
    assert figures["likeness_to_data"].keys() == {"pixels_32", "own trunk"}
    assert figures["reconstruction"]["count"] == sum(figures["reconstruction"]["verdicts"].values()) == 2
    assert figures["copying"]["32px"]["unseen"]["median"] == pytest.approx(0, abs=0.5)
    assert json.loads(json.dumps(figures)) == figures
    for name in ("samples-0.7.png", "samples-1.0.png", "nearest.png", "reconstruction.png", "morph.png"):
        assert (tmp_path / name).stat().st_size > 0


def test_samples_for_figures_are_the_same_every_time() -> None:
    generator = small_state().average
    assert torch.equal(draw_samples(generator, 8), draw_samples(generator, 8))


def test_a_tile_keeps_the_order_of_pictures_and_fills_up_with_black() -> None:
    images = torch.stack([torch.full((3, 2, 2), value) for value in (-1.0, 0.0, 1.0)])
    sheet = np.asarray(tile(images, columns=2, scale=1))
    assert sheet.shape == (4, 4, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (0, 2), (2, 0), (2, 2))] == [0, 128, 255, 0]
