"""Embedding, through its public functions, into a tiny generator."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from inversion_models import SIDE, samples, tiny_features, tiny_generator
from latentlayers.errors import Cancelled, InvalidInput, PreconditionFailed
from latentlayers.inversion import (
    PRESETS,
    EmbedSettings,
    Phase,
    PixelPyramid,
    Progress,
    Verdict,
    embed,
    embed_batch,
    preset,
)

GENERATOR = tiny_generator()
FEATURES = tiny_features()
TARGET = samples(GENERATOR, 1)[0]
QUICK = replace(preset("fast"), max_steps=60)


def test_paper_is_image2stylegan() -> None:
    paper = preset("paper")
    assert (paper.space, paper.start, paper.optimiser) == ("w+", "domain", "adam")
    assert (paper.learning_rate, paper.betas, paper.epsilon, paper.schedule) == (0.01, (0.9, 0.999), 1e-8, "constant")
    assert (paper.max_steps, paper.pixel_weight, paper.feature_weight, paper.prior) == (5000, 1.0, 1.0, 0.0)
    assert (paper.phases, paper.w_noise) == ((Phase(1.0),), 0.0)


def test_projector_is_stylegan2s() -> None:
    projector = preset("projector")
    assert (projector.space, projector.start, projector.optimiser) == ("w", "mean", "adam")
    assert (projector.max_steps, projector.learning_rate, projector.schedule) == (1000, 0.1, "projector")
    assert (projector.w_noise, projector.w_noise_ramp, projector.pixel_weight) == (0.05, 0.75, 0.0)


def test_presets_are_known_by_their_names_and_fast_is_the_first() -> None:
    assert list(PRESETS) == ["fast", "best", "paper", "projector"]
    assert all(preset(name).name == name for name in PRESETS)
    with pytest.raises(InvalidInput) as refusal:
        preset("slow")
    assert refusal.value.reason == "PRESET_UNKNOWN"


def test_no_steps_are_refused() -> None:
    with pytest.raises(InvalidInput):
        replace(QUICK, max_steps=0)


@pytest.mark.parametrize("features", [FEATURES, PixelPyramid()], ids=lambda f: f.name)
def test_fast_reproduces_what_the_generator_drew(features: PixelPyramid) -> None:
    result = embed(GENERATOR, TARGET, None, replace(QUICK, max_steps=200), features)
    assert result.psnr > 40
    assert result.ws.shape == (GENERATOR.num_ws, GENERATOR.w_dim)
    assert result.verdict is Verdict.GOOD
    assert result.steps <= 200


@pytest.mark.parametrize("name", ["paper", "projector"])
def test_the_published_methods_get_near_it(name: str) -> None:
    settings = replace(preset(name), max_steps=250, learning_rate=0.05)
    assert embed(GENERATOR, TARGET, None, settings, FEATURES).psnr > 20


def test_the_figures_describe_the_code_that_is_returned() -> None:
    result = embed(GENERATOR, TARGET, None, QUICK, FEATURES)
    drawn = GENERATOR.synthesize(result.ws[None])[0]
    mse = (drawn.clamp(-1, 1) - TARGET.clamp(-1, 1)).square().mean()
    assert result.psnr == pytest.approx(float(10 * torch.log10(4 / mse)), abs=0.01)
    assert result.distance_from_mean == pytest.approx(float((result.ws - GENERATOR.w_avg).norm()), rel=1e-5)
    assert result.objective == pytest.approx(result.perceptual + float((drawn - TARGET).square().mean()), rel=1e-4)


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    settings = replace(preset(name), max_steps=20, start="uniform", seed=5)
    one, two = (embed(GENERATOR, TARGET, None, settings, FEATURES) for _ in range(2))
    assert torch.equal(one.ws, two.ws)
    assert one.objective == two.objective
    other = embed(GENERATOR, TARGET, None, replace(settings, seed=6), FEATURES)
    assert not torch.equal(one.ws, other.ws)


def test_another_generator_object_with_the_same_weights_gives_the_same_bits() -> None:
    one = embed(GENERATOR, TARGET, None, QUICK, FEATURES)
    assert torch.equal(one.ws, embed(tiny_generator(), TARGET, None, QUICK, tiny_features()).ws)


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
@pytest.mark.parametrize("space", ["w+", "w", "z"])
def test_every_space_lowers_the_objective_and_is_what_it_says(space: str, optimiser: str) -> None:
    seen: list[Progress] = []
    settings = EmbedSettings("test", space=space, optimiser=optimiser, max_steps=60, learning_rate=0.05)  # type: ignore[arg-type]
    result = embed(GENERATOR, TARGET, None, settings, FEATURES, seen.append)
    tried = [p.objective for p in seen if p.phase == "optimising"]
    assert result.objective < 0.5 * tried[0]
    assert bool((result.ws == result.ws[0]).all()) == (space != "w+")


def test_the_uniform_start_is_uniform_in_minus_one_to_one() -> None:
    settings = replace(preset("paper"), start="uniform", max_steps=1, learning_rate=1e-9)
    ws = embed(GENERATOR, TARGET, None, settings, FEATURES).ws
    assert float(ws.abs().max()) <= 1.001
    assert float(ws.std()) == pytest.approx(1 / math.sqrt(3), rel=0.2)


def test_the_domain_start_is_the_mean_for_the_models_own_pictures_and_uniform_for_others() -> None:
    settings = replace(preset("paper"), max_steps=1, learning_rate=1e-9)
    stripes = torch.ones(3, SIDE, SIDE) * 40
    stripes[:, ::2] = -40
    own, other = (embed(GENERATOR, t, None, settings, FEATURES) for t in (TARGET, stripes))
    assert own.distance_from_mean == pytest.approx(0, abs=1e-4)
    assert float((other.ws - GENERATOR.w_avg).norm()) > 1


def test_progress_is_told_at_every_step_and_counts_up() -> None:
    seen: list[Progress] = []
    result = embed(GENERATOR, TARGET, None, replace(QUICK, max_steps=25), FEATURES, seen.append)
    steps = [p for p in seen if p.phase == "optimising"]
    assert [p.step for p in steps] == list(range(1, result.steps + 1))
    assert all(p.total == 25 and p.eta_seconds >= 0 and math.isfinite(p.objective) for p in steps)
    assert steps[-1].eta_seconds == 0
    picture = steps[-1].picture
    assert picture is not None
    assert picture.shape == (3, SIDE, SIDE)
    assert picture.dtype.name == "float32"
    assert float(abs(picture).max()) <= 1
    assert all(p.picture is None for p in seen if p.phase == "preparing")


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("step", [1, 7])
def test_cancelling_takes_effect_within_one_step(name: str, step: int) -> None:
    seen: list[int] = []

    def cancel(progress: Progress) -> None:
        seen.append(progress.step)
        if progress.step == step:
            raise Cancelled("CANCELLED", "The call was cancelled.", "Call again.")

    with pytest.raises(Cancelled):
        embed(GENERATOR, TARGET, None, preset(name), FEATURES, cancel)
    assert seen[-1] == step


def test_the_measuring_of_a_new_model_can_be_cancelled() -> None:
    def cancel(progress: Progress) -> None:
        raise Cancelled("CANCELLED", f"Cancelled while {progress.phase}.", "Call again.")

    with pytest.raises(Cancelled, match="preparing"):
        embed(tiny_generator(), TARGET, None, QUICK, FEATURES, cancel)


def test_what_the_mask_hides_changes_no_bit_of_the_code() -> None:
    weight = torch.ones(1, SIDE, SIDE)
    weight[:, 4:9, 3:12] = 0
    weight[:, 9, 3:12] = 0.5
    other = torch.where(weight > 0, TARGET, -1.0)
    one, two = (embed(GENERATOR, t, weight, QUICK, FEATURES) for t in (TARGET, other))
    assert torch.equal(one.ws, two.ws)
    assert (one.psnr, one.objective) == (two.psnr, two.objective)


def test_coarse_phases_come_first_and_the_result_is_of_full_size() -> None:
    seen: list[Progress] = []
    settings = replace(QUICK, phases=(Phase(0.5, 8), Phase(0.5)), max_steps=100)
    weight = torch.ones(1, SIDE, SIDE)
    weight[:, 5:8, 5:8] = 0
    result = embed(GENERATOR, TARGET, weight, settings, FEATURES, seen.append)
    sides = [p.rendered.shape[-1] for p in seen if p.rendered is not None]
    assert sides == sorted(sides)
    assert set(sides) == {8, SIDE}
    assert result.psnr > 25


def test_a_batch_gives_what_each_picture_gives_alone() -> None:
    targets = samples(GENERATOR, 3)
    settings = replace(preset("paper"), max_steps=40, learning_rate=0.05)
    together = embed_batch(GENERATOR, targets, settings, FEATURES)
    for target, result in zip(targets, together, strict=True):
        alone = embed(GENERATOR, target, None, settings, FEATURES)
        assert torch.allclose(alone.ws, result.ws, atol=2e-3)


def test_a_batch_of_fast_reproduces_every_picture() -> None:
    results = embed_batch(GENERATOR, samples(GENERATOR, 3), replace(QUICK, max_steps=200), FEATURES)
    assert min(result.psnr for result in results) > 40


def test_the_prior_keeps_the_code_nearer_to_the_mean() -> None:
    far, near = (embed(GENERATOR, TARGET, None, replace(QUICK, prior=p), FEATURES) for p in (0.0, 0.5))
    assert near.distance_from_mean < far.distance_from_mean


@pytest.mark.parametrize("space", ["w+", "z"])
def test_conditional_generators_can_be_embedded_into(space: str) -> None:
    generator = tiny_generator(c_dim=3)
    target = generator.synthesize(generator.map(torch.randn(1, 12), torch.eye(3)[:1], truncation=0.5))[0]
    settings = replace(QUICK, space=space, max_steps=20)
    assert math.isfinite(embed(generator, target.detach(), None, settings, FEATURES).objective)


def test_a_target_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InvalidInput) as refusal:
        embed(GENERATOR, torch.full_like(TARGET, torch.nan), None, QUICK, FEATURES)
    assert refusal.value.reason == "IMAGE_NOT_FINITE"


@pytest.mark.parametrize("name", ["fast", "paper"])
def test_an_objective_that_overflows_is_an_error_with_a_remedy_and_never_a_code(name: str) -> None:
    with pytest.raises(PreconditionFailed) as refusal:
        embed(GENERATOR, torch.full_like(TARGET, 1e30), None, preset(name), FEATURES)
    assert refusal.value.reason == "OBJECTIVE_NOT_FINITE"
    assert refusal.value.remedy


def test_noise_does_not_look_like_what_the_model_was_trained_on() -> None:
    noise = torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    result = embed(GENERATOR, noise, None, QUICK, FEATURES)
    assert result.verdict is Verdict.POOR
    assert "does not look like what the model was trained on" in result.verdict_text


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, SIDE, SIDE), (3, SIDE, 8)])
def test_targets_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="targets must have shape"):
        embed(GENERATOR, torch.zeros(shape), None, QUICK, FEATURES)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="weights must have shape"):
        embed(GENERATOR, TARGET, torch.ones(SIDE, SIDE), QUICK, FEATURES)
