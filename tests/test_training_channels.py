"""A trunk's channel weights: what they are learnt from, and that they answer better."""

from __future__ import annotations

import pytest
import torch
from latentlayers.generators.discriminator import DiscriminatorConfig, DiscriminatorTrunk
from latentlayers.inversion.features import TrunkFeatures
from latentlayers.inversion.objective import Objective
from latentlayers.training import channels
from latentlayers.training.channels import UNTAUGHT, fitted, learn_channels, shares_of
from latentlayers.training.comparisons import measured, nearest_others
from latentlayers.training.distortions import heat
from torch import Tensor

pytestmark = pytest.mark.usefixtures("seeded")

WIDTHS = {4: 7, 8: 6, 16: 5}


def trunk() -> DiscriminatorTrunk:
    return DiscriminatorTrunk(DiscriminatorConfig(32, WIDTHS)).requires_grad_(False)


def pictures(count: int, seed: int = 0) -> Tensor:
    noise = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return (heat(noise, torch.full([count], 2.0)) * 2 + noise * 0.1).clamp(-0.9, 0.9)


def test_eyes_the_mouth_and_all_else_count_as_much_as_each_other() -> None:
    kinds = [("eyes", "swapped")] * 5 + [("eyes", "pulled")] + [("mouth", "pulled")] * 2
    kinds += [("blur", "face")] * 3 + [("ghost", "blur")]
    each = shares_of(kinds)
    for first, last in ((0, 5), (5, 6), (8, 11), (11, 12)):
        assert float(each[first:last].sum()) == pytest.approx(1 / 6)
    assert float(each[6:8].sum()) == pytest.approx(1 / 3)


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

    def right(features: TrunkFeatures, images: Tensor) -> float:
        objective = Objective(features, images)
        others = images[nearest_others(images, groups, 1)[:, 0]]
        answers = [
            (far > near).float()
            for comparison, far, near in measured(lambda shown: objective(shown)[:, 1:].sum(dim=1), images, others)
            if comparison.subject not in UNTAUGHT
        ]
        return float(torch.cat(answers).mean())

    even = [torch.ones(width) for width in (5, 6, 7)]
    learnt = learn_channels(network, pictures(30), groups)
    unseen = pictures(30, seed=1)
    before, after = (right(TrunkFeatures(network, channels=weights), unseen) for weights in (even, learnt))
    assert after > before + 0.03
