"""The curves of a training run."""

from __future__ import annotations

from pathlib import Path

import pytest
from latentlayers.errors import NotFound
from latentlayers.training.curves import draw_curves, read_log
from PIL import Image


def test_a_run_s_log_becomes_a_picture(tmp_path: Path) -> None:
    line = '{"kimg": %s, "real_logit": 1.5, "fake_logit": -1, "real_sign": 0.5, "augment": 0.0, "error": null}\n'
    (tmp_path / "progress.jsonl").write_text(line % 1 + line % 2 + '{"kimg": 3, "real_', encoding="utf-8")
    log = read_log(tmp_path)
    assert [entry["kimg"] for entry in log] == [1, 2]
    draw_curves(log, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width >= 600
        assert picture.convert("L").getextrema() == (0, 255)


def test_a_folder_without_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="progress"):
        read_log(tmp_path)
