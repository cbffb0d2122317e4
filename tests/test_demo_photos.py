"""The demo's photographs: what photos.json says of them is true, and their provenance is written down."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import latentlayers
import numpy as np
import pytest
from PIL import Image

PHOTOS = Path(latentlayers.__file__).parent / "demo" / "photos"
ENTRIES: list[dict[str, Any]] = json.loads((PHOTOS / "photos.json").read_text(encoding="utf-8"))["photos"]

every_photo = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])


@every_photo
def test_the_frame_follows_from_the_marked_points_and_lies_inside_the_picture(entry: dict[str, Any]) -> None:
    eyes, mouth = np.array(entry["eyes"]), np.array(entry["mouth_corners"])
    eye_to_mouth = mouth.mean(0) - eyes.mean(0)
    half = max(2.0 * np.linalg.norm(eyes[1] - eyes[0]), 1.8 * np.linalg.norm(eye_to_mouth))
    corner = eyes.mean(0) + 0.1 * eye_to_mouth - half
    x, y, width, height = entry["frame"]
    np.testing.assert_allclose([x, y, width, height], [*corner, 2 * half, 2 * half], atol=1.0)
    assert x >= 0
    assert y >= 0
    assert x + width <= entry["size"][0]
    assert y + height <= entry["size"][1]


@every_photo
def test_the_file_is_a_modest_jpeg_of_the_stated_size(entry: dict[str, Any]) -> None:
    path = PHOTOS / entry["file"]
    with Image.open(path) as picture:
        assert picture.format == "JPEG"
        assert list(picture.size) == entry["size"]
    assert path.stat().st_size <= 150_000


@every_photo
def test_the_provenance_names_the_file_and_its_checksum(entry: dict[str, Any]) -> None:
    provenance = (PHOTOS / "PROVENANCE.md").read_text(encoding="utf-8")
    assert entry["file"] in provenance
    assert hashlib.sha256((PHOTOS / entry["file"]).read_bytes()).hexdigest() in provenance


def test_no_photograph_lies_there_without_an_entry() -> None:
    assert {path.name for path in PHOTOS.glob("*.jpg")} == {entry["file"] for entry in ENTRIES}
