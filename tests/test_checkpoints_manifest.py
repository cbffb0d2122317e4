"""The manifest of a published model: every file is the one that was published, or the model is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from latentlayers.checkpoints.manifest import MANIFEST, verify_manifest, write_manifest
from latentlayers.engine.models import ModelCache
from latentlayers.errors import CorruptCheckpoint
from latentlayers.library.models import DEFAULT_MODEL, ModelStore
from latentlayers.paths import Paths

SHIPPED = Path(str(files("latentlayers"))) / "models"


def test_the_shipped_model_is_the_one_that_was_published() -> None:
    folder = SHIPPED / DEFAULT_MODEL
    table = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert table["files"].keys() == {path.name for path in folder.glob("*.safetensors")}
    verify_manifest(folder)
    assert sum(entry["bytes"] for entry in table["files"].values()) < 40e6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("generator.safetensors", "features.safetensors"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    write_manifest(tmp_path, {"seed": 1})
    verify_manifest(tmp_path)
    return tmp_path


def flip_a_bit(folder: Path) -> None:
    path = folder / "features.safetensors"
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)


def cut_short(folder: Path) -> None:
    path = folder / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def remove(folder: Path) -> None:
    (folder / "features.safetensors").unlink()


def point_elsewhere(folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps({"files": {"../x": {"bytes": 1, "sha256": "0"}}}), encoding="utf-8")


def garble(folder: Path) -> None:
    (folder / MANIFEST).write_text("{", encoding="utf-8")


def empty(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"files": []}', encoding="utf-8")


def wrong(folder: Path) -> None:
    (folder / MANIFEST).write_text("[]", encoding="utf-8")


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, remove, point_elsewhere, garble, empty, wrong])
def test_damage_is_told(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    with pytest.raises(CorruptCheckpoint) as refusal:
        verify_manifest(folder)
    assert refusal.value.remedy


def test_a_manifest_that_is_written_again_has_the_new_files_and_keeps_what_was_known(folder: Path) -> None:
    (folder / "directions.safetensors").write_bytes(b"new")
    write_manifest(folder, {"directions": ["smile"]})
    verify_manifest(folder)
    table = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    assert len(table["files"]) == 3
    assert table["about"] == {"seed": 1, "directions": ["smile"]}


def test_without_a_manifest_nothing_is_compared(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    flip_a_bit(folder)
    verify_manifest(folder)


def test_a_damaged_model_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    shutil.copytree(SHIPPED / DEFAULT_MODEL, shipped / DEFAULT_MODEL)
    paths = Paths.under(tmp_path / "home")
    paths.ensure()
    cache = ModelCache(ModelStore(paths, shipped), torch.device("cpu"))
    assert cache.get(DEFAULT_MODEL).generator.resolution
    cache.unload_all()
    path = shipped / DEFAULT_MODEL / "directions.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptCheckpoint, match="published"):
        cache.get(DEFAULT_MODEL)
