"""A portrait is edited in real Krita against the real daemon; every picture is what the command line makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_process import runner
from latentlayers.v1.embedding_service_pb2 import ListEmbeddingsRequest
from needs_krita import KRITA, Paint
from numpy.typing import NDArray
from PIL import Image
from plugin_process import QUICK_WORKER
from running_daemon import RunningDaemon, StartDaemon

pytestmark = KRITA

# Krita blends with 8 bits, and the plugin sends only the part around the face.
MOST_DIFFERENT = 3


def pixels(path: Path) -> NDArray[np.int16]:
    return np.asarray(Image.open(path).convert("RGB"), np.int16)


@pytest.fixture
def compare(
    quick_daemon: RunningDaemon, portraits: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """`compare("embed.png", "embed", "eileen", paste="replace")`: a picture of the scenario with a command's."""
    cli = runner(capsys, quick_daemon.address)

    def run(name: str, *words: str, paste: str = "residual", made: str = "cli.png") -> None:
        framed = [f"--frame={','.join(map(str, portraits[word + '_frame']))}" for word in words if word in portraits]
        command = [portraits.get(word, word) for word in words]
        done = cli(*command, *framed, "--paste", paste, "-o", tmp_path / made.partition("/")[0])
        assert done.code == 0, done.err
        ours, theirs = pixels(tmp_path / name), pixels(tmp_path / made)
        assert np.abs(ours - theirs).max() <= MOST_DIFFERENT, name
        assert np.abs(theirs - pixels(portraits["eileen"])).max() > 5 * MOST_DIFFERENT, f"{name} shows no edit"

    return run


def test_edits_are_those_of_the_command_line_and_go_on_elsewhere_from_the_saved_file(
    paint: Paint, compare: Callable[..., None], start_daemon: StartDaemon, portraits: dict[str, Any], tmp_path: Path
) -> None:
    said = paint("editing")
    assert said["undo"] == ["Grace (embedded)", "Grace", "Eileen"]
    assert said["strip"] == [["smile -1", False], ["smile +0", True], ["smile +1", False]]
    assert said["history"] == ["direction", "render", "expression", "crossover", "morph", "embed", "embed"]
    np.testing.assert_array_equal(pixels(tmp_path / "embed-again.png"), pixels(tmp_path / "embed.png"))
    np.testing.assert_array_equal(pixels(tmp_path / "direction.png"), pixels(portraits["eileen"]))  # a strength of 0

    compare("embed.png", "embed", "eileen", paste="replace")
    compare("render.png", "render", "eileen", paste="replace")
    compare("morph.png", "morph", "eileen", "grace", "--weights", "0.5", made="morph/morph-00.png")
    compare("crossover.png", "crossover", "eileen", "grace", "--rows", "fine")
    compare("expression.png", "expression", "eileen", "grace", "eileen")

    elsewhere = start_daemon(worker_command=QUICK_WORKER)
    said = paint("reopened", home=elsewhere.home)
    assert "embedding" not in said["phases"]
    assert said["history"] == 8
    assert not elsewhere.embeddings.ListEmbeddings(ListEmbeddingsRequest()).embeddings
    compare("smile.png", "direction", "eileen", "smile")


def test_a_strip_becomes_the_frames_of_an_animation_from_the_current_time_on(paint: Paint) -> None:
    # Krita begins every animated layer with a frame at 0, which is blank here.
    assert paint("animation") == {"state": "done", "same": True, "keyframes": [0, 3, 4, 5, 6]}
