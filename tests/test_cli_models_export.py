"""`latentlayers models export`, in every layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cli_process import Run, files, runner
from latentlayers.checkpoints import load_checkpoint
from latentlayers.library import ModelStore
from running_daemon import RunningDaemon
from shipped import MODEL


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], daemon: RunningDaemon) -> Callable[..., Run]:
    return runner(capsys, daemon.address)


@pytest.mark.parametrize(
    ("file", "options", "source_format"),
    [
        ("g.pt", [], "rosinality"),
        ("g.pth", [], "rosinality"),
        ("g.bin", ["--format", "rosinality"], "rosinality"),
        ("g.safetensors", ["--format", "nvidia"], "nvidia-names"),
    ],
)
def test_an_exported_model_draws_what_the_model_draws(
    run: Callable[..., Run], daemon: RunningDaemon, file: str, options: list[str], source_format: str, tmp_path: Path
) -> None:
    target = tmp_path / "new" / file
    document = run("models", "export", MODEL, "-o", target, *options, "--json").document
    assert document["format"] == source_format.partition("-")[0]
    assert document["bytes"] == target.stat().st_size
    assert files(tmp_path / "new") == [file]
    entry = ModelStore(daemon.paths).get(MODEL)
    original, _ = load_checkpoint(entry.path)
    again, header = load_checkpoint(target)
    assert header.source_format == source_format
    ws = original.map(torch.randn(1, original.z_dim))
    torch.testing.assert_close(again.synthesize(ws), original.synthesize(ws), rtol=0, atol=1e-5)


def test_the_model_itself_is_never_overwritten(run: Callable[..., Run], daemon: RunningDaemon) -> None:
    path = ModelStore(daemon.paths).get(MODEL).path
    before = path.stat()
    refused = run("models", "export", MODEL, "-o", path, "--format", "nvidia", "--json")
    assert (refused.code, refused.error["reason"]) == (3, "OUTPUT_IS_INPUT")
    assert path.stat() == before


def test_an_unknown_format_is_bad_usage(run: Callable[..., Run], tmp_path: Path) -> None:
    assert run("models", "export", MODEL, "-o", tmp_path / "g.onnx", "--format", "onnx").code == 2


def test_a_name_that_tells_no_layout_is_bad_usage(run: Callable[..., Run], tmp_path: Path) -> None:
    refused = run("models", "export", MODEL, "-o", tmp_path / "g.pkl")
    assert refused.code == 2
    assert "--format" in refused.err
    assert not files(tmp_path)
