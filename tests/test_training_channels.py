"""A trunk's channel weights: what they are learnt from, and that the kernels take them in."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from latentlayers.generators.discriminator import DiscriminatorConfig, DiscriminatorTrunk
from latentlayers.training import channels
from latentlayers.training.channels import fitted, fold_channels, learn_channels
from latentlayers.training.distortions import heat
from torch import Tensor

pytestmark = pytest.mark.usefixtures("seeded")

WIDTHS = {4: 7, 8: 6, 16: 5}


def trunk() -> DiscriminatorTrunk:
    return DiscriminatorTrunk(DiscriminatorConfig(32, WIDTHS)).requires_grad_(False)


def pictures(count: int, seed: int = 0) -> Tensor:
    noise = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return (heat(noise, torch.full([count], 2.0)) * 2 + noise * 0.1).clamp(-0.9, 0.9)


@given(st.integers(0, 99))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folding_scales_the_taps_and_leaves_what_follows_them_alone(seed: int) -> None:
    network, rng = trunk(), torch.Generator().manual_seed(seed)
    shown = pictures(2)
    before = network.features(shown)
    weights = [torch.rand(width, generator=rng) * 4 + 0.03 for width in (5, 6)]
    fold_channels(network, weights)
    after = network.features(shown)
    for old, new, weight in zip(before, after, weights, strict=False):
        torch.testing.assert_close(new, old * weight.sqrt()[:, None, None], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after[2], before[2], rtol=1e-4, atol=1e-4)


def test_the_channel_that_knows_gets_the_weight_and_none_gets_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    far, near = torch.rand(500, 5, generator=rng) + 0.1, torch.rand(500, 5, generator=rng) + 0.1
    far[:, 1] += 1.0
    near[:, 4] += 1.0  # misleads
    variance = torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0])
    said: list[str] = []
    one, two = fitted(far, near, torch.full([500], 1 / 500), variance, [3, 2], said.append)
    assert int(one.argmax()) == 1
    assert float(two[1]) < 1.1 * channels.LEAST
    assert float(torch.cat([one, two]).min()) >= channels.LEAST
    assert float((one * variance[:3]).sum()) == pytest.approx(3.5, rel=1e-4)
    assert float((two * variance[3:]).sum()) == pytest.approx(2.0, rel=1e-4)
    before, after = (float(line.split("%")[0]) for line in said)
    assert after > max(before + 5, 80)


def test_learnt_weights_answer_more_comparisons_of_other_people() -> None:
    network, groups = trunk(), torch.tensor([True, False] * 15)

    def right(images: Tensor) -> float:
        found: list[str] = []
        learn_channels(network, images, groups, found.append)
        return float(next(line for line in found if "as it is" in line).split("%")[0])

    unseen = pictures(30, seed=1)
    before = right(unseen)
    fold_channels(network, learn_channels(network, pictures(30), groups))
    assert right(unseen) > before + 3
