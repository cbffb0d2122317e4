"""Progress of a run: one plain line and one JSON line per interval."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from latentlayers.training.state import Counters
from latentlayers.training.step import StepStats

LOG_FILE = "progress.jsonl"


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


class ProgressLog:
    """Collects step statistics and reports their means every `interval` seconds."""

    def __init__(self, folder: Path, show: Callable[[str], None] = print, interval: float = 30.0) -> None:
        self._path, self._show, self._interval = folder / LOG_FILE, show, interval
        self._stats: list[StepStats] = []
        self._since, self._images = time.monotonic(), 0

    def add(self, stats: StepStats, images: int) -> None:
        """Count one step of `images` pictures."""
        self._stats.append(stats)
        self._images += images

    def report_if_due(self, counters: Counters, side: int, rate: float, seconds_left: float) -> None:
        """Print and append a line if the interval is over."""
        elapsed = time.monotonic() - self._since
        if elapsed < self._interval or not self._stats:
            return
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "kimg": round(counters.images / 1000, 2),
            "side": side,
            "images_per_second": round(self._images / elapsed, 1),
            "fake_logit": _mean([s.fake_logit for s in self._stats]),
            "real_logit": _mean([s.real_logit for s in self._stats]),
            "real_sign": round(counters.real_sign, 3),
            "augment": round(counters.augment, 4),
            "r1_penalty": _mean([s.penalty for s in self._stats if s.penalty is not None]),
            "error": _mean([s.error for s in self._stats if s.error is not None]),
            "pull": _mean([s.pull for s in self._stats if s.pull is not None]),
            "rate": round(rate, 6),
            "seconds_left": round(seconds_left),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._show(
            "{time} {kimg} kimg {side} px {images_per_second} img/s  D fake {fake_logit} real {real_logit} "
            "sign {real_sign}  augment {augment}  R1 {r1_penalty}  error {error}  "
            "pull {pull}  rate {rate}  {seconds_left} s left".format(**line)
        )
        self._stats, self._since, self._images = [], time.monotonic(), 0
