"""Directions learnt from what portraits show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from latentlayers.generators import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.__main__ import app
from latentlayers.training.attributes import Attribute, Panel, Readout
from latentlayers.training.directions import Recipe, closed_form, draw, held_change, steer
from latentlayers.training.export import DIRECTIONS_FILE, export_model, save_directions, trunk_of
from latentlayers.training.leakage import Leakage, markdown_table, refuted
from latentlayers.training.learn import learn_directions
from latentlayers.training.looks import Looks
from latentlayers.training.state import save_state
from latentlayers.training.strips import SHEET, save_strips, unlabelled
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from training_samples import QUICK, SIDE, labelled_portraits, small_state, write_data
from typer.testing import CliRunner

pytestmark = pytest.mark.usefixtures("seeded")

RECIPES = {"light": Recipe(1.0, steps=2), "smile": Recipe(1.0, "upper face", steps=2)}


def planted() -> tuple[Tensor, Tensor, Tensor]:
    """w [4000, 12] of a skewed covariance, scores [4000, 3] of which the first two go together, and their weights."""
    w = torch.randn(4000, 12) @ torch.randn(12, 12)
    weights = torch.randn(12, 3)
    weights[:, 1] = weights[:, 0] + 0.5 * torch.randn(12)
    return w, w @ weights + 0.1 * torch.randn(4000, 3), weights


def test_the_closed_form_moves_one_score_by_a_deviation_and_no_other() -> None:
    w, scores, weights = planted()
    directions, linear = closed_form(w, scores, ridge=1e-6)
    moved = directions @ weights / scores.std(dim=0)
    torch.testing.assert_close(moved, torch.eye(3), atol=0.02, rtol=0)
    assert (linear > 0.95).all()


def test_the_closed_form_is_the_shortest_such_step_in_the_samples_metric() -> None:
    w, scores, weights = planted()
    direction = closed_form(w, scores, ridge=1e-6)[0][0]
    inverse = torch.linalg.inv(torch.cov(w.t()))
    aside = torch.linalg.svd(weights.t())[2][3:]  # what no score notices
    assert (aside @ inverse @ direction).abs().max() < 0.05 * float(direction @ inverse @ direction) ** 0.5


def test_scores_of_noise_are_not_linear_in_w() -> None:
    assert closed_form(torch.randn(2000, 8), torch.randn(2000, 2))[1].max() < 0.05


def one_attribute(trunk: DiscriminatorTrunk) -> Panel:
    count = Looks(trunk)(torch.zeros(1, 3, SIDE, SIDE), ["face"])["face"].shape[1]
    face, light = Readout("face", torch.full([count], 1 / count)), Readout("measures", torch.tensor([0.0, 1.0, 0.0]))
    named = [Attribute(name, "", readout, readout, None, {}) for name, readout in (("mean", face), ("light", light))]
    return Panel(named, Looks(trunk))


def moved_by(generator: Generator, panel: Panel, direction: Tensor) -> Tensor:
    with torch.no_grad():
        ws = generator.map(torch.randn(64, 8))
        return panel.scores(generator.synthesize(ws + direction)) - panel.scores(generator.synthesize(ws))


def test_steering_moves_unseen_samples_the_way_the_reader_points_both_ways() -> None:
    state = small_state()
    generator, panel = state.average, one_attribute(trunk_of(state))
    drawn = draw(generator, panel, 128)
    nowhere = torch.zeros(generator.num_ws, generator.w_dim)
    recipe = Recipe(2.0, steps=40, start=0.0, rate=0.05)
    direction = steer(generator, panel, drawn, nowhere, 0, recipe)
    for sign in (1, -1):
        moved = (sign * moved_by(generator, panel, sign * direction) / drawn.scores.std(dim=0)).mean(dim=0)
        assert moved[0] > 0.3
        assert moved[0] > 2 * abs(moved[1])
    assert torch.equal(direction, steer(generator, panel, drawn, nowhere, 0, recipe))
    assert torch.equal(steer(generator, panel, drawn, nowhere + 1, 0, replace(recipe, steps=0, start=1.0)), nowhere + 1)


def test_held_change_sees_only_what_is_to_stay() -> None:
    before = torch.zeros(1, 3, 64, 64)
    mouth, corner, tint = before.clone(), before.clone(), before.clone()
    mouth[..., 44:46, 31:33] = 1
    corner[..., :4, :4] = 1
    tint[:, 0], tint[:, 1] = 1, -1
    seen = {
        hold: [float(held_change(hold, before, after)) > 0 for after in (mouth, corner, tint)]
        for hold in ("upper face", "background", "grey", "")
    }
    assert seen == {
        "upper face": [False, True, True],
        "background": [False, True, True],
        "grey": [True, True, False],
        "": [False, False, False],
    }


def test_leakage_is_measured_in_deviations_and_nothing_moves_nothing() -> None:
    state = small_state()
    generator, trunk = state.average, trunk_of(state)
    leakage = Leakage(generator, trunk, one_attribute(trunk), count=40)
    nothing = leakage.measure(torch.zeros(generator.num_ws, generator.w_dim))
    assert nothing == {sign: {"mean": 0, "light": 0, "perceptual": 0} for sign in ("+1", "-1")}
    far = leakage.measure(torch.randn(generator.num_ws, generator.w_dim))
    assert far["+1"]["perceptual"] > 0
    assert far["+1"]["mean"] != 0


def test_a_direction_that_its_witness_does_not_follow_or_another_follows_more_is_refuted() -> None:
    def table(age: float, smile: float) -> dict[str, dict[str, float]]:
        return {sign: {"age": s * age, "smile": s * smile, "perceptual": 0.3} for sign, s in (("+1", 1), ("-1", -1))}

    assert refuted("age", table(1.0, 0.4)) == ""
    assert "only" in refuted("age", table(0.1, 0.0))
    assert "only" in refuted("age", table(-1.0, 0.0))
    assert "smile" in refuted("age", table(0.5, -0.8))


def test_the_table_has_a_row_per_direction_and_strength() -> None:
    leak = {"+1": {"age": 1.0, "smile": -0.1, "perceptual": 0.3}, "-1": {"age": -0.9, "smile": 0, "perceptual": 0.2}}
    lines = markdown_table({"age": {"leakage": leak}, "smile": {"left_out": "…"}}).splitlines()
    assert lines[0] == "| direction | age | smile | perceptual |"
    assert lines[2] == "| `age` +1 | **+1.00** | -0.10 | 0.30 |"
    assert len(lines) == 4


def test_learnt_directions_are_kept_or_left_out_for_a_reason_and_saved(tmp_path: Path) -> None:
    state = small_state()
    learnt = learn_directions(
        state.average, trunk_of(state), labelled_portraits(120), samples=64, fresh=32, recipes=RECIPES
    )
    assert set(learnt.evidence) == set(RECIPES)
    for name, figures in learnt.evidence.items():
        assert (name in learnt.directions) != ("left_out" in figures)
        assert set(figures["leakage"]) == {"+1", "-1"}
    path = tmp_path / DIRECTIONS_FILE
    save_directions(learnt.directions, learnt.evidence, path)
    table = load_file(path)
    assert set(table) == set(learnt.directions)
    assert all(torch.equal(table[name], learnt.directions[name]) for name in table)
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["evidence"]) == learnt.evidence


def test_strips_show_labelled_and_the_first_unlabelled_directions(tmp_path: Path) -> None:
    generator = small_state().average
    assert list(unlabelled(generator)) == [f"{method}-{i}" for method in ("pca", "sefa") for i in range(1, 6)]
    paths = save_strips(generator, {"smile": torch.randn(generator.num_ws, generator.w_dim)}, tmp_path)
    assert [path.stem for path in paths[:2]] == ["smile", "pca-1"]
    assert paths[-1].name == SHEET
    assert len(list(tmp_path.glob("*.png"))) == 12
    with Image.open(paths[0]) as picture:
        assert picture.width == 7 * SIDE


@pytest.mark.parametrize("exported", [False, True])
def test_the_command_takes_a_run_or_a_model(tmp_path: Path, exported: bool) -> None:
    state = small_state()
    folder = tmp_path / "from"
    if exported:
        export_model(state, folder, name="small", licence="CC0-1.0", provenance="")
    else:
        folder.mkdir()
        save_state(state, QUICK, folder)
    rows = [{"kind": "colour" if i % 2 else "mono", "happy": "0.95" if i % 4 < 2 else "0"} for i in range(40)]
    data, metadata = write_data(tmp_path, rows)
    told = ["--data", data, "--metadata", metadata, "--out", tmp_path / "out", "--samples", "64", "--steps", "0"]
    result = CliRunner().invoke(app, ["directions", "--run", *map(str, [folder, *told])])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / DIRECTIONS_FILE).exists()
    assert (tmp_path / "out" / "directions" / "leakage.md").exists()
