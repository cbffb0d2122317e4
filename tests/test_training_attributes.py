"""Estimators of what portraits show: honest about groups, mirrors and labels that mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from latentlayers.errors import InvalidInput
from latentlayers.training.attributes import QUESTIONS, Panel, diversity, fit_panel, groups
from latentlayers.training.data import Portraits
from latentlayers.training.export import trunk_of
from latentlayers.training.grids import to_signed
from latentlayers.training.looks import Looks, measures
from latentlayers.training.probe import (
    Examples,
    Gallery,
    choose_examples,
    fit_probe,
    held_out_evidence,
    held_out_scores,
    reliability,
)
from torch import Tensor
from training_samples import SIDE, labelled_portraits, small_state

pytestmark = pytest.mark.usefixtures("seeded")


def confounded(signal: float) -> tuple[Tensor, Examples]:
    """[400, 600]: features 0 to 29 carry the label, feature 30 the colour; positives go with colour."""
    random = np.random.default_rng(0)
    colour = np.arange(400) % 2 == 0
    positive = random.random(400) < np.where(colour, 0.8, 0.2)
    features = torch.randn(400, 600, generator=torch.Generator().manual_seed(1))
    features[:, :30] += signal * torch.from_numpy(positive).float()[:, None]
    features[:, 30] += 20 * torch.from_numpy(colour).float()
    goal = np.where(positive, 1.0, -1.0)
    return features, Examples(np.arange(400), goal, np.where(colour, "colour", "mono"))


def test_a_probe_reads_the_label_and_not_the_colour_that_goes_with_it() -> None:
    features, examples = confounded(2.0)
    gallery = Gallery(features)
    probe = fit_probe(gallery, examples)
    label, colouring = 2 * float(probe.weight[:30].sum()), 20 * float(probe.weight[30])
    assert label > 4 * abs(colouring)
    offset = np.array([probe.offset[str(name)] for name in examples.group])
    assert ((probe.score(features).numpy() > offset) == (examples.goal > 0)).all()
    evidence = held_out_evidence(gallery, examples)
    assert set(evidence) == {"colour", "mono"}
    for group in evidence.values():
        assert group["auc"] > 0.95
        assert group["positive"] + group["negative"] == 200
    assert reliability(evidence) > 0.9


def test_a_probe_of_noise_admits_it() -> None:
    features, examples = confounded(0.0)
    evidence = held_out_evidence(Gallery(features), examples)
    assert all(group["auc"] < 0.65 for group in evidence.values())
    assert abs(reliability(evidence)) < 0.2


def test_a_number_is_estimated_in_its_own_unit_whatever_its_group_s_level() -> None:
    features = torch.randn(300, 20)
    group = np.where(np.arange(300) % 3 == 0, "women", "men")
    goal = 40 + 5 * features[:, 0].double().numpy() + np.where(group == "men", 20, 0)
    gallery, examples = Gallery(features), Examples(np.arange(300), goal, group)
    probe = fit_probe(gallery, examples, ridge=0.01)
    shift = np.array([probe.level[str(name)] - probe.offset[str(name)] for name in group])
    assert np.abs(probe.score(features).numpy() + shift - goal).max() < 1.0
    assert all(figures["correlation"] > 0.95 for figures in held_out_evidence(gallery, examples).values())


def test_held_out_scores_do_not_depend_on_the_example_s_own_label() -> None:
    features, examples = confounded(1.0)
    kept = Examples(examples.index[:60], examples.goal[:60], examples.group[:60])
    gallery = Gallery(features)
    fitted = fit_probe(gallery, kept)
    own = np.corrcoef(fitted.score(features[:60]).numpy(), kept.goal)[0, 1]
    held_out = np.corrcoef(held_out_scores(gallery, kept), kept.goal)[0, 1]
    assert own > held_out + 0.05


def test_examples_have_a_label_a_group_and_company_on_both_sides() -> None:
    goal = np.array([1.0, -1.0] * 10 + [1.0] * 6 + [np.nan, 1.0])
    group = np.array(["a"] * 20 + ["b"] * 6 + ["a", ""])
    assert choose_examples(goal, group).index.tolist() == list(range(20))
    with pytest.raises(InvalidInput):
        choose_examples(goal[20:], group[20:])


def test_what_is_read_from_turned_looks_and_light_is_the_opposite_in_the_mirror() -> None:
    looks = Looks(trunk_of(small_state()))
    images = torch.rand(5, 3, SIDE, SIDE) * 2 - 1
    seen, mirrored = (looks(pictures, ["face-turned", "edges-turned"]) for pictures in (images, images.flip(3)))
    for name, rows in seen.items():
        assert rows.abs().max() > 0
        torch.testing.assert_close(mirrored[name], -rows)
    there, back = measures(images), measures(images.flip(3))
    torch.testing.assert_close(back * torch.tensor([1, -1, 1]), there)


def test_light_is_positive_from_the_viewer_s_right_and_grey_has_no_chroma() -> None:
    images = torch.full((1, 3, SIDE, SIDE), -0.5)
    images[..., SIDE // 2 :] = 0.5
    chroma, light, brightness = measures(images)[0].tolist()
    assert chroma == 0
    assert light > 0.3
    assert brightness == pytest.approx(0.5)


def test_groups_name_what_is_certain() -> None:
    rows = [
        {"kind": "colour", "male_prob": "0.99", "happy": "0.95"},
        {"kind": "mono", "male_prob": "0.01", "happy": "0.0"},
        {"kind": "mono", "male_prob": "0.5", "happy": "0.5"},
        {"kind": "mono", "male_prob": "", "happy": ""},
    ]
    portraits = Portraits(torch.zeros(4, 3, SIDE, SIDE, dtype=torch.uint8), rows)
    assert groups(portraits, ("tone", "sex", "expression")).tolist() == [
        "colour, men, smiling",
        "mono, women, not smiling",
        "",
        "",
    ]
    assert groups(portraits, ()).tolist() == ["all"] * 4


@pytest.fixture(scope="module")
def panel() -> Panel:
    torch.manual_seed(0)
    return fit_panel(trunk_of(small_state()), labelled_portraits(160))


def test_every_attribute_that_shows_is_found_by_reader_and_witness(panel: Panel) -> None:
    assert {"smile", "colour", "light", "brightness", "gender-estimate"} <= set(panel.names)
    others = to_signed(labelled_portraits(80, seed=1).images)
    readers, witnesses = (panel.score_all(others, side) for side in ("reader", "witness"))
    assert readers.shape == witnesses.shape == (80, len(panel.names))
    for column, name in enumerate(panel.names):
        assert torch.corrcoef(torch.stack([readers[:, column], witnesses[:, column]]))[0, 1] > 0.4, name


def test_shuffled_labels_teach_nothing_and_the_attribute_is_left_out() -> None:
    portraits = labelled_portraits(160)
    random = np.random.default_rng(3)
    shuffled = random.permutation([row["happy"] for row in portraits.rows])
    rows = [
        row | {"happy": happy, "neutral": str(0.95 - float(happy))}
        for row, happy in zip(portraits.rows, shuffled, strict=True)
    ]
    smile = [question for question in QUESTIONS if question.name == "smile"]
    panel = fit_panel(trunk_of(small_state()), Portraits(portraits.images, rows), smile)
    assert panel.names == []
    held_out = panel.left_out["smile"]["reader"]["held_out"]
    assert all(0.25 < group["auc"] < 0.75 for group in held_out.values())


def test_missing_columns_leave_their_attributes_out() -> None:
    portraits = labelled_portraits(60)
    rows = [{**row, "age_est": ""} for row in portraits.rows]
    panel = fit_panel(trunk_of(small_state()), Portraits(portraits.images, rows))
    assert "labelled portraits" in panel.left_out["age"]["reader"]["held_out"]


def test_diversity_counts_colour_and_women(panel: Panel) -> None:
    portraits = labelled_portraits(80, seed=1)
    figures = diversity(panel, to_signed(portraits.images))
    assert figures["colour_share"] == pytest.approx(portraits.is_colour.mean(), abs=0.01)
    assert figures["women_estimate_share"] == pytest.approx((portraits.numbers("male_prob") < 0.5).mean(), abs=0.15)
