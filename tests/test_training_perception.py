"""The questions put to perceptual networks: what they ask is what they say, and known metrics get known shares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from latentlayers.inversion.features import PixelPyramid, TrunkFeatures
from latentlayers.training import comparisons
from latentlayers.training.__main__ import app
from latentlayers.training.comparisons import (
    BACKGROUND,
    EYES,
    SOLVABLE,
    Comparison,
    at_equal_mse,
    damage,
    ellipses,
    faded,
    ghost,
    mse,
    nearest_others,
    person,
    relit,
    rivals,
)
from latentlayers.training.distortions import DISTORTIONS, Distortion, heat
from latentlayers.training.export import export_model, trunk_of
from latentlayers.training.perception import Distances, NoFeatures, farther, joined, judge, objective_metric, order
from torch import Tensor
from training_samples import small_state, write_data
from typer.testing import CliRunner

pytestmark = pytest.mark.usefixtures("seeded")

SIDE = 32
BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}
MSE = objective_metric(NoFeatures(), ())


def portraits(count: int, seed: int = 0, side: int = SIDE) -> Tensor:
    """Pictures with coarse and fine structure everywhere, well inside [-1, 1]."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, 3, side, side, generator=rng)
    coarse = heat(noise, torch.full([count], 3.0))
    return (2.0 * coarse + 0.1 * noise).clamp(-0.7, 0.7)


def answers_to(distances: Distances, comparison: Comparison) -> Tensor:
    return farther(distances(comparison.far), distances(comparison.near))[comparison.asked]


def constant(pictures: Tensor) -> Tensor:
    return torch.ones(len(pictures), 1)


@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda d: d.name)
def test_a_distortion_does_nothing_at_0_and_more_at_every_level(distortion: Distortion) -> None:
    images = portraits(3)
    torch.testing.assert_close(distortion(images, 0.0), images, rtol=0, atol=1e-5)
    errors = torch.stack([mse(distortion(images, level), images) for level in (0.0, *distortion.levels)])
    assert (errors.diff(dim=0) > 0).all()
    assert torch.equal(distortion(images, distortion.levels[2]), distortion(images, distortion.levels[2]))


@pytest.mark.parametrize("distortion", SOLVABLE, ids=lambda d: d.name)
def test_strengths_are_each_picture_s_own(distortion: Distortion) -> None:
    images, (one, two) = portraits(2), distortion.levels[1:3]
    together = distortion(images, torch.tensor([one, two]))
    for position, level in enumerate((one, two)):
        torch.testing.assert_close(together[position], distortion(images, level)[position], rtol=0, atol=1e-5)


def test_distortions_keep_their_looks_when_the_side_changes() -> None:
    large = portraits(2, side=64)
    small = torch.nn.functional.avg_pool2d(large, 2)
    for name in ("blur", "shift", "rotation", "scale", "light", "mirrored light"):
        level = BY_NAME[name].levels[-1]
        at_large = mse(torch.nn.functional.avg_pool2d(BY_NAME[name](large, level), 2), small)
        torch.testing.assert_close(mse(BY_NAME[name](small, level), small), at_large, rtol=0.3, atol=0)


def test_blur_keeps_the_mean_and_leaves_flat_pictures_alone() -> None:
    images = portraits(2)
    torch.testing.assert_close(heat(images, torch.tensor([1.0, 4.0])).mean((2, 3)), images.mean((2, 3)))
    flat = torch.full([1, 3, SIDE, SIDE], 0.4)
    torch.testing.assert_close(heat(flat, torch.tensor([3.0])), flat)


@given(st.sampled_from(SOLVABLE), st.floats(0.01, 0.9), st.integers(0, 9))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_error_that_a_distortion_can_reach_is_reached(distortion: Distortion, share: float, seed: int) -> None:
    images = portraits(3, seed)
    assert distortion.most is not None
    wanted = mse(distortion(images, distortion.most * share), images)
    found, reached = at_equal_mse(distortion, images, wanted)
    assert reached.all()
    torch.testing.assert_close(mse(found, images), wanted, rtol=comparisons.TIE, atol=0)


def test_an_error_out_of_reach_is_said_to_be() -> None:
    _, reached = at_equal_mse(BY_NAME["blur"], portraits(2), torch.tensor([4.0, 1e-4]))
    assert reached.tolist() == [False, True]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_of_two_distances_one_is_farther_or_they_tie(pair: list[float]) -> None:
    a, b = torch.tensor(pair[:1]), torch.tensor(pair[1:])
    assert float(farther(a, b) + farther(b, a)) == 1
    assert float(farther(a, a)) == 0.5


def test_pixel_error_orders_all_levels_and_grows_with_itself() -> None:
    images = portraits(3)
    for distortion in DISTORTIONS:
        found = dict(order(MSE.against(images), images, distortion))
        assert (found["pairs"] == 1).all()
        assert (found["whole"] == 1).all()
        if distortion.most is not None:
            torch.testing.assert_close(found["growth"], torch.ones(3, 1), rtol=1e-3, atol=1e-3)


def test_a_constant_metric_gets_half_of_every_pair_and_no_sequence() -> None:
    found = dict(order(constant, portraits(3), BY_NAME["blur"]))
    assert found["pairs"].tolist() == [[0.5]] * 3
    assert found["whole"].tolist() == [[0.0]] * 3


def test_a_random_metric_gets_what_chance_gives() -> None:
    rng = torch.Generator().manual_seed(0)

    def random(pictures: Tensor) -> Tensor:
        return torch.rand(len(pictures), 1, generator=rng)

    images = portraits(600, side=16)
    found = dict(order(random, images, BY_NAME["contrast"]))
    assert float(found["pairs"].mean()) == pytest.approx(0.5, abs=0.05)
    assert float(found["whole"].mean()) == pytest.approx(1 / 120, abs=0.02)
    for comparison in person(images, images.flip(0), [BY_NAME["cast"]]):
        assert float(answers_to(random, comparison).mean()) == pytest.approx(0.5, abs=0.1)


def test_a_plateau_at_0_shows_in_the_growth() -> None:
    images = portraits(2)
    found = dict(order(lambda pictures: mse(pictures, images).square()[:, None], images, BY_NAME["shift"]))
    torch.testing.assert_close(found["growth"], torch.full([2, 1], 2.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize("distortion", SOLVABLE, ids=lambda d: d.name)
def test_one_who_knows_the_person_answers_all_and_pixel_error_ties(distortion: Distortion) -> None:
    images = portraits(4)
    others = torch.lerp(images, portraits(4, seed=1), 0.3)  # like each other, as people are
    strangers = list(rivals(images, others).values())

    def knows(pictures: Tensor) -> Tensor:
        nearest = torch.stack([mse(pictures, stranger) for stranger in strangers]).amin(dim=0)
        return (nearest < 1e-9).float()[:, None]

    asked = 0
    for comparison in person(images, others, [distortion]):
        assert (answers_to(knows, comparison) == 1).all()
        assert (answers_to(MSE.against(images), comparison) == 0.5).all()
        asked += int(comparison.asked.sum())
    assert asked


def test_rivals_have_the_portrait_s_tones_and_the_face_is_swapped_in_the_middle_only() -> None:
    images, others = portraits(2) * 0.5, portraits(2, seed=1)
    made = rivals(images, others)
    torch.testing.assert_close(made["whole"].mean((2, 3)), images.mean((2, 3)), rtol=0, atol=0.02)
    torch.testing.assert_close(made["half"] * 2 - images, made["whole"])
    assert torch.equal(made["face"][:, :, :4], images[:, :, :4])
    assert (mse(made["face"], images) > 1e-3).all()
    torch.testing.assert_close(relit(images * 0.5 + 0.2, images), images, rtol=0, atol=1e-5)


def test_the_nearest_others_are_of_the_same_group_and_not_oneself() -> None:
    images = portraits(6)
    images[4] = images[0] + 0.01
    groups = torch.tensor([True, True, False, False, True, False])
    found = nearest_others(images, groups, 2)
    assert found[0, 0] == 4
    for i, row in enumerate(found.tolist()):
        assert i not in row
        assert all(groups[i] == groups[j] for j in row)


def test_one_who_looks_at_the_eyes_answers_all_about_them_and_pixel_error_ties() -> None:
    images, others = portraits(5), portraits(5, seed=1)
    eyes = ellipses(SIDE, EYES, (comparisons.SPOT, comparisons.SPOT))

    def looks(pictures: Tensor) -> Tensor:
        return ((pictures - images).square() * eyes).mean((1, 2, 3))[:, None]

    for comparison in damage(images, others, "eyes", EYES):
        assert comparison.asked.any()
        assert (answers_to(looks, comparison) == 1).all()
        assert (answers_to(MSE.against(images), comparison) == 0.5).all()
    blended = ghost(images, others)
    assert blended.asked.any()
    assert (answers_to(MSE.against(images), blended) == 0.5).all()


def test_damage_in_the_face_and_in_the_background_covers_the_same_area() -> None:
    masks = [ellipses(64, places, (comparisons.SPOT, comparisons.SPOT)) for places in (EYES, BACKGROUND)]
    assert float(masks[0].sum()) == pytest.approx(float(masks[1].sum()), rel=0.03)
    assert float((masks[0] * masks[1]).max()) == 0


@given(st.floats(1e-4, 0.5))
def test_fading_reaches_a_smaller_error_exactly_and_never_adds(wanted: float) -> None:
    images, others = portraits(2), portraits(2, seed=1)
    error = mse(faded(others, images, torch.full([2], wanted)), images)
    torch.testing.assert_close(error, mse(others, images).clamp_max(wanted), rtol=1e-3, atol=0)


def test_a_metric_is_the_daemon_s_objective() -> None:
    trunk, images = TrunkFeatures(trunk_of(small_state())), portraits(4, side=16)
    metric = objective_metric(trunk, (2.0, 3.0), "ours")
    found = metric.against(images)(images.flip(0))
    terms = [(a - b).square().mean((1, 2, 3)) for a, b in zip(trunk(images), trunk(images.flip(0)), strict=True)]
    torch.testing.assert_close(found[:, 2], 2 * terms[0])
    torch.testing.assert_close(found[:, 0], 2 * terms[0] + 3 * terms[1])
    torch.testing.assert_close(found[:, 1], found[:, 0] + mse(images, images.flip(0)))
    both = joined([MSE, metric])
    assert both.columns[:2] == ("mse: objective", "ours: features")
    torch.testing.assert_close(both.against(images)(images.flip(0))[:, 1:], found)


def test_all_questions_are_asked_of_all_portraits() -> None:
    metric = joined([MSE, objective_metric(PixelPyramid(), (1.0,) * 4, "pyramid")])
    figures = {(f.group, f.subject, f.kind): f for f in judge(metric, portraits(6), torch.ones(6), rivals_each=1)}
    assert figures["order", "jpeg", "whole"].count == 6
    assert ("order", "jpeg", "growth") not in figures
    assert figures["person", "shift", "face"].count <= 6
    for (group, _, kind), figure in figures.items():
        assert figure.values.shape == (len(metric.columns),)
        if figure.count and kind != "growth":
            assert ((figure.values >= 0) & (figure.values <= 1)).all()
            if group != "order":
                assert figure.values[0] == 0.5


def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    data, metadata = write_data(tmp_path, [{"kind": "colour" if i % 2 else "mono"} for i in range(6)])
    export_model(small_state(), tmp_path / "tiny", name="tiny", licence="Apache-2.0", provenance="a test")
    out = tmp_path / "perception.json"
    options = ["--data", data, "--metadata", metadata, "--out", out, "--count", 4]
    features = ["--features", tmp_path / "tiny" / "features.safetensors"]
    result = CliRunner().invoke(app, ["perception", *map(str, options), *map(str, features)], catch_exceptions=False)
    document = json.loads(out.read_text(encoding="utf-8"))
    names = ["counts", "mse: objective", "pyramid: features", "untrained: features", "tiny: features", "tiny: tap 2"]
    assert set(names) <= set(document)
    assert document["counts"]["order"]["blur"]["pairs"] == 4
    assert all(name in result.stdout for name in names[1:])
