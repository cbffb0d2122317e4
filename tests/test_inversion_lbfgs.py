"""The batched L-BFGS on problems whose answers are known."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.inversion.lbfgs import Evaluate, minimise
from torch import Tensor


def rosenbrock(x: Tensor) -> tuple[Tensor, Tensor]:
    a, b = x[:, 0], x[:, 1]
    value = (1 - a) ** 2 + 100 * (b - a**2) ** 2
    gradient = torch.stack([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)], dim=1)
    return value, gradient


def counted(evaluate: Evaluate, values: list[Tensor]) -> Evaluate:
    def counting(x: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = evaluate(x)
        values.append(value)
        return value, gradient

    return counting


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_a_quadratic_of_condition_ten_thousand_is_solved_from_anywhere(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    stiffness = torch.logspace(0, 4, 10, dtype=torch.float64)
    goal = torch.randn(3, 10, generator=rng, dtype=torch.float64)

    def quadratic(x: Tensor) -> tuple[Tensor, Tensor]:
        return (stiffness * (x - goal) ** 2).sum(dim=1) / 2, stiffness * (x - goal)

    found = minimise(quadratic, torch.zeros_like(goal), budget=150, history=20)
    assert torch.allclose(found, goal, atol=1e-4)


def test_rosenbrocks_valley_is_followed_to_its_end() -> None:
    start = torch.tensor([[-1.2, 1.0], [2.0, -1.0]], dtype=torch.float64)
    assert torch.allclose(minimise(rosenbrock, start, 200, 10), torch.ones(2, 2, dtype=torch.float64), atol=1e-3)


def test_a_problem_is_solved_alike_alone_and_among_others() -> None:
    start = torch.tensor([[-1.2, 1.0], [2.0, -1.0], [0.0, 0.0]], dtype=torch.float64)
    # The batch spends its budget on the slowest line search; give both enough to arrive.
    together, alone = minimise(rosenbrock, start, 400, 10), minimise(rosenbrock, start[1:2], 400, 10)
    assert torch.allclose(together[1:2], alone, atol=1e-4)


@pytest.mark.parametrize("budget", [1, 2, 3, 17])
def test_the_budget_is_never_exceeded_and_the_result_is_the_best_point_seen(budget: int) -> None:
    values: list[Tensor] = []
    found = minimise(counted(rosenbrock, values), torch.tensor([[-1.2, 1.0]]), budget, 5)
    assert len(values) <= budget
    assert rosenbrock(found)[0] == torch.stack(values).min()


def test_a_value_that_is_not_finite_is_a_step_too_far() -> None:
    def walled(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(x[:, 0] < 0.5, (x[:, 0] - 0.4) ** 2 * 50, torch.nan), (x - 0.4) * 100

    assert minimise(walled, torch.zeros(1, 1), 50, 5).item() == pytest.approx(0.4, abs=1e-3)
