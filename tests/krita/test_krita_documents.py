"""Documents and layers of every kind in real Krita."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from needs_krita import KRITA, Paint
from numpy.typing import NDArray
from PIL import Image

pytestmark = KRITA

# Of 255, after Krita has converted to sRGB and back. The CMYK profile cannot show all of sRGB's colours.
ROUNDING = {"cmyk": 20}


def pixels(path: Path) -> NDArray[np.int16]:
    return np.asarray(Image.open(path).convert("RGBA"), np.int16)


def test_documents_of_every_colour_space_get_results_in_it(
    paint: Paint, portraits: dict[str, Any], tmp_path: Path
) -> None:
    said = paint("documents")
    x, y, width, height = portraits["eileen_frame"]
    face = np.s_[y + height // 4 : y + height * 3 // 4, x + width // 4 : x + width * 3 // 4, :3]
    for name, facts in said.items():
        assert facts == {"space": True, "undo": 1}, name
        source, unchanged, embedded = (
            pixels(tmp_path / f"{name}-{what}.png") for what in ("source", "unchanged", "embedded")
        )
        assert np.abs(unchanged - source).max() <= ROUNDING.get(name, 1), name
        # The same picture, roughly: the model draws it after a few steps.
        assert 1 < np.abs(embedded - source)[face].mean() < 50, name


def test_layers_of_every_kind_get_results_where_they_are(paint: Paint, tmp_path: Path) -> None:
    said = paint("layers")
    assert said.pop("empty") == ["failed", "The layer Empty is empty."]
    assert said == {name: ["done", 0, 0] for name in said}
    plain = pixels(tmp_path / "offset.png")
    for name in ("moved", "clone", "file", "hidden", "locked", "group"):
        np.testing.assert_array_equal(pixels(tmp_path / f"{name}.png"), plain)

    height, width = plain.shape[:2]
    ramp = 255 * (np.arange(width) + 1) // width
    alpha = pixels(tmp_path / "ramp.png")[..., 3]
    assert np.abs(alpha - plain[..., 3] * ramp / 255).max() <= 1
    alpha = pixels(tmp_path / "soft.png")[..., 3]
    share = np.where(np.arange(height) < height // 2, 255, 128)[:, None] / 255
    assert np.abs(alpha - plain[..., 3] * share).max() <= 1
