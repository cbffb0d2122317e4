"""What benchmarks take and give."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BenchOptions:
    """What `latentlayers bench` was told.

    Attributes:
        pictures: a folder or zip of aligned portraits; None: the demo's photographs.
        count: most pictures, or repetitions where there are no pictures.
        model: name; "" is the default model.
        log: called with a line of progress now and then.
    """

    pictures: Path | None = None
    count: int = 10
    model: str = ""
    log: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Table:
    """A finished benchmark.

    Attributes:
        columns, rows: the printed table, cells as text.
        figures: the same and more for programs, JSON-ready.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, Any]
    notes: Sequence[str] = ()
    machine: Mapping[str, Any] = field(default_factory=lambda: machine())

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "figures": dict(self.figures),
            "notes": list(self.notes),
            "machine": dict(self.machine),
        }


@dataclass(frozen=True)
class Benchmark:
    """An entry of the registry."""

    name: str
    summary: str
    run: Callable[[BenchOptions], Table]


def machine() -> dict[str, Any]:
    """What the figures were measured on, as far as it matters and betrays nobody."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def milliseconds(values: Sequence[float]) -> str:
    """Seconds as "median (min to max) ms"."""
    s = spread(values)
    return f"{s['median'] * 1e3:.1f} ({s['min'] * 1e3:.1f} to {s['max'] * 1e3:.1f}) ms"
