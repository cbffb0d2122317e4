"""The curves of a run, drawn from its log. Needs matplotlib: the extra `train`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latentlayers.errors import NotFound
from latentlayers.training.progress import LOG_FILE

PANELS = (
    ("discriminator's mean logits", ("real_logit", "fake_logit")),
    ("sign of its logits on real pictures, augmentation", ("real_sign", "augment")),
    ("R1: mean squared slope", ("r1_penalty",)),
    ("reconstructions: mean squared error", ("error",)),
    ("reconstructions' pull on the generator, over the discriminator's", ("pull",)),
    ("pictures per second", ("images_per_second",)),
)
INCHES = (8.0, 2.0)  # of one panel


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's progress.jsonl; half a last line, of a run that was killed, is left out.

    Raises:
        NotFound: MODEL_UNKNOWN if there is no line.
    """
    path = folder / LOG_FILE
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    if not lines:
        raise NotFound("MODEL_UNKNOWN", f"{folder} holds no {LOG_FILE} with lines in it.", "Give the folder of a run.")
    return lines


def draw_curves(log: Sequence[dict[str, Any]], path: Path) -> None:
    """One panel per row of `PANELS` that the log has numbers for, over thousands of pictures, as a PNG or SVG file."""
    from matplotlib.figure import Figure

    panels = [
        (title, [name for name in names if any(line.get(name) is not None for line in log)]) for title, names in PANELS
    ]
    panels = [(title, names) for title, names in panels if names]
    figure = Figure(figsize=(INCHES[0], INCHES[1] * len(panels)), layout="constrained")
    for axes, (title, names) in zip(
        figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0], panels, strict=True
    ):
        for name in names:
            points = [(line["kimg"], line[name]) for line in log if line.get(name) is not None]
            axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1)
        axes.set_title(title, fontsize=9, loc="left")
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        if len(names) > 1:
            axes.legend(fontsize=8)
    axes.set_xlabel("thousands of pictures", fontsize=9)
    figure.savefig(path, dpi=100)
