"""What moves when a direction is taken, by witnesses that it was not learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.attributes import Panel
from latentlayers.training.directions import TRUNCATION
from latentlayers.training.grids import pictures, sample_ws
from latentlayers.training.smoothness import perceptual_distance

SAMPLES = 256
BATCH = 32
STRENGTHS = {"+1": 1.0, "-1": -1.0}
MOVES = 0.25  # least mean change of a direction's own witness, in standard deviations
OWN = 1.0  # how many times as far as any other witness it has to move its own


class Leakage:
    """Measures directions on the same fresh samples.

    Args:
        trunk: features for the perceptual distance.
        seed: other than the one whose samples taught the directions.
    """

    @torch.no_grad()
    def __init__(
        self, generator: Generator, trunk: DiscriminatorTrunk, panel: Panel, count: int = SAMPLES, seed: int = 1
    ) -> None:
        self._generator, self._trunk, self._panel = generator, trunk, panel
        self._ws = sample_ws(generator, count, seed, TRUNCATION)
        self._images = pictures(generator, self._ws)
        self._scores = panel.score_all(self._images, "witness")
        self._deviation = self._scores.std(dim=0)
        self._apart = float(self._distance(self._images.roll(1, dims=0)).mean())

    def _distance(self, images: Tensor) -> Tensor:
        """[N] to the samples."""
        parts = zip(torch.split(self._images, BATCH), torch.split(images, BATCH), strict=True)
        return torch.cat([perceptual_distance(self._trunk, one, other) for one, other in parts])

    @torch.no_grad()
    def measure(self, direction: Tensor) -> dict[str, dict[str, float]]:
        """By strength, "+1" and "-1": the mean change of every witness and the perceptual distance.

        Changes are in standard deviations of the witness over the samples; "perceptual" is the distance to the
        sample it came from, as a share of the distance between two samples.
        """
        table = {}
        for name, strength in STRENGTHS.items():
            images = pictures(self._generator, self._ws + strength * direction)
            change = (self._panel.score_all(images, "witness") - self._scores) / self._deviation
            table[name] = {
                attribute: round(float(value), 2)
                for attribute, value in zip(self._panel.names, change.mean(dim=0), strict=True)
            }
            table[name]["perceptual"] = round(float(self._distance(images).mean()) / self._apart, 2)
        return table


def refuted(name: str, table: Mapping[str, Mapping[str, float]]) -> str:
    """Why the direction may not bear its name, or "" if its own witness follows it, and no other one more."""
    move = {key: (table["+1"][key] - table["-1"][key]) / 2 for key in table["+1"] if key != "perceptual"}
    own = move.pop(name)
    if own < MOVES:
        return f"its witness moves by {own:.2f} standard deviations only"
    other = max(move, key=lambda key: abs(move[key]), default="")
    if other and own < OWN * abs(move[other]):
        return f"it moves {other} by {move[other]:.2f}, its own witness by {own:.2f} standard deviations"
    return ""


def markdown_table(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    """For a model card: a row per direction and strength, a column per witness, the direction's own in bold."""
    tables = {name: figures["leakage"] for name, figures in evidence.items() if "leakage" in figures}
    if not tables:
        return "No directions.\n"
    columns = list(next(iter(tables.values()))["+1"])
    lines = [f"| direction | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for name, table in tables.items():
        for strength, row in table.items():
            cells = [f"**{row[column]:+.2f}**" if column == name else f"{row[column]:+.2f}" for column in columns]
            cells[-1] = cells[-1].lstrip("+")
            lines.append(f"| `{name}` {strength} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
