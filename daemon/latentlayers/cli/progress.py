"""Progress of a running call: a bar on a terminal, a line now and then in a pipe, nothing beside JSON."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latentlayers.cli.output import duration

if TYPE_CHECKING:
    from latentlayers.client import Event, Progress

PLAIN_INTERVAL_S = 10.0

OnEvent = Callable[["Event"], None]


@dataclass(frozen=True)
class Step:
    """What is being done at the moment, and how far it is.

    Attributes:
        key: changes when something else begins.
        sentence, details: for people; empty details are left out.
        done, total: in whatever unit; a total of 0 is not known.
    """

    key: tuple[str, ...]
    sentence: str
    details: tuple[str, ...] = ()
    done: int = 0
    total: int = 0


OnStep = Callable[[Step], None]


@contextlib.contextmanager
def shown_progress(as_json: bool, labels: Mapping[str, str]) -> Iterator[OnEvent]:
    """What to give a call as `on_event`.

    Args:
        labels: what people call the source of each role, e.g. {"a": "anna.jpg"}.
    """
    from latentlayers.client import Progress

    with shown_steps(as_json, "Sending the pictures") as show:
        yield lambda event: show(_step(event, labels)) if isinstance(event, Progress) else None


@contextlib.contextmanager
def shown_steps(as_json: bool, beginning: str) -> Iterator[OnStep]:
    """What to call at every step.

    Args:
        beginning: what is being done before the first one.
    """
    if as_json:
        yield lambda step: None
    elif sys.stderr.isatty():
        with _bar(beginning) as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """Plain lines on standard error: whenever something else begins, then every few seconds."""

    def __init__(self) -> None:
        self._doing: tuple[str, ...] = ()
        self._next = 0.0

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        if step.key == self._doing and now < self._next:
            return
        self._doing, self._next = step.key, now + PLAIN_INTERVAL_S
        print(", ".join(filter(None, [step.sentence, *step.details])), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _bar(beginning: str) -> Iterator[OnStep]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(beginning, total=None, details="")

        def show(step: Step) -> None:
            progress.update(
                task,
                description=step.sentence,
                total=step.total or None,
                completed=step.done if step.total else 0,
                details="  ".join(filter(None, step.details)),
            )

        yield show


def _step(event: Progress, labels: Mapping[str, str]) -> Step:
    counted = event.phase != "queued"
    return Step(
        key=(event.phase, event.role),
        sentence=_sentence(event, labels),
        details=(_steps(event), _psnr(event), left(event.eta_seconds)),
        done=event.step if counted else 0,
        total=event.total if counted else 0,
    )


def left(eta_seconds: float | None) -> str:
    return f"{duration(eta_seconds)} left" if eta_seconds else ""


def _sentence(event: Progress, labels: Mapping[str, str]) -> str:
    if event.phase == "queued":
        return "Next in the queue" if not event.step else f"Waiting for {event.step} other job{'s'[: event.step > 1]}"
    if event.phase == "embedding":
        return f"Embedding {Path(labels.get(event.role, event.role)).name}"
    return {"loading": "Loading the model", "rendering": "Rendering"}.get(event.phase, "Working")


def _steps(event: Progress) -> str:
    return f"{event.step}/{event.total}" if event.total and event.phase in ("embedding", "rendering") else ""


def _psnr(event: Progress) -> str:
    return f"PSNR {event.psnr:.1f} dB" if event.phase == "embedding" and event.psnr else ""
