"""What an embedding tells while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Progress:
    """One evaluation of the objective.

    Attributes:
        phase: "preparing" (measuring the model, on its first use), or "optimising".
        step, total: evaluations done and at most to be done.
        eta_seconds: an estimate; NaN before there is anything to base it on.
        objective: of the picture tried in this step; the mean over a batch.
        psnr: decibels, likewise.
        rendered: [3, r, r], the picture tried (a batch's first), None while preparing; r may be smaller than R.
    """

    phase: str
    step: int
    total: int
    eta_seconds: float
    objective: float
    psnr: float
    rendered: Tensor | None = field(default=None, repr=False)

    @property
    def picture(self) -> NDArray[np.float32] | None:
        """`rendered` as [3, r, r] float32 in [-1, 1] in ordinary memory. Copied when asked for: not free on a GPU."""
        if self.rendered is None:
            return None
        array: NDArray[Any] = self.rendered.detach().clamp(-1, 1).cpu().numpy()
        return array.astype(np.float32, copy=False)


OnProgress = Callable[[Progress], None]


class Estimate:
    """Seconds to go, from what has been spent on work whose costs are known up to a factor."""

    def __init__(self, costs: list[float]) -> None:
        """costs: of each step, in any unit."""
        self._left = [0.0]
        for cost in reversed(costs):
            self._left.append(self._left[-1] + cost)
        self._left.reverse()
        self._start = time.perf_counter()

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self._start

    def after(self, steps: int) -> float:
        """steps: how many are done, at least one."""
        left = self._left[min(steps, len(self._left) - 1)]
        return self.elapsed * left / max(self._left[0] - left, 1e-12)
