"""Precision, recall, and the evenness of ways through the latent space."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.training.export import trunk_of
from latentlayers.training.manifold import overlap, radii
from latentlayers.training.smoothness import far_morph, path_length, perceptual_distance
from training_samples import small_state

pytestmark = pytest.mark.usefixtures("seeded")


def rows(count: int, seed: int) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


def test_radii_reach_to_the_kth_other_row() -> None:
    line = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    assert radii(line, 1).tolist() == [1, 1, 2, 4]
    assert radii(line, 2).tolist() == [3, 2, 3, 6]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_samples_of_one_distribution_overlap_almost_wholly(seed: int) -> None:
    found = overlap(rows(300, 2 * seed), rows(300, 2 * seed + 1))
    assert found.precision > 0.7
    assert found.recall > 0.7


def test_a_generator_that_repeats_itself_is_precise_and_recalls_little() -> None:
    real = rows(300, 0)
    found = overlap(real, real[:1] + 0.01 * rows(300, 1))
    assert found.precision > 0.95
    assert found.recall < 0.1


def test_a_generator_of_something_else_is_neither() -> None:
    found = overlap(rows(300, 0), rows(300, 1) + 50)
    assert (found.precision, found.recall) == (0, 0)


def test_a_generator_that_draws_everything_recalls_all_and_is_imprecise() -> None:
    found = overlap(rows(300, 0), 10 * rows(300, 1))
    assert found.recall > 0.95
    assert found.precision < 0.5


def test_the_path_length_goes_with_the_square_of_the_pictures_change() -> None:
    state = small_state()
    trunk = trunk_of(state)
    length = path_length(state.average, trunk, count=32)
    with torch.no_grad():
        for side in state.average.synthesis.sides:
            state.average.synthesis.block(side).torgb.weight.zero_()
    assert length["mean"] > 0
    assert path_length(state.average, trunk, count=32)["mean"] == 0


def test_a_morph_between_far_samples_tells_how_even_it_is() -> None:
    state = small_state()
    sheet, evenness = far_morph(state.average, trunk_of(state), pairs=2, frames=5)
    side = state.average.resolution
    assert sheet.size == (5 * side, 2 * side)
    assert len(evenness) == 2
    assert all(1 <= value <= 4 for value in evenness)


def test_the_perceptual_distance_is_0_between_equal_pictures_only() -> None:
    state = small_state()
    images = torch.rand(3, 3, state.average.resolution, state.average.resolution) * 2 - 1
    trunk = trunk_of(state)
    assert perceptual_distance(trunk, images, images).tolist() == [0, 0, 0]
    assert (perceptual_distance(trunk, images, images.flip(0)) > 0).tolist() == [True, False, True]
