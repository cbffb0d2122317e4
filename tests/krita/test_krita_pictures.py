"""The guide's screenshots: LATENTLAYERS_SCREENSHOTS=FOLDER makes them anew, ready for docs/images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from needs_krita import KRITA, Paint
from PIL import Image
from running_daemon import RunningDaemon

pytestmark = [*KRITA, pytest.mark.skipif("LATENTLAYERS_SCREENSHOTS" not in os.environ, reason="no folder for them")]

WIDTH = 1200


def test_the_guides_pictures(paint: Paint, daemon: RunningDaemon) -> None:
    paint("pictures", home=daemon.home)
    folder = Path(os.environ["LATENTLAYERS_SCREENSHOTS"])
    for name in ("embedding", "dialog", "morph", "strip"):
        screen = Image.open(folder / f"{name}.png").convert("RGB")
        screen.thumbnail((WIDTH, WIDTH))
        screen.save(folder / f"krita-{name}.jpg", quality=78, optimize=True)
