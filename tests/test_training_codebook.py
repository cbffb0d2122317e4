"""Reconstructing training pictures while a generator is trained, and going on from a shipped model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import NotFound
from latentlayers.training.adopt import adopted_state, is_model, networks_of
from latentlayers.training.codebook import Codes, Window, first_codes, moved, reconstruction_slope, w_deviation
from latentlayers.training.data import Sampler
from latentlayers.training.export import export_model, trunk_of
from latentlayers.training.grids import draw_samples
from latentlayers.training.loop import train
from latentlayers.training.shared import RunPlan
from latentlayers.training.state import load_state, save_state
from latentlayers.training.step import accumulate_gradients
from training_samples import CPU, QUICK, SIDE, random_images, small_state

pytestmark = pytest.mark.usefixtures("seeded")


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12), st.integers(20, 60), st.integers(0, 1000))
def test_every_picture_that_has_passed_through_the_window_was_visited_about_as_often(
    size: int, visits: int, seed: int
) -> None:
    window = Window(np.arange(40), size, float(visits))
    random = np.random.default_rng(seed)
    seen = np.zeros(40)
    for visited in range(visits * (40 - size)):
        seen[window.pick(visited, 1, random)[0]] += 1
    passed = seen[size : 40 - size]
    assert passed.mean() == pytest.approx(visits, rel=0.2)
    assert passed.min() > 0


def test_pictures_of_one_step_are_different_entries_and_the_oldest_leave_first() -> None:
    window = Window(np.arange(100), size=10, visits=2.0)
    chosen, age = window.pick(0, 10, np.random.default_rng(0))
    assert sorted(chosen) == list(range(10))
    assert list(chosen[np.argsort(-age)]) == list(range(10))
    later, _ = window.pick(8, 10, np.random.default_rng(0))
    assert sorted(later) == list(range(4, 14))


def test_a_step_of_a_code_is_as_long_as_its_age_says_whatever_the_gradient() -> None:
    codes = torch.zeros(3, 4, 5)
    gradient = torch.randn(3, 4, 5) * torch.tensor([1e-6, 1.0, 1e6])[:, None, None]
    lengths = moved(codes, gradient, 2.0, np.array([0.0, 0.0, 1.0])).square().mean(dim=(1, 2)).sqrt()
    assert lengths[0] == pytest.approx(float(lengths[1]), rel=1e-4)
    assert lengths[0] == pytest.approx(0.2, rel=1e-4)
    assert lengths[2] == pytest.approx(0.02, rel=1e-4)
    assert moved(codes, torch.full((3, 4, 5), float("nan")), 2.0, np.zeros(3)).isfinite().all()


def test_the_slope_points_away_from_the_wanted_picture_and_spares_the_trunk() -> None:
    state = small_state()
    state.discriminator.requires_grad_(True)
    wanted = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    drawn = wanted + 0.1 * torch.randn_like(wanted)
    slope, error = reconstruction_slope(drawn, wanted, state.discriminator, torch.float32)
    assert error == pytest.approx(0.01, rel=0.2)
    after = drawn - 0.05 * slope / slope.norm() * (drawn - wanted).norm()
    assert reconstruction_slope(after, wanted, state.discriminator, torch.float32)[1] < error
    assert all(parameter.grad is None for parameter in state.discriminator.parameters())


def test_first_codes_are_nearer_to_their_pictures_than_the_mean_is() -> None:
    generator = small_state().average
    images = draw_samples(generator, 16, seed=99)
    codes = first_codes(generator, ((images + 1) * 127.5).round().byte())
    with torch.no_grad():
        mean = generator.synthesize(generator.w_avg.expand(16, generator.num_ws, -1))
        found = generator.synthesize(codes)
    assert (found - images).square().mean() < 0.8 * (mean - images).square().mean()


def test_a_step_with_codes_gives_them_gradients_and_tells_their_error_and_pull() -> None:
    state, pulls = small_state(), []
    reals = torch.rand(4, 3, SIDE, SIDE) * 2 - 1
    for weight in (1.0, 10.0):
        ws = state.average.w_avg.repeat(2, state.average.num_ws, 1).requires_grad_(True)
        torch.manual_seed(0)
        stats = accumulate_gradients(
            state.generator,
            state.discriminator,
            reals,
            replace(QUICK, reconstruct_weight=weight),
            augment_probability=0.0,
            penalise=False,
            dtype=torch.float32,
            codes=Codes(ws, torch.zeros(2, 3, SIDE, SIDE), state.average.w_avg, w_deviation(state.average)),
        )
        assert ws.grad is not None
        assert ws.grad.abs().amax(dim=(1, 2)).min() > 0
        assert stats.error is not None
        pulls.append(stats.pull)
    assert pulls[1] == pytest.approx(10 * pulls[0], rel=1e-3)


def test_a_run_that_reconstructs_comes_closer_to_its_pictures_and_keeps_their_codes(tmp_path: Path) -> None:
    images = random_images(6)
    weights = np.full(6, 1 / 6)
    state = small_state()
    settings_ = replace(QUICK, reconstruct=0.5, reconstruct_weight=20.0, window=6, visits=1e6)
    plan = RunPlan(tmp_path, minutes=5.0, max_kimg=0.6, dtype=torch.float32)
    codes = first_codes(state.average, images)
    before = _error(state.average, codes, images)
    train(state, settings_, plan, images, weights, lambda _: None)
    assert state.codes is not None
    assert _error(state.average, state.codes, images) < 0.7 * before
    resumed = load_state(tmp_path, CPU)
    assert resumed.codes is not None
    torch.testing.assert_close(resumed.codes, state.codes, rtol=1e-3, atol=1e-3)


def _error(generator: torch.nn.Module, codes: torch.Tensor, images: torch.Tensor) -> float:
    with torch.no_grad():
        drawn = generator.synthesize(codes)
    return float((drawn - (images.float() / 127.5 - 1)).square().mean())


def test_a_shipped_model_is_a_start_with_a_head_that_tells_its_pictures_from_real_ones(tmp_path: Path) -> None:
    state = small_state()
    export_model(state, tmp_path, name="tiny", licence="Apache-2.0", provenance="a test")
    assert is_model(tmp_path)
    reals = Sampler(random_images(16), np.full(16, 1 / 16), (0,))
    adopted = adopted_state(tmp_path, lambda _: reals, CPU)
    images = draw_samples(adopted.average, 16)
    torch.testing.assert_close(images, draw_samples(state.average, 16), rtol=0, atol=0.02)
    for ours, theirs in zip(adopted.discriminator.features(images), trunk_of(state).features(images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.05)
    with torch.no_grad():
        assert adopted.discriminator(reals.draw(16, CPU)).mean() > adopted.discriminator(images).mean() + 1
    (tmp_path / "run").mkdir()
    save_state(adopted, QUICK, tmp_path / "run")
    for folder in (tmp_path, tmp_path / "run"):
        generator, features, _ = networks_of(folder)
        assert generator.resolution == features.trunk.config.resolution == SIDE


def test_a_model_without_its_trunk_is_no_start(tmp_path: Path) -> None:
    state = small_state()
    export_model(state, tmp_path, name="tiny", licence="Apache-2.0", provenance="a test")
    (tmp_path / "features.safetensors").unlink()
    with pytest.raises(NotFound, match="features"):
        networks_of(tmp_path)
