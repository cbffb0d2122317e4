"""L-BFGS (Nocedal and Wright, algorithms 7.4 and 3.1) over a batch of independent problems in lockstep.

All problems are evaluated together, which is what a GPU likes, but each has its own history, direction and step length,
so that none depends on its neighbours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

Evaluate = Callable[[Tensor], tuple[Tensor, Tensor]]

SUFFICIENT_DECREASE = 1e-4
MOST_TRIALS = 12
CURVATURE = 1e-10  # pairs with s.y below this share of y.y say nothing about curvature


def minimise(evaluate: Evaluate, start: Tensor, budget: int, history: int) -> Tensor:
    """The best point found, [N, K], with at most `budget` calls of `evaluate`; values never rise.

    Args:
        evaluate: x [N, K] -> values [N], gradients [N, K]; a value that is not finite counts as a step too far.
        start: [N, K].
        history: pairs remembered.
    """
    x = start
    value, gradient = evaluate(x)
    used = 1
    pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=history)
    while used < budget:
        direction = _direction(gradient, pairs)
        slope = (direction * gradient).sum(dim=1)
        uphill = slope >= 0
        direction = torch.where(uphill[:, None], -gradient, direction)
        slope = torch.where(uphill, -gradient.square().sum(dim=1), slope)

        new_x, new_value, new_gradient = x, value, gradient
        length = torch.ones_like(value)
        done = torch.zeros_like(uphill)
        for _ in range(min(MOST_TRIALS, budget - used)):
            trial = torch.where(done[:, None], new_x, x + length[:, None] * direction)
            trial_value, trial_gradient = evaluate(trial)
            used += 1
            better = ~done & (trial_value <= value + SUFFICIENT_DECREASE * length * slope)
            new_x = torch.where(better[:, None], trial, new_x)
            new_value = torch.where(better, trial_value, new_value)
            new_gradient = torch.where(better[:, None], trial_gradient, new_gradient)
            done = done | better
            if bool(done.all()):
                break
            # The minimum of the parabola through both values and the slope, within a tenth and a half.
            fitted = -slope * length.square() / (2 * (trial_value - value - slope * length))
            fitted = fitted.nan_to_num(0.0).maximum(0.1 * length).minimum(0.5 * length)
            length = torch.where(done, length, fitted)
        if not bool(done.any()):
            if not pairs:
                break
            pairs.clear()  # the model of the curvature misled; steepest descent has the last word
            continue
        pairs.append(_pair(new_x - x, new_gradient - gradient))
        x, value, gradient = new_x, new_value, new_gradient
    return x


def _pair(step: Tensor, change: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """s, y, 1 / s.y; all zero, and so without effect, where the curvature was not positive."""
    product = (step * change).sum(dim=1)
    useful = product > CURVATURE * change.square().sum(dim=1)
    inverse = torch.where(useful, 1 / product, 0.0)
    return step * useful[:, None], change * useful[:, None], inverse


def _direction(gradient: Tensor, pairs: deque[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """-H g by the two-loop recursion. Before any pair it is a step of length 1."""
    scale = 1 / gradient.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
    if pairs:
        step, change, _ = pairs[-1]
        squares = change.square().sum(dim=1, keepdim=True)
        scale = torch.where(squares > 0, (step * change).sum(dim=1, keepdim=True) / squares, scale)
    q: Tensor = gradient
    alphas = []
    for step, change, inverse in reversed(pairs):
        alpha = inverse * (step * q).sum(dim=1)
        q = q - alpha[:, None] * change
        alphas.append(alpha)
    q = q * scale
    for (step, change, inverse), alpha in zip(pairs, reversed(alphas), strict=True):
        beta = inverse * (change * q).sum(dim=1)
        q = q + (alpha - beta)[:, None] * step
    return -q
