"""All labelled directions of a model, with what is known about them: fit, learn, measure, and leave out what fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.attributes import QUESTIONS, Panel, Question, diversity, fit_panel
from latentlayers.training.data import Portraits
from latentlayers.training.directions import RECIPES, SAMPLES, Recipe, closed_form, draw, steer
from latentlayers.training.leakage import SAMPLES as FRESH
from latentlayers.training.leakage import Leakage, refuted


@dataclass(frozen=True)
class LearntDirections:
    """What is shipped, and what is known.

    Attributes:
        directions: [num_ws, w_dim] float32 by name; adding one once is strength 1.
        evidence: JSON-ready figures by name, also of those left out, which have "left_out": why.
        panel: the estimators.
    """

    directions: dict[str, Tensor]
    evidence: dict[str, Any]
    panel: Panel


def learn_directions(
    generator: Generator,
    trunk: DiscriminatorTrunk,
    portraits: Portraits,
    *,
    samples: int = SAMPLES,
    fresh: int = FRESH,
    steps: int | None = None,
    recipes: Mapping[str, Recipe] = RECIPES,
    questions: tuple[Question, ...] = QUESTIONS,
    seed: int = 0,
    show: Callable[[str], None] = lambda line: None,
) -> LearntDirections:
    """Fit the estimators, learn a direction for each recipe, measure it on fresh samples.

    A direction is left out if the reader or the witness cannot tell the attribute from held-out portraits, or if the
    witness does not follow it.

    Args:
        trunk: calibrated features of pictures like the generator's.
        steps: of refinement, in place of the recipes'; 0: the closed form alone.
    """
    panel = fit_panel(trunk, portraits, questions)
    show(f"estimators: {', '.join(panel.names)}")
    evidence: dict[str, Any] = {
        name: {"fit": figures, "left_out": "held-out portraits do not show that it can be told"}
        for name, figures in panel.left_out.items()
        if name in recipes
    }
    drawn = draw(generator, panel, samples, seed=2 * seed)
    show(f"samples: {diversity(panel, drawn.images)}")
    closed, linear = closed_form(drawn.w, drawn.scores)
    leakage = Leakage(generator, trunk, panel, fresh, seed=2 * seed + 1)
    directions = {}
    for name, recipe in recipes.items():
        if name not in panel.names:
            continue
        column = panel.names.index(name)
        used = recipe if steps is None else replace(recipe, steps=steps)
        start = (recipe.gain * closed[column]).repeat(generator.num_ws, 1)
        direction = steer(generator, panel, drawn, start, column, used, seed=seed) if used.steps else start
        table = leakage.measure(direction)
        evidence[name] = {
            "fit": panel.attributes[column].evidence,
            "recipe": asdict(used),
            "linear_in_w": round(float(linear[column]), 2),
            "norm": round(float(direction.square().sum().sqrt()), 2),
            "leakage": table,
        }
        reason = refuted(name, table)
        if reason:
            evidence[name]["left_out"] = reason
        else:
            directions[name] = direction.to(torch.float32).contiguous()
        show(f"{name}: {'left out, as ' + reason if reason else table}")
    return LearntDirections(directions, evidence, panel)
