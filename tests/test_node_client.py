"""The API from another language: the Node example of docs/api.md against a running daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "node"
PHOTOS = ROOT / "daemon" / "latentlayers" / "demo" / "photos"


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's folder with its packages installed; skips where Node is missing, unless it is required."""
    required = os.environ.get("LATENTLAYERS_REQUIRE_NODE") == "1"
    if not (shutil.which("node") and shutil.which("npm")):
        if required:
            pytest.fail("Node is required here but not installed")
        pytest.skip("Node is not installed")
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    npm = shutil.which("npm")
    assert npm
    install = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, timeout=240
    )
    if install.returncode != 0:
        if required:
            pytest.fail(f"npm install failed: {install.stderr}")
        pytest.skip("npm could not install the example's packages (no network?)")
    return folder


def test_a_node_client_embeds_watches_cancels_morphs_and_reads_a_typed_error(
    example: Path, daemon_address: str, tmp_path: Path
) -> None:
    photos = sorted(PHOTOS.glob("*.jpg"))[:2]
    run = subprocess.run(
        ["node", "client.mjs", daemon_address, str(ROOT / "protos"), *map(str, photos), str(tmp_path)],
        cwd=example,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    said = {line["did"]: line for line in map(json.loads, run.stdout.splitlines())}
    assert said["embed"]["id"]
    assert said["embed"]["psnr"] > 10
    assert said["embed"]["updates"] >= 2
    assert 0 < said["embed"]["lastStep"] <= said["embed"]["steps"]
    assert said["cancel"]["code"] == "CANCELLED"
    assert said["morph"]["frames"] == 5
    assert len(list(tmp_path.glob("morph-*.png"))) == 5
    assert said["error"]["code"] == "INVALID_ARGUMENT"
    assert said["error"]["reason"] == "IMAGE_UNREADABLE"
    assert said["error"]["remedy"]
