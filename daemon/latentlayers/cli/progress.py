"""Progress of a running call: a bar on a terminal, a line now and then in a pipe, nothing beside JSON."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from latentlayers.cli.output import duration

if TYPE_CHECKING:
    from latentlayers.client import Event, Progress

PLAIN_INTERVAL_S = 10.0

OnEvent = Callable[["Event"], None]


@contextlib.contextmanager
def shown_progress(as_json: bool, labels: Mapping[str, str]) -> Iterator[OnEvent]:
    """What to give a call as `on_event`.

    Args:
        labels: what people call the source of each role, e.g. {"a": "anna.jpg"}.
    """
    if as_json:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _bar(labels) as on_event:
            yield on_event
    else:
        yield _Lines(labels)


class _Lines:
    """Plain lines on standard error: at every change of what is being done, then every few seconds."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._doing: tuple[str, str] | None = None
        self._next = 0.0

    def __call__(self, event: Event) -> None:
        from latentlayers.client import Progress

        if not isinstance(event, Progress):
            return
        now = time.monotonic()
        if (event.phase, event.role) == self._doing and now < self._next:
            return
        self._doing, self._next = (event.phase, event.role), now + PLAIN_INTERVAL_S
        details = [part for part in (_steps(event), _psnr(event), _left(event)) if part]
        print(", ".join([_sentence(event, self._labels), *details]), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _bar(labels: Mapping[str, str]) -> Iterator[OnEvent]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    from latentlayers.client import Progress as ProgressEvent

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[details]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Sending the pictures", total=None, details="")

        def on_event(event: Event) -> None:
            if isinstance(event, ProgressEvent):
                known = event.total > 0 and event.phase != "queued"
                details = "  ".join(part for part in (_steps(event), _psnr(event), _left(event)) if part)
                progress.update(
                    task,
                    description=_sentence(event, labels),
                    total=event.total if known else None,
                    completed=event.step if known else 0,
                    details=details,
                )

        yield on_event


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


def _left(event: Progress) -> str:
    return f"{duration(event.eta_seconds)} left" if event.eta_seconds else ""
