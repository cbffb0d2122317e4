"""The operators of `editing/`: exact ends, the laws they obey together, and what they refuse."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.editing import (
    ComputedDirection,
    apply_direction,
    crossover,
    expression,
    ganspace,
    morph,
    morph_weights,
    parse_direction,
    parse_rows,
    sefa,
)
from latentlayers.errors import InvalidInput, NotFound
from latentlayers.generators import StyleGAN2, StyleGAN2Config
from torch import Tensor

ROWS, WIDTH = 6, 5
laws = settings(deadline=None, max_examples=40)

numbers = st.floats(-8, 8, width=32) | st.just(-0.0)
lambdas = st.floats(-3, 3)


@st.composite
def codes(draw: st.DrawFn) -> Tensor:
    values = draw(st.lists(numbers, min_size=ROWS * WIDTH, max_size=ROWS * WIDTH))
    return torch.tensor(values).reshape(ROWS, WIDTH)


row_choices = st.lists(st.sampled_from([0.0, 1.0]), min_size=ROWS, max_size=ROWS).map(torch.tensor)
row_weights = st.lists(st.floats(0, 1, width=32), min_size=ROWS, max_size=ROWS).map(torch.tensor)


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.numpy().tobytes() == b.numpy().tobytes()


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, atol=2e-4, rtol=1e-4)


def reason(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    assert error.value.message
    assert error.value.remedy
    return error.value.reason


# ---------------------------------------------------------------------------------------------- morph


@laws
@given(codes(), codes())
def test_a_morph_ends_in_the_given_codes_bit_for_bit(w1: Tensor, w2: Tensor) -> None:
    assert same_bits(morph(w1, w2, 1), w1)
    assert same_bits(morph(w1, w2, 0), w2)


@laws
@given(codes(), codes(), lambdas)
def test_a_morph_is_the_same_from_the_other_end(w1: Tensor, w2: Tensor, lam: float) -> None:
    assert close(morph(w1, w2, lam), morph(w2, w1, 1 - lam))


@laws
@given(codes(), codes(), lambdas, st.floats(0, 1))
def test_a_morph_towards_a_morph_is_one_morph(w1: Tensor, w2: Tensor, lam: float, mu: float) -> None:
    assert close(morph(morph(w1, w2, lam), w2, mu), morph(w1, w2, lam * mu))


@laws
@given(codes(), lambdas)
def test_a_morph_of_a_code_with_itself_is_that_code(w: Tensor, lam: float) -> None:
    assert close(morph(w, w, lam), w)


def test_a_morph_extrapolates_and_keeps_batches() -> None:
    w1, w2 = torch.randn(3, ROWS, WIDTH), torch.randn(3, ROWS, WIDTH)
    assert close(morph(w1, w2, 2), 2 * w1 - w2)
    assert torch.isfinite(morph(w1, w2, -1e30)).all()


@given(st.integers(2, 1000))
@laws
def test_morph_weights_fall_evenly_from_the_first_picture_to_the_second(frames: int) -> None:
    weights = morph_weights(frames)
    assert len(weights) == frames
    assert weights[0] == 1
    assert weights[-1] == 0
    steps = [a - b for a, b in itertools.pairwise(weights)]
    assert steps == pytest.approx([1 / (frames - 1)] * (frames - 1))


@pytest.mark.parametrize("frames", [-1, 0, 1, 1001])
def test_a_morph_has_two_to_a_thousand_frames(frames: int) -> None:
    with pytest.raises(InvalidInput) as error:
        morph_weights(frames)
    assert reason(error) == "WEIGHT_INVALID"


# ------------------------------------------------------------------------------------------ crossover


@laws
@given(codes(), codes(), row_choices)
def test_a_crossover_takes_whole_rows_unchanged(content: Tensor, style: Tensor, rows: Tensor) -> None:
    mixed = crossover(content, style, rows)
    for row, from_style in enumerate(rows.bool().tolist()):
        assert same_bits(mixed[row], (style if from_style else content)[row])


@laws
@given(codes(), codes())
def test_a_crossover_of_all_rows_is_the_style_and_of_none_the_content(content: Tensor, style: Tensor) -> None:
    assert same_bits(crossover(content, style, parse_rows("all", ROWS)), style)
    assert same_bits(crossover(content, style, parse_rows("none", ROWS)), content)


@laws
@given(codes(), codes(), row_choices)
def test_a_crossover_twice_is_the_crossover_once(content: Tensor, style: Tensor, rows: Tensor) -> None:
    once = crossover(content, style, rows)
    assert same_bits(crossover(once, style, rows), once)


@laws
@given(codes(), codes(), codes(), row_weights, row_choices)
def test_crossovers_of_disjoint_rows_commute(c: Tensor, s1: Tensor, s2: Tensor, weights: Tensor, of: Tensor) -> None:
    rows1, rows2 = weights * of, weights * (1 - of)
    assert same_bits(crossover(crossover(c, s1, rows1), s2, rows2), crossover(crossover(c, s2, rows2), s1, rows1))


@laws
@given(codes(), codes(), st.floats(0, 1, width=32))
def test_a_crossover_with_one_weight_for_all_rows_is_a_morph(content: Tensor, style: Tensor, lam: float) -> None:
    assert close(crossover(content, style, torch.full((ROWS,), lam)), morph(style, content, lam))


@pytest.mark.parametrize("rows", [torch.ones(ROWS + 1), torch.ones(ROWS, 1), torch.full((ROWS,), 1.5)])
def test_row_weights_that_do_not_fit_are_refused(rows: Tensor) -> None:
    with pytest.raises(InvalidInput) as error:
        crossover(torch.zeros(ROWS, WIDTH), torch.zeros(ROWS, WIDTH), rows)
    assert reason(error) == "ROWS_INVALID"


# ----------------------------------------------------------------------------------------- expression


@laws
@given(codes(), codes(), lambdas)
def test_an_expression_from_two_equal_pictures_changes_nothing(w1: Tensor, w2: Tensor, lam: float) -> None:
    assert torch.equal(expression(w1, w2, w2, lam).ws, w1)


@laws
@given(codes(), codes(), codes())
def test_an_expression_of_strength_zero_changes_nothing(w1: Tensor, w2: Tensor, w3: Tensor) -> None:
    assert torch.equal(expression(w1, w2, w3, 0).ws, w1)


@laws
@given(codes(), codes(), codes(), lambdas, lambdas)
def test_expression_strengths_add_up(w1: Tensor, w2: Tensor, w3: Tensor, lam: float, mu: float) -> None:
    twice = expression(expression(w1, w2, w3, lam).ws, w2, w3, mu)
    assert close(twice.ws, expression(w1, w2, w3, lam + mu).ws)


@laws
@given(codes(), codes())
def test_a_whole_expression_on_its_own_neutral_picture_is_the_expressive_one(w2: Tensor, w3: Tensor) -> None:
    assert close(expression(w2, w2, w3, 1, threshold=0).ws, w3)


def difference_with_row_norms(*norms: float) -> Tensor:
    return torch.tensor(norms)[:, None] * torch.nn.functional.normalize(torch.ones(len(norms), WIDTH), dim=1)


def test_weak_rows_of_an_expression_are_dropped_as_noise_and_reported() -> None:
    w1, w2 = torch.randn(ROWS, WIDTH), torch.randn(ROWS, WIDTH)
    w3 = w2 + difference_with_row_norms(0.3, 4.0, 5.0, 4.0, 0.9, 6.0)
    result = expression(w1, w2, w3, 1.0)
    assert result.suppressed.tolist() == [True, False, False, False, True, False]
    assert torch.equal(result.ws[[0, 4]], w1[[0, 4]])
    assert close(result.ws[[1, 2, 3, 5]], (w1 + w3 - w2)[[1, 2, 3, 5]])


def test_the_papers_absolute_bound_can_be_asked_for() -> None:
    w2 = torch.zeros(ROWS, WIDTH)
    w3 = difference_with_row_norms(0.3, 0.9, 1.1, 0.2, 2.0, 0.99)
    result = expression(w2, w2, w3, 1.0, threshold=1, unit=1)
    assert result.suppressed.tolist() == [True, True, False, True, False, True]


@laws
@given(codes(), codes(), st.floats(0.0625, 16))
def test_which_rows_are_noise_does_not_depend_on_the_scale_of_the_codes(w2: Tensor, w3: Tensor, scale: float) -> None:
    scale = 2.0 ** round(math.log2(scale))
    here, there = (expression(w2, w2 * s, w3 * s, 1).suppressed for s in (1, scale))
    assert torch.equal(here, there)


def test_an_expression_can_be_limited_to_some_rows() -> None:
    w1, w2, w3 = torch.randn(3, ROWS, WIDTH)
    result = expression(w1, w2, w3, 1.0, rows=parse_rows("2-3:0.5", ROWS), threshold=0)
    assert close(result.ws - w1, parse_rows("2-3:0.5", ROWS)[:, None] * (w3 - w2))


# ------------------------------------------------------------------------------- refusals of operators


@pytest.mark.parametrize("lam", [math.inf, -math.inf, math.nan, 1e39])
def test_weights_that_are_not_finite_or_overflow_are_refused(lam: float) -> None:
    w = torch.ones(ROWS, WIDTH)
    for edit in (
        lambda: morph(w, -w, lam),
        lambda: expression(w, w, 2 * w, lam),
        lambda: apply_direction(w, torch.ones(WIDTH), lam),
    ):
        with pytest.raises(InvalidInput) as error:
            edit()
        assert reason(error) == "WEIGHT_INVALID"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_latents_that_are_not_finite_are_refused(bad: float) -> None:
    good, broken = torch.ones(ROWS, WIDTH), torch.ones(ROWS, WIDTH)
    broken[2, 3] = bad
    for edit in (
        lambda: morph(good, broken, 0.5),
        lambda: crossover(broken, good, torch.ones(ROWS)),
        lambda: expression(good, good, broken, 1),
        lambda: apply_direction(broken, torch.ones(WIDTH), 1),
        lambda: ganspace(broken, 1),
    ):
        with pytest.raises(InvalidInput) as error:
            edit()
        assert reason(error) == "LATENT_NOT_FINITE"


@pytest.mark.parametrize(
    "other",
    [
        torch.ones(ROWS + 2, WIDTH),
        torch.ones(ROWS, WIDTH + 1),
        torch.ones(WIDTH),
        torch.ones(0, WIDTH),
        torch.ones(2, ROWS, WIDTH),
        torch.ones(ROWS, WIDTH, dtype=torch.int64),
    ],
)
def test_latents_of_another_shape_are_refused(other: Tensor) -> None:
    w = torch.ones(ROWS, WIDTH)
    for edit in (
        lambda: morph(w, other, 0.5),
        lambda: crossover(other, w, torch.ones(ROWS)),
        lambda: expression(w, w, other, 1),
    ):
        with pytest.raises(InvalidInput) as error:
            edit()
        assert reason(error) == "LATENT_SHAPE"


# ----------------------------------------------------------------------------------------- directions


@laws
@given(codes(), st.sampled_from(["shared", "per row"]))
def test_a_direction_of_strength_zero_changes_nothing(ws: Tensor, kind: str) -> None:
    direction = torch.randn(WIDTH) if kind == "shared" else torch.randn(ROWS, WIDTH)
    assert torch.equal(apply_direction(ws, direction, 0), ws)


@laws
@given(codes(), codes(), lambdas, row_choices)
def test_a_direction_moves_only_the_chosen_rows(ws: Tensor, direction: Tensor, strength: float, rows: Tensor) -> None:
    moved = apply_direction(ws, direction, strength, rows)
    assert close(moved, ws + strength * rows[:, None] * direction)
    assert torch.equal(moved[rows == 0], ws[rows == 0])


@pytest.mark.parametrize("shape", [(WIDTH + 1,), (ROWS + 1, WIDTH), (1, WIDTH), ()])
def test_a_direction_of_another_model_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput) as error:
        apply_direction(torch.ones(ROWS, WIDTH), torch.ones(shape), 1)
    assert reason(error) == "LATENT_SHAPE"


def small_generator() -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(StyleGAN2Config(resolution=8, z_dim=12, w_dim=12, channels={4: 16, 8: 8}))


def test_sefa_directions_of_a_generator_are_orthonormal_ordered_and_repeatable() -> None:
    weights = [weight for _, weight in small_generator().style_weights()]
    found = sefa(weights, 12)
    assert close(found @ found.t(), torch.eye(12))
    a = torch.nn.functional.normalize(torch.cat(weights), dim=1)
    gains = (a @ found.t()).norm(dim=0)
    assert torch.equal(gains, gains.sort(descending=True).values)
    assert same_bits(found[:3], sefa(weights, 3))
    assert (found.gather(1, found.abs().argmax(dim=1, keepdim=True)) > 0).all()


def test_sefa_finds_the_direction_the_styles_listen_to() -> None:
    planted = torch.nn.functional.normalize(torch.arange(1.0, 9), dim=0)
    torch.manual_seed(1)
    weights = [torch.randn(30, 1) * planted + 0.02 * torch.randn(30, 8) for _ in range(3)]
    assert sefa(weights, 1)[0] @ planted > 0.99


def test_ganspace_recovers_a_planted_covariance() -> None:
    torch.manual_seed(2)
    axes = torch.linalg.qr(torch.randn(8, 8)).Q.t()
    stdevs = torch.tensor([9.0, 5.0, 2.0, 0.5, 0.1, 0.1, 0.1, 0.1])
    mean = torch.randn(8)
    found = ganspace(mean + (torch.randn(20_000, 8) * stdevs) @ axes, 3)
    assert torch.allclose(found.stdevs, stdevs[:3], rtol=0.05)
    assert torch.allclose(found.mean, mean, atol=0.3)
    assert (torch.einsum("kd,kd->k", found.components, axes[:3]).abs() > 0.99).all()
    assert close(found.components @ found.components.t(), torch.eye(3))


@pytest.mark.parametrize("k", [0, -1, 9])
def test_asking_for_a_direction_that_does_not_exist_is_refused(k: int) -> None:
    for compute in (lambda: sefa([torch.randn(20, 8)], k), lambda: ganspace(torch.randn(20, 8), k)):
        with pytest.raises(NotFound) as error:
            compute()
        assert error.value.reason == "DIRECTION_UNKNOWN"


@pytest.mark.parametrize("shape", [(1, 8), (2, 3, 8), (8,)])
def test_ganspace_needs_a_table_of_samples(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput) as error:
        ganspace(torch.randn(shape), 1)
    assert reason(error) == "LATENT_SHAPE"


def test_computed_directions_have_neutral_names() -> None:
    assert parse_direction("sefa-1") == ComputedDirection("sefa", 0)
    assert parse_direction("pca-12") == ComputedDirection("pca", 11)
    assert [parse_direction(name) for name in ("smile", "sefa-0", "sefa", "pca-x", "sefa-1 ", "ica-1")] == [None] * 6
