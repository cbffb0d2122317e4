"""One step of training: gradients, the optimiser, augmentation, rates."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.training.augment import augment
from latentlayers.training.flat import adam_step
from latentlayers.training.settings import TrainSettings
from latentlayers.training.step import accumulate_gradients, mixed_latents
from training_samples import CPU, QUICK, SIDE, small_state

pytestmark = pytest.mark.usefixtures("seeded")


def test_one_pass_over_a_fake_gives_the_generator_the_gradient_of_its_own_loss() -> None:
    state = small_state()
    torch.manual_seed(5)
    ws = mixed_latents(state.generator, 1, QUICK.style_mixing, CPU)
    fake = state.generator.synthesize(ws, noise="random")
    loss = F.softplus(-state.discriminator(fake)).sum() / QUICK.batch
    wanted = torch.autograd.grad(loss, list(state.generator.parameters()))
    torch.manual_seed(5)
    reals = torch.rand(1, 3, SIDE, SIDE)
    torch.manual_seed(5)
    accumulate_gradients(
        state.generator,
        state.discriminator,
        reals,
        QUICK,
        augment_probability=0.0,
        penalise=False,
        dtype=torch.float32,
    )
    for parameter, slope in zip(state.generator.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, slope, rtol=1e-3, atol=1e-6)


def test_the_penalty_is_measured_only_where_it_is_applied() -> None:
    state = small_state()
    for penalise in (False, True):
        stats = accumulate_gradients(
            state.generator,
            state.discriminator,
            torch.rand(4, 3, SIDE, SIDE),
            QUICK,
            augment_probability=0.5,
            penalise=penalise,
            dtype=torch.float32,
        )
        assert (stats.penalty is not None) == penalise


def test_mixed_latents_change_from_one_w_to_another_at_most_once() -> None:
    ws = mixed_latents(small_state().generator, 64, 1.0, CPU)
    changes = (ws[:, 1:] != ws[:, :-1]).any(dim=2).sum(dim=1)
    assert (changes == 1).all()
    unmixed = mixed_latents(small_state().generator, 64, 0.0, CPU)
    assert torch.equal(unmixed, unmixed[:, :1].expand_as(unmixed))


def test_adam_without_momentum_agrees_with_torch() -> None:
    start = torch.randn(50)
    theirs = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([theirs], lr=0.01, betas=(0.0, 0.99))
    ours, moment = start.clone(), torch.zeros(50)
    for step in range(5):
        slope = torch.randn(50)
        theirs.grad = slope.clone()
        optimiser.step()
        adam_step(ours, slope.clone(), moment, rate=0.01, beta2=0.99, steps=step)
    torch.testing.assert_close(ours, theirs.detach())


def test_a_gradient_that_is_not_finite_leaves_the_parameters_finite() -> None:
    parameters, moment = torch.zeros(3), torch.zeros(3)
    slope = torch.tensor([float("nan"), float("inf"), 1.0])
    adam_step(parameters, slope, moment, rate=0.1, beta2=0.99, steps=0)
    assert parameters.isfinite().all()
    assert parameters[0] == 0


def test_augmentation_of_probability_0_changes_nothing() -> None:
    images = torch.rand(4, 3, 8, 8)
    assert augment(images, 0.0) is images


@settings(deadline=None, max_examples=10)
@given(st.floats(0.05, 0.4))
def test_augmentation_leaves_pictures_alone_as_often_as_its_probability_says(probability: float) -> None:
    images = torch.rand(2000, 3, 4, 4) * 2 - 1
    result = augment(images, probability)
    assert result.isfinite().all()
    untouched = ((result - images).abs().amax(dim=(1, 2, 3)) < 1e-4).float().mean()
    assert untouched == pytest.approx((1 - probability) ** 7, abs=0.06)  # seven independent transformations


def test_augmentation_lets_gradients_through() -> None:
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(augment(images, 1.0).sum(), images)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.floats(0, 1))
def test_learning_rates_only_fall_and_the_discriminator_s_falls_less(first: float, second: float) -> None:
    config = TrainSettings()
    early, late = config.rates_at(min(first, second), 1000), config.rates_at(max(first, second), 1000)
    assert late[0] <= early[0]
    assert late[1] <= early[1]
    assert late[1] / config.discriminator_rate >= late[0] / config.generator_rate
    assert config.rates_at(0.0, 1000) == (config.generator_rate, config.discriminator_rate)


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 0.7), st.floats(-1, 1))
def test_augmentation_moves_towards_its_target_and_stays_in_bounds(probability: float, sign: float) -> None:
    config = TrainSettings()
    moved = config.next_augment(probability, sign)
    assert 0 <= moved <= config.ada_max
    if sign > config.ada_target:
        assert moved >= probability
    if sign < config.ada_target:
        assert moved <= probability


def test_settings_survive_json() -> None:
    config = TrainSettings(grow_kimg=(60, 260), balance=0.3)
    assert TrainSettings.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_growing_run_doubles_its_side_at_the_given_counts() -> None:
    config = TrainSettings(grow_kimg=(60, 260))
    assert [config.side_at(images, 64) for images in (0, 59_999, 60_000, 259_999, 260_000)] == [16, 16, 32, 32, 64]
