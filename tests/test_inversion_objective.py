"""Image2StyleGAN's objective, and what a mask hides from it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inversion_models import SIDE, tiny_features
from latentlayers.errors import InvalidInput
from latentlayers.inversion import FeatureNetwork, Objective, PixelPyramid
from torch import Tensor

NETWORKS: list[FeatureNetwork] = [tiny_features(), PixelPyramid()]


def pictures(seed: int, count: int = 2) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def masks(seed: int, count: int = 2) -> Tensor:
    """Weights 0, 1 and in between, some of each."""
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 1, SIDE, SIDE, generator=rng) * 2 - 0.5).clamp(0, 1)


def test_it_is_the_papers_sum() -> None:
    features = tiny_features()
    found, wanted = pictures(1), pictures(2)
    terms = Objective(features, wanted)(found)
    assert torch.allclose(terms[:, 0], (found - wanted).square().sum(dim=(1, 2, 3)) / (3 * SIDE * SIDE))
    for j, (a, b) in enumerate(zip(features(found), features(wanted), strict=True), start=1):
        assert torch.allclose(terms[:, j], (a - b).square().sum(dim=(1, 2, 3)) / a[0].numel())


def test_the_same_picture_costs_nothing_and_has_the_highest_psnr() -> None:
    objective = Objective(tiny_features(), pictures(1))
    assert bool((objective(pictures(1)) == 0).all())
    assert objective.psnr(pictures(1)).tolist() == pytest.approx([10 * torch.tensor(4e10).log10().item()] * 2)


def test_psnr_is_measured_after_clamping() -> None:
    white = torch.ones(1, 3, SIDE, SIDE)
    assert Objective(PixelPyramid(), white).psnr(white * 3) == Objective(PixelPyramid(), white).psnr(white)
    assert Objective(PixelPyramid(), white).psnr(white * 0).item() == pytest.approx(6.0206, abs=1e-3)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(NETWORKS), st.sampled_from([0.3, 1e6, float("nan"), float("inf")]))
def test_what_the_target_hides_changes_no_bit(seed: int, features: FeatureNetwork, hidden: float) -> None:
    mask, target, found = masks(seed), pictures(seed + 1), pictures(seed + 2).requires_grad_(True)
    other = torch.where(mask > 0, target, hidden)
    results = []
    for wanted in (target, other):
        objective = Objective(features, wanted, mask)
        terms = objective(found)
        (gradient,) = torch.autograd.grad(terms.sum(), found)
        reduced = objective.reduced(SIDE // 2)(found[..., ::2, ::2])
        results.append((terms, gradient, objective.psnr(found), reduced))
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(NETWORKS))
def test_what_is_hidden_of_the_generated_picture_does_not_matter_either(seed: int, features: FeatureNetwork) -> None:
    mask, found = masks(seed), pictures(seed + 2).requires_grad_(True)
    objective = Objective(features, pictures(seed + 1), mask)
    terms = objective(found)
    (gradient,) = torch.autograd.grad(terms.sum(), found)
    assert bool((gradient[(mask == 0).expand_as(gradient)] == 0).all())
    assert torch.equal(objective(torch.where(mask > 0, found, found + 5)), terms)


def test_a_mask_that_shows_everything_is_no_mask() -> None:
    with_mask = Objective(tiny_features(), pictures(1), torch.ones(2, 1, SIDE, SIDE))
    assert torch.allclose(with_mask(pictures(2)), Objective(tiny_features(), pictures(1))(pictures(2)), rtol=1e-5)


def test_the_targets_features_are_computed_once() -> None:
    features = PixelPyramid()
    calls: list[int] = []
    features.register_forward_hook(lambda *_: calls.append(1))
    objective = Objective(features, pictures(1))
    for seed in (2, 3, 4):
        objective(pictures(seed))
    assert len(calls) == 4


def test_gains_weigh_the_feature_terms() -> None:
    plain = Objective(tiny_features(), pictures(1))(pictures(2))
    assert torch.allclose(
        Objective(tiny_features(), pictures(1), gains=[2.0, 0.5])(pictures(2)), plain * torch.tensor([1, 2, 0.5])
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_visible_pixel_that_is_not_finite_is_refused(bad: float) -> None:
    target = pictures(1)
    target[1, 2, 3, 4] = bad
    with pytest.raises(InvalidInput) as refusal:
        Objective(PixelPyramid(), target)
    assert refusal.value.reason == "IMAGE_NOT_FINITE"


@pytest.mark.parametrize(
    "mask", [torch.zeros(2, 1, 16, 16), torch.full([2, 1, 16, 16], 1.5), torch.full([2, 1, 16, 16], torch.nan)]
)
def test_masks_that_hide_everything_or_are_no_weights_are_refused(mask: Tensor) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Objective(PixelPyramid(), pictures(1), mask)
    assert refusal.value.reason == "MASK_INVALID"
