"""What can be told from a portrait: smile, age, gender estimate, turn, colour, light, brightness.

Every attribute has two estimators that look at different things. Directions are learnt from the *reader*; the
*witness*, which they never saw, says what they do. "gender-estimate" is what a classifier took people for from their
pictures, and is no more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from latentlayers.errors import InvalidInput
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.data import Portraits
from latentlayers.training.grids import to_signed
from latentlayers.training.looks import MEASURES, Looks, chroma, measures
from latentlayers.training.probe import (
    Floats,
    Gallery,
    Names,
    Probe,
    choose_examples,
    fit_probe,
    held_out_evidence,
    reliability,
)

CERTAIN = 0.9
COLOURED = 6 / 127.5  # chroma of a picture that is not merely toned
RELIABLE = 0.4  # see `reliability`: an area under the curve of 0.7, or a correlation of 0.4
BATCH = 64

Side = Literal["reader", "witness"]


@dataclass(frozen=True)
class Readout:
    """A linear function of one look: `look @ weight`."""

    look: str
    weight: Tensor


@dataclass(frozen=True)
class Attribute:
    """Two estimators of the same thing.

    Attributes:
        says: what a larger score means.
        probe: the reader's, with its offsets; None if the reader is measured straight from the pixels.
        evidence: held-out figures of both, JSON-ready.
    """

    name: str
    says: str
    reader: Readout
    witness: Readout
    probe: Probe | None
    evidence: dict[str, Any]


@dataclass(frozen=True)
class Question:
    """How an attribute is learnt.

    Attributes:
        reader, witness: names of looks; a name of `MEASURES` is that measure itself.
        goal: from portraits to [N] numbers, NaN where unknown.
        within: which of "tone", "sex" and "expression" are held still.
    """

    name: str
    says: str
    reader: str
    witness: str
    goal: Callable[[Portraits], Floats]
    within: tuple[str, ...]


def _sides(positive: Floats, negative: Floats) -> Floats:
    """[N] +1 or -1 where one of two probabilities is certain, else NaN."""
    goal: Floats = np.where(positive > CERTAIN, 1.0, np.where(negative > CERTAIN, -1.0, np.nan))
    return goal


def _woman(portraits: Portraits) -> Floats:
    male: Floats = portraits.numbers("male_prob")
    return _sides(1.0 - male, male)


def _measured(name: str) -> Callable[[Portraits], Floats]:
    def goal(portraits: Portraits) -> Floats:
        parts = [measures(to_signed(part)) for part in torch.split(portraits.images, BATCH)]
        values = torch.cat(parts)[:, MEASURES.index(name)].double()
        scaled: Floats = ((values - values.mean()) / values.std().clamp_min(1e-9)).numpy()
        return scaled

    return goal


QUESTIONS = (
    Question(
        "smile",
        "happy rather than neutral, by a classifier's labels",
        "mouth",
        "edges",
        lambda portraits: _sides(portraits.numbers("happy"), portraits.numbers("neutral")),
        ("tone", "sex"),
    ),
    Question(
        "age",
        "older, by a network's estimates (unit: 10 years)",
        "face",
        "edges",
        lambda portraits: portraits.numbers("age_est") / 10,
        ("tone", "sex", "expression"),
    ),
    Question(
        "gender-estimate",
        "taken for a woman rather than a man, by a classifier's labels",
        "face",
        "edges",
        _woman,
        ("tone", "expression"),
    ),
    Question(
        "turn",
        "turned to the viewer's right (unit: 0.1 of yaw_jaw)",
        "face-turned",
        "edges-turned",
        lambda portraits: portraits.numbers("yaw_jaw") * 10,
        (),
    ),
    Question(
        "colour",
        "more colourful: chroma",
        "chroma",
        "face",
        lambda portraits: np.where(portraits.is_colour, 1.0, -1.0),
        ("sex", "expression"),
    ),
    Question("light", "lit from the viewer's right", "light", "face-turned", _measured("light"), ("tone",)),
    Question("brightness", "a brighter face", "brightness", "face", _measured("brightness"), ("tone",)),
)


def groups(portraits: Portraits, within: Sequence[str]) -> Names:
    """[N] names such as "colour, women, smiling"; "" where one of them is uncertain."""
    happy = portraits.numbers("happy")
    sex = _woman(portraits)
    known = {
        "tone": np.where(portraits.is_colour, "colour", "mono"),
        "sex": np.where(sex > 0, "women", np.where(sex < 0, "men", "")),
        "expression": np.where(happy > CERTAIN, "smiling", np.where(happy < 1 - CERTAIN, "not smiling", "")),
    }
    if not within:
        return np.full(len(portraits), "all")
    chosen = [known[kind] for kind in within]
    names = np.array([", ".join(parts) for parts in zip(*chosen, strict=True)])
    return np.where(np.logical_and.reduce([part != "" for part in chosen]), names, "")


class Panel:
    """Estimators of several attributes, sharing what they look at.

    Args:
        left_out: attributes that could not be told from held-out portraits, with the figures that say so.
    """

    def __init__(
        self, attributes: Sequence[Attribute], looks: Looks, left_out: Mapping[str, Any] | None = None
    ) -> None:
        self.attributes, self._looks = tuple(attributes), looks
        self.left_out = dict(left_out or {})

    @property
    def names(self) -> list[str]:
        return [attribute.name for attribute in self.attributes]

    def scores(self, images: Tensor, side: Side = "reader", dtype: torch.dtype = torch.float32) -> Tensor:
        """Pictures [N, 3, R, R] in [-1, 1] -> [N, attributes]; differentiable."""
        readouts = [attribute.reader if side == "reader" else attribute.witness for attribute in self.attributes]
        seen = self._looks(images, {readout.look for readout in readouts}, dtype)
        return torch.stack([seen[readout.look] @ readout.weight for readout in readouts], dim=1)

    @torch.no_grad()
    def score_all(self, images: Tensor, side: Side = "reader") -> Tensor:
        """`scores` of any number of pictures, batch by batch; of any float type."""
        return torch.cat([self.scores(part.float(), side) for part in torch.split(images, BATCH)])


def fit_panel(trunk: DiscriminatorTrunk, portraits: Portraits, questions: Sequence[Question] = QUESTIONS) -> Panel:
    """Fit every reader and witness; an attribute that either of them cannot tell goes to `left_out`."""
    looks = Looks(trunk)
    wanted = sorted({look for q in questions for look in (q.reader, q.witness) if look not in MEASURES})
    with torch.no_grad():
        parts = [looks(to_signed(part), wanted) for part in torch.split(portraits.images, BATCH)]
    columns = {look: [part.pop(look) for part in parts] for look in wanted}
    fitted: dict[tuple[str, str], _Fitted] = {}
    for look in wanted:
        gallery = Gallery(torch.cat(columns.pop(look)))
        for q in questions:
            if look in (q.reader, q.witness):
                fitted[q.name, look] = _fit(gallery, look, q, portraits)
    attributes, left_out = [], {}
    for q in questions:
        reader = _measure_of(q.reader) if q.reader in MEASURES else fitted[q.name, q.reader]
        witness = fitted[q.name, q.witness]
        evidence = {
            "says": q.says,
            "held_still": list(q.within),
            "reader": {"sees": q.reader, "held_out": reader.evidence},
            "witness": {"sees": q.witness, "held_out": witness.evidence},
        }
        if reader.readout is None or witness.readout is None:
            left_out[q.name] = evidence
        else:
            attributes.append(Attribute(q.name, q.says, reader.readout, witness.readout, reader.probe, evidence))
    return Panel(attributes, looks, left_out)


@dataclass(frozen=True)
class _Fitted:
    """`readout` is None if held-out pictures refute it, or there are too few."""

    readout: Readout | None
    probe: Probe | None
    evidence: Any


def _measure_of(name: str) -> _Fitted:
    weight = torch.tensor([float(name == known) for known in MEASURES])
    return _Fitted(Readout("measures", weight), None, "straight from the pixels")


def _fit(gallery: Gallery, look: str, question: Question, portraits: Portraits) -> _Fitted:
    try:
        examples = choose_examples(question.goal(portraits), groups(portraits, question.within))
    except InvalidInput as error:
        return _Fitted(None, None, str(error))
    evidence = held_out_evidence(gallery, examples)
    if reliability(evidence) < RELIABLE:
        return _Fitted(None, None, evidence)
    probe = fit_probe(gallery, examples)
    return _Fitted(Readout(look, probe.weight), probe, evidence)


def diversity(panel: Panel, images: Tensor) -> dict[str, float]:
    """How varied pictures [N, 3, R, R] in [-1, 1] are, as far as the panel's attributes can tell.

    `colour_share`: of pictures with more colour than toning. `women_estimate_share`: of those read as women.
    `age_estimate_p05`, `_p50`, `_p95`: years; a linear estimate spreads less than what it estimates. To be
    compared with the same figures of real pictures that the panel was not fitted to, no more.
    """
    scores = panel.score_all(images).double().numpy()
    coloured = torch.cat([chroma(part.float()) for part in torch.split(images, BATCH)]).numpy() > COLOURED
    figures = {"colour_share": round(float(coloured.mean()), 3)}
    for column, attribute in enumerate(panel.attributes):
        if attribute.probe is None:
            continue
        estimate = scores[:, column] + np.where(
            coloured, _shift(attribute.probe, "colour"), _shift(attribute.probe, "mono")
        )
        if attribute.name == "gender-estimate":
            figures["women_estimate_share"] = round(float((estimate > 0).mean()), 3)
        elif attribute.name == "age":
            for point in (5, 50, 95):
                figures[f"age_estimate_p{point:02}"] = round(10 * float(np.percentile(estimate, point)), 1)
    return figures


def _shift(probe: Probe, tone: str) -> float:
    """What to add to a score to get the goal: the mean over the tone's groups, or over all if it has none."""
    shifts = {name: probe.level[name] - offset for name, offset in probe.offset.items()}
    return float(np.mean([shift for name, shift in shifts.items() if name.startswith(tone)] or list(shifts.values())))
