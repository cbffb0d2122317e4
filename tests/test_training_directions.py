"""Directions learnt from what portraits show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from latentlayers.errors import InvalidInput
from latentlayers.training.data import Portraits
from latentlayers.training.directions import learn_direction, steer
from latentlayers.training.export import DIRECTIONS_FILE, save_directions, trunk_of
from latentlayers.training.probe import Probe, choose_examples, fit_probe, held_out_evidence, lower_face
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from training_samples import SIDE, small_state

pytestmark = pytest.mark.usefixtures("seeded")


def labelled_features(signal: float) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """[400, 600]: features 0 to 29 carry the label, feature 30 the colour; positives go with colour."""
    random = np.random.default_rng(0)
    colour = np.arange(400) % 2 == 0
    positive = random.random(400) < np.where(colour, 0.8, 0.2)
    features = torch.randn(400, 600, generator=torch.Generator().manual_seed(1))
    features[:, :30] += signal * torch.from_numpy(positive).float()[:, None]
    features[:, 30] += 20 * torch.from_numpy(colour).float()
    return features, positive, colour


def test_a_probe_reads_the_label_and_not_the_colour_that_goes_with_it() -> None:
    features, positive, colour = labelled_features(2.0)
    probe = fit_probe(features, positive, colour)
    label, colouring = 2 * float(probe.weight[:30].sum()), 20 * float(probe.weight[30])
    assert label > 4 * abs(colouring)
    assert ((probe.centred(features, colour) > 0) == positive).all()
    for group in held_out_evidence(features, positive, colour).values():
        assert group["auc"] > 0.95
        assert group["positive"] + group["negative"] == 200


def test_a_probe_of_noise_admits_it() -> None:
    for group in held_out_evidence(*labelled_features(0.0)).values():
        assert group["auc"] < 0.65


def portraits_with_expressions(count: int) -> Portraits:
    """Half of each group smile: their lower half is darker."""
    images = torch.randint(100, 156, (4 * count, 3, SIDE, SIDE), dtype=torch.uint8)
    rows = []
    for i in range(4 * count):
        happy, colour = i % 2 == 0, i % 4 < 2
        images[i, :, SIDE // 2 :, SIDE // 2 :] -= 60 * happy
        rows.append(
            {"kind": "colour" if colour else "mono", "happy": str(0.95 * happy), "neutral": str(0.95 * (not happy))}
        )
    return Portraits(images, rows)


def test_only_portraits_of_certain_expression_are_examples_and_too_few_are_refused() -> None:
    portraits = portraits_with_expressions(6)
    portraits.rows[0]["happy"] = "0.6"
    examples = choose_examples(portraits, "happy", "neutral")
    assert examples.index.tolist() == list(range(1, 24))
    assert examples.positive.sum() == 11
    with pytest.raises(InvalidInput):
        choose_examples(portraits_with_expressions(4), "happy", "neutral")


def test_a_learnt_direction_raises_the_probe_s_score_and_is_saved(tmp_path: Path) -> None:
    state = small_state()
    portraits = portraits_with_expressions(10)
    learnt = learn_direction(state.average, trunk_of(state), portraits, "happy", "neutral", gain=0.2, steps=10)
    assert learnt.direction.shape == (state.average.num_ws, 8)
    assert learnt.evidence["effect_of_strength_1"]["rms_lower_face"] > 0
    save_directions({"smile": learnt}, tmp_path / DIRECTIONS_FILE)
    table = load_file(tmp_path / DIRECTIONS_FILE)
    assert list(table) == ["smile"]
    assert torch.equal(table["smile"], learnt.direction)
    with safe_open(tmp_path / DIRECTIONS_FILE, "pt") as file:
        assert json.loads(file.metadata()["evidence"])["smile"] == learnt.evidence


def test_steering_moves_unseen_samples_the_way_the_probe_points() -> None:
    state = small_state()
    generator, trunk = state.average, trunk_of(state)
    with torch.no_grad():
        count = lower_face(trunk, torch.zeros(1, 3, SIDE, SIDE)).shape[1]
    probe = Probe(torch.full([count], 1 / count), {True: 0.0, False: 0.0})
    direction = steer(generator, trunk, probe, gain=2.0, steps=30, dtype=torch.float32)
    with torch.no_grad():
        ws = generator.map(torch.randn(64, 8))
        before, after = (probe.score(lower_face(trunk, generator.synthesize(w))) for w in (ws, ws + direction))
    assert (after > before).all()
