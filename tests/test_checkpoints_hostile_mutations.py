"""Valid files, damaged at random and cut short: each becomes a model that works, or a typed refusal."""

from __future__ import annotations

import functools
import os
import random
import tempfile
import threading
from pathlib import Path

import psutil
import pytest
import torch
from checkpoint_files import (
    REFERENCES,
    nvidia_tree,
    reference_file,
    rosinality_state,
    small_config,
    small_generator,
    tf_network,
    tf_pickle,
    write_nvidia,
)
from hostile_files import Refusal, saved
from latentlayers.checkpoints import ModelHeader, load_generator, save_generator
from mutations import mutant

BATCHES, BATCH = 25, 400
FINEST = {"resolution": 8, "channels": {4: 3, 8: 2}, "z_dim": 4, "w_dim": 4}


@functools.cache
def valid_files() -> list[bytes]:
    """Files of every format, as small as they can be."""
    generator = small_generator(**FINEST)
    header = ModelHeader(name="small", family=generator.family, config=small_config(**FINEST).to_json())
    files = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for half in (False, True):
            save_generator(folder / "native", generator, header, half=half)
            files.append((folder / "native").read_bytes())
        for protocol in (2, 4):
            write_nvidia(folder / "nvidia", nvidia_tree(generator), protocol=protocol)
            files.append((folder / "nvidia").read_bytes())
        tf_pickle(folder / "tensorflow", tf_network(reference_file("sg2tf_16")))
        files.append((folder / "tensorflow").read_bytes())
    for zipped in (True, False):
        files.append(saved({"g_ema": rosinality_state(generator), "latent_avg": torch.zeros(4)}, zipped=zipped))
    return files


def read(data: bytes, folder: Path) -> str:
    """ "" if `data` ends in a model whose pictures are finite, else the refusal's reason."""
    (folder / "mutant").write_bytes(data)
    try:
        generator = load_generator(folder / "mutant")
    except Refusal as refusal:
        return refusal.reason if refusal.remedy and str(refusal).isprintable() else str(refusal)
    labels = torch.ones(1, generator.c_dim) if generator.c_dim else None
    with torch.no_grad():
        image = generator.synthesize(generator.map(torch.ones(1, generator.z_dim), labels), noise="const")
    assert bool(torch.isfinite(image).all())
    return ""


def open_things() -> tuple[int, int]:
    """How many files and threads this process has."""
    return psutil.Process().num_fds() if os.name == "posix" else 0, threading.active_count()


def test_the_files_are_valid_before_they_are_damaged(tmp_path):
    assert [read(data, tmp_path) for data in valid_files()] == [""] * len(valid_files())


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_damage_ends_in_a_working_model_or_a_typed_refusal(batch, tmp_path):
    before = open_things()
    for number in range(BATCH):
        seed = f"mutant {batch} {number}"
        kind, data = mutant(random.Random(seed), valid_files())
        try:
            reason = read(data, tmp_path)
        except Exception as error:
            raise AssertionError(f"seed {seed!r} ({kind}) ends in {type(error).__name__}: {error}") from error
        assert reason in ("", "FILE_CORRUPT", "FORMAT_UNSUPPORTED"), seed
    assert open_things() == before


@pytest.mark.parametrize("name", REFERENCES)
def test_a_file_cut_at_any_sixty_fourth_is_refused(name, tmp_path):
    data = reference_file(name).read_bytes()
    assert {read(data[: len(data) * part // 64], tmp_path) for part in range(64)} <= {
        "FILE_CORRUPT",
        "FORMAT_UNSUPPORTED",
    }
