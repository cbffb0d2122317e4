"""The discriminator of training."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.generators.discriminator import Discriminator, DiscriminatorConfig, DiscriminatorTrunk, minibatch_std
from training_samples import JUDGE, SIDE

pytestmark = pytest.mark.usefixtures("seeded")


def test_the_trunk_alone_computes_what_the_discriminator_s_trunk_does() -> None:
    judge = Discriminator(JUDGE)
    trunk = DiscriminatorTrunk(JUDGE)
    trunk.load_trunk(judge.state_dict())
    images = torch.rand(2, 3, SIDE, SIDE)
    taps = trunk.features(images)
    assert [tuple(tap.shape) for tap in taps] == [(2, 8, 8, 8), (2, 8, 4, 4)]
    for ours, theirs in zip(taps, judge.features(images), strict=True):
        assert torch.equal(ours, theirs)


def test_the_discriminator_judges_every_side_down_to_8_px() -> None:
    judge = Discriminator(DiscriminatorConfig(32, {4: 8, 8: 8, 16: 8}))
    for side in (32, 16, 8):
        assert judge(torch.rand(4, 3, side, side)).shape == (4, 1)


@pytest.mark.parametrize("resolution", [8, 24])
def test_a_discriminator_of_an_impossible_side_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        DiscriminatorConfig(resolution, {4: 8})


def test_a_discriminator_config_survives_json() -> None:
    assert DiscriminatorConfig.from_json(json.loads(json.dumps(JUDGE.to_json()))) == JUDGE


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([1, 3, 4, 8]), st.integers(0, 1000))
def test_the_batch_statistic_keeps_its_value_and_summed_gradient_when_each_sample_pays_for_itself(
    count: int, seed: int
) -> None:
    values = torch.randn(count, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    outputs, slopes = [], []
    for own in (False, True):
        x = values.clone().requires_grad_(True)
        y = minibatch_std(x, own_gradient=own)
        outputs.append(y)
        slopes.append(torch.autograd.grad(y[:, -1].sum(), x)[0])
    assert torch.equal(*outputs)
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)


def test_with_own_gradients_no_sample_reaches_another() -> None:
    x = torch.randn(8, 3, 2, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(minibatch_std(x, own_gradient=True)[3, -1].sum(), x)
    reached = slope.abs().sum(dim=(1, 2, 3)) > 0
    assert reached.tolist() == [i == 3 for i in range(8)]
