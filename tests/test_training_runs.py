"""Whole runs of training, with networks and pictures small enough to take seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from latentlayers.errors import CorruptCheckpoint, NotFound
from latentlayers.generators import StyleGAN2
from latentlayers.generators.discriminator import Discriminator
from latentlayers.generators.ops import fir_kernel, upsample2d
from latentlayers.training.flat import flatten_parameters
from latentlayers.training.growth import open_discriminator_stem, open_generator_side
from latentlayers.training.loop import train
from latentlayers.training.settings import TrainSettings
from latentlayers.training.shared import RunPlan
from latentlayers.training.state import STATE_FILE, load_state, save_state, seed_state
from safetensors.torch import save_file
from training_samples import CPU, GENERATOR, JUDGE, QUICK, SIDE, random_images, run, small_state, write_data

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_run_leaves_a_state_a_grid_and_a_log_and_resumes_from_them(tmp_path: Path) -> None:
    state = small_state()
    before = flatten_parameters(state.generator).clone()
    run(state, tmp_path, 0.02)
    resumed = load_state(tmp_path, CPU)
    assert resumed.counters == state.counters
    assert resumed.counters.images == 24
    for name in ("generator", "average", "discriminator"):
        for key, value in getattr(state, name).state_dict().items():
            assert torch.equal(value, getattr(resumed, name).state_dict()[key]), key
    assert torch.equal(resumed.generator_moment, state.generator_moment)
    assert not torch.equal(before, flatten_parameters(resumed.generator))
    run(resumed, tmp_path, 0.04)
    assert load_state(tmp_path, CPU).counters.images == 44
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["000000.png"]


def test_two_processes_train_one_set_of_networks(tmp_path: Path) -> None:
    state = small_state()
    before = flatten_parameters(state.generator).clone(), flatten_parameters(state.discriminator).clone()
    run(state, tmp_path, 0.02, processes=2)
    resumed = load_state(tmp_path, CPU)
    assert resumed.counters.images == 24
    for module, old in ((resumed.generator, before[0]), (resumed.discriminator, before[1])):
        changed = flatten_parameters(module) != old
        for half in torch.tensor_split(changed, 2):  # each process has updated its own
            assert half.any()
        assert flatten_parameters(module).isfinite().all()


def test_a_run_grows_to_the_full_side(tmp_path: Path) -> None:
    state = small_state()
    run(state, tmp_path, 0.024, config=TrainSettings(batch=4, warmup_steps=1, grow_kimg=(0.012,)))
    assert state.counters.images == 28
    assert flatten_parameters(state.generator).isfinite().all()


def test_a_silenced_run_leaves_every_pixel_to_w(tmp_path: Path) -> None:
    state = small_state()
    for parameter in (p for name, p in state.generator.named_parameters() if name.endswith("noise_strength")):
        torch.nn.init.constant_(parameter, 0.5)
    ws = state.generator.map(torch.randn(2, 8)).detach()
    assert not torch.equal(state.generator.synthesize(ws, noise="random"), state.generator.synthesize(ws, noise="none"))
    state.silence()
    run(state, tmp_path, 0.02, config=replace(QUICK, noise=False))
    for generator in (state.generator, state.average):
        assert torch.equal(generator.synthesize(ws, noise="random"), generator.synthesize(ws, noise="none"))


def test_a_batch_that_the_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    plan = RunPlan(tmp_path, minutes=1, processes=3)
    with pytest.raises(ValueError, match="processes"):
        train(small_state(), QUICK, plan, random_images(8), np.full(8, 1 / 8))


def test_opening_a_side_leaves_the_picture_as_the_coarser_one_enlarged() -> None:
    generator = StyleGAN2(GENERATOR)
    open_generator_side(generator, SIDE)
    ws = generator.map(torch.randn(2, 8))
    coarse = generator.synthesize(ws, resolution=SIDE // 2)
    torch.testing.assert_close(generator.synthesize(ws), upsample2d(coarse, fir_kernel((1, 3, 3, 1))))


def test_an_opened_stem_sees_what_the_coarser_input_layer_saw() -> None:
    judge = Discriminator(JUDGE)
    with torch.no_grad():
        judge.stem.weight.zero_()  # leave out the noise
    open_discriminator_stem(judge)
    images = torch.rand(4, 3, SIDE, SIDE) * 2 - 1
    torch.testing.assert_close(judge(images), judge(F.avg_pool2d(images, 2)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("damage", [lambda data: data[:-100], lambda data: data[:40], lambda data: b"\0" * 64])
def test_a_damaged_state_is_named_as_such(tmp_path: Path, damage: object) -> None:
    path = save_state(small_state(), QUICK, tmp_path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(CorruptCheckpoint) as caught:
        load_state(tmp_path, CPU)
    assert caught.value.reason == "FILE_CORRUPT"


def test_a_folder_without_a_run_is_named_as_such(tmp_path: Path) -> None:
    for opener in (load_state, seed_state):
        with pytest.raises(NotFound):
            opener(tmp_path, CPU)


def test_a_seed_gives_both_networks_their_weights(tmp_path: Path) -> None:
    state = small_state(seed=3)
    averaged = {k: v for k, v in state.average.state_dict().items() if not k.endswith("resample_filter")}
    save_file(averaged, tmp_path / "G_ema_16.safetensors")
    save_file(state.discriminator.state_dict(), tmp_path / "D_16.safetensors")
    sizes = {
        "resolution": SIDE,
        "z_dim": 8,
        "w_dim": 8,
        "mapping_layers": 2,
        "channels": {"4": 8, "8": 8, "16": 8},
        "d_channels": {"4": 8, "8": 8},
    }
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    with pytest.raises(CorruptCheckpoint):  # the head is wider than this discriminator's
        seed_state(tmp_path, CPU)
    (tmp_path / "config.json").write_text(json.dumps(sizes | {"d_head_features": 8}))
    seeded = seed_state(tmp_path, CPU)
    assert torch.equal(flatten_parameters(seeded.generator), flatten_parameters(state.average))
    assert torch.equal(flatten_parameters(seeded.discriminator), flatten_parameters(state.discriminator))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "latentlayers.training", *map(str, arguments)]


def environment() -> dict[str, str]:
    daemon = str(Path(__file__).parents[1] / "daemon")
    return {**os.environ, "PYTHONPATH": daemon, "OMP_NUM_THREADS": "1"}


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")
def test_a_run_killed_at_any_moment_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    archive, table = write_data(tmp_path, [{}] * 8)
    out = tmp_path / "run"
    options = ["--data", archive, "--metadata", table, "--out", out, "--resolution", SIDE, "--width", 8, "--fp32"]
    options += ["--batch", 4, "--processes", 2, "--checkpoint-minutes", 0.001]
    process = subprocess.Popen(command("train", *options), env=environment(), start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not (out / STATE_FILE).exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    images = load_state(out, CPU).counters.images
    assert images > 0
    again = subprocess.run(command("train", *options), env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 3
    assert "RUN_EXISTS" in again.stderr
    kimg = (images + 40) / 1000
    subprocess.run(command("train", *options, "--resume", "--kimg", kimg), env=environment(), check=True)
    assert load_state(out, CPU).counters.images >= images + 40
