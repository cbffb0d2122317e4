"""Training, through its own doors, with networks and pictures small enough to take seconds."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints import load_generator
from latentlayers.errors import CorruptCheckpoint, InvalidInput, NotFound
from latentlayers.generators import StyleGAN2, StyleGAN2Config
from latentlayers.generators.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    DiscriminatorTrunk,
    minibatch_std,
)
from latentlayers.generators.ops import fir_kernel, upsample2d
from latentlayers.inversion.features import load_features
from latentlayers.training.augment import augment
from latentlayers.training.data import (
    MAX_OVERSAMPLING,
    Portraits,
    Sampler,
    is_clean_photograph,
    load_portraits,
    sampling_weights,
)
from latentlayers.training.directions import learn_direction, steer
from latentlayers.training.embed import embed, psnr
from latentlayers.training.export import (
    DIRECTIONS_FILE,
    FEATURES_FILE,
    GENERATOR_FILE,
    export_model,
    save_directions,
    trunk_of,
)
from latentlayers.training.flat import adam_step, flatten_parameters
from latentlayers.training.grids import draw_samples, measure_w_avg, tile
from latentlayers.training.growth import open_discriminator_stem, open_generator_side
from latentlayers.training.loop import train
from latentlayers.training.probe import Probe, choose_examples, fit_probe, held_out_evidence, lower_face
from latentlayers.training.report import Yardstick, frechet_distance, nearest, report
from latentlayers.training.settings import TrainSettings
from latentlayers.training.shared import RunPlan
from latentlayers.training.state import STATE_FILE, TrainState, load_state, new_state, save_state, seed_state
from latentlayers.training.step import accumulate_gradients, mixed_latents
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

CPU = torch.device("cpu")
SIDE = 16
GENERATOR = StyleGAN2Config(SIDE, 8, 8, {4: 8, 8: 8, 16: 8}, mapping_layers=2)
JUDGE = DiscriminatorConfig(SIDE, {4: 8, 8: 8}, head_features=8)
QUICK = TrainSettings(batch=4, warmup_steps=1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def small_state(seed: int = 0) -> TrainState:
    return new_state(GENERATOR, JUDGE, seed, CPU)


def random_images(count: int, side: int = SIDE) -> Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)


def run(state: TrainState, folder: Path, kimg: float, *, processes: int = 1, config: TrainSettings = QUICK) -> None:
    images = random_images(8)
    plan = RunPlan(folder, minutes=5, max_kimg=kimg, processes=processes, dtype=torch.float32)
    train(state, config, plan, images, np.full(8, 1 / 8), show=lambda line: None)


def png(value: int, side: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (value, value // 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def write_data(folder: Path, rows: list[dict[str, str]], side: int = 32) -> tuple[Path, Path]:
    defaults = {
        "medium": "photo",
        "tonal_score": "",
        "yaw_jaw": "0.0",
        "outside_frac": "0.0",
        "quality": "0.9",
        "kind": "colour",
        "male_prob": "0.9",
        "happy": "0.0",
        "neutral": "0.0",
    }
    with zipfile.ZipFile(folder / "data.zip", "w") as archive, (folder / "data.csv").open("w", newline="") as table:
        writer = csv.DictWriter(table, ["file", *defaults])
        writer.writeheader()
        for i, row in enumerate(rows):
            archive.writestr(f"{i}.png", png(i * 7 % 256, side))
            writer.writerow({"file": f"{i}.png", **defaults, **row})
    return folder / "data.zip", folder / "data.csv"


# ---- discriminator ----


def test_the_trunk_alone_computes_what_the_discriminator_s_trunk_does() -> None:
    judge = Discriminator(JUDGE)
    trunk = DiscriminatorTrunk(JUDGE)
    trunk.load_trunk(judge.state_dict())
    images = torch.rand(2, 3, SIDE, SIDE)
    taps = trunk.features(images)
    assert [tuple(tap.shape) for tap in taps] == [(2, 8, 8, 8), (2, 8, 4, 4)]
    for ours, theirs in zip(taps, judge.features(images), strict=True):
        assert torch.equal(ours, theirs)


def test_the_discriminator_judges_every_side_down_to_8_px() -> None:
    judge = Discriminator(DiscriminatorConfig(32, {4: 8, 8: 8, 16: 8}))
    for side in (32, 16, 8):
        assert judge(torch.rand(4, 3, side, side)).shape == (4, 1)


@pytest.mark.parametrize("resolution", [8, 24])
def test_a_discriminator_of_an_impossible_side_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        DiscriminatorConfig(resolution, {4: 8})


def test_a_discriminator_config_survives_json() -> None:
    assert DiscriminatorConfig.from_json(json.loads(json.dumps(JUDGE.to_json()))) == JUDGE


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([1, 3, 4, 8]), st.integers(0, 1000))
def test_the_batch_statistic_keeps_its_value_and_summed_gradient_when_each_sample_pays_for_itself(
    count: int, seed: int
) -> None:
    values = torch.randn(count, 3, 2, 2, generator=torch.Generator().manual_seed(seed))
    outputs, slopes = [], []
    for own in (False, True):
        x = values.clone().requires_grad_(True)
        y = minibatch_std(x, own_gradient=own)
        outputs.append(y)
        slopes.append(torch.autograd.grad(y[:, -1].sum(), x)[0])
    assert torch.equal(*outputs)
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-5)


def test_with_own_gradients_no_sample_reaches_another() -> None:
    x = torch.randn(8, 3, 2, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(minibatch_std(x, own_gradient=True)[3, -1].sum(), x)
    reached = slope.abs().sum(dim=(1, 2, 3)) > 0
    assert reached.tolist() == [i == 3 for i in range(8)]


# ---- step ----


def test_one_pass_over_a_fake_gives_the_generator_the_gradient_of_its_own_loss() -> None:
    state = small_state()
    torch.manual_seed(5)
    ws = mixed_latents(state.generator, 1, QUICK.style_mixing, CPU)
    fake = state.generator.synthesize(ws, noise="random")
    loss = F.softplus(-state.discriminator(fake)).sum() / QUICK.batch
    wanted = torch.autograd.grad(loss, list(state.generator.parameters()))
    torch.manual_seed(5)
    reals = torch.rand(1, 3, SIDE, SIDE)
    torch.manual_seed(5)
    accumulate_gradients(
        state.generator,
        state.discriminator,
        reals,
        QUICK,
        augment_probability=0.0,
        penalise=False,
        dtype=torch.float32,
    )
    for parameter, slope in zip(state.generator.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, slope, rtol=1e-3, atol=1e-6)


def test_the_penalty_is_measured_only_where_it_is_applied() -> None:
    state = small_state()
    for penalise in (False, True):
        stats = accumulate_gradients(
            state.generator,
            state.discriminator,
            torch.rand(4, 3, SIDE, SIDE),
            QUICK,
            augment_probability=0.5,
            penalise=penalise,
            dtype=torch.float32,
        )
        assert (stats.penalty is not None) == penalise


def test_mixed_latents_change_from_one_w_to_another_at_most_once() -> None:
    ws = mixed_latents(small_state().generator, 64, 1.0, CPU)
    changes = (ws[:, 1:] != ws[:, :-1]).any(dim=2).sum(dim=1)
    assert (changes == 1).all()
    unmixed = mixed_latents(small_state().generator, 64, 0.0, CPU)
    assert torch.equal(unmixed, unmixed[:, :1].expand_as(unmixed))


def test_adam_without_momentum_agrees_with_torch() -> None:
    start = torch.randn(50)
    theirs = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([theirs], lr=0.01, betas=(0.0, 0.99))
    ours, moment = start.clone(), torch.zeros(50)
    for step in range(5):
        slope = torch.randn(50)
        theirs.grad = slope.clone()
        optimiser.step()
        adam_step(ours, slope.clone(), moment, rate=0.01, beta2=0.99, steps=step)
    torch.testing.assert_close(ours, theirs.detach())


def test_a_gradient_that_is_not_finite_leaves_the_parameters_finite() -> None:
    parameters, moment = torch.zeros(3), torch.zeros(3)
    slope = torch.tensor([float("nan"), float("inf"), 1.0])
    adam_step(parameters, slope, moment, rate=0.1, beta2=0.99, steps=0)
    assert parameters.isfinite().all()
    assert parameters[0] == 0


# ---- augmentation and settings ----


def test_augmentation_of_probability_0_changes_nothing() -> None:
    images = torch.rand(4, 3, 8, 8)
    assert augment(images, 0.0) is images


@settings(deadline=None, max_examples=10)
@given(st.floats(0.05, 0.4))
def test_augmentation_leaves_pictures_alone_as_often_as_its_probability_says(probability: float) -> None:
    images = torch.rand(2000, 3, 4, 4) * 2 - 1
    result = augment(images, probability)
    assert result.isfinite().all()
    untouched = ((result - images).abs().amax(dim=(1, 2, 3)) < 1e-4).float().mean()
    assert untouched == pytest.approx((1 - probability) ** 7, abs=0.06)  # seven independent transformations


def test_augmentation_lets_gradients_through() -> None:
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    (slope,) = torch.autograd.grad(augment(images, 1.0).sum(), images)
    assert slope.isfinite().all()
    assert slope.abs().sum() > 0


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.floats(0, 1))
def test_learning_rates_only_fall_and_the_discriminator_s_falls_less(first: float, second: float) -> None:
    config = TrainSettings()
    early, late = config.rates_at(min(first, second), 1000), config.rates_at(max(first, second), 1000)
    assert late[0] <= early[0]
    assert late[1] <= early[1]
    assert late[1] / config.discriminator_rate >= late[0] / config.generator_rate
    assert config.rates_at(0.0, 1000) == (config.generator_rate, config.discriminator_rate)


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 0.7), st.floats(-1, 1))
def test_augmentation_moves_towards_its_target_and_stays_in_bounds(probability: float, sign: float) -> None:
    config = TrainSettings()
    moved = config.next_augment(probability, sign)
    assert 0 <= moved <= config.ada_max
    if sign > config.ada_target:
        assert moved >= probability
    if sign < config.ada_target:
        assert moved <= probability


def test_settings_survive_json() -> None:
    config = TrainSettings(grow_kimg=(60, 260), balance=0.3)
    assert TrainSettings.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_growing_run_doubles_its_side_at_the_given_counts() -> None:
    config = TrainSettings(grow_kimg=(60, 260))
    assert [config.side_at(images, 64) for images in (0, 59_999, 60_000, 259_999, 260_000)] == [16, 16, 32, 32, 64]


# ---- data ----


def test_only_clean_photographs_are_taken_and_resized(tmp_path: Path) -> None:
    rows = [{}, {"medium": "painting"}, {"yaw_jaw": "-0.44"}, {"outside_frac": "0.12"}, {"tonal_score": "0.55"}, {}]
    archive, table = write_data(tmp_path, rows)
    portraits = load_portraits(archive, table, SIDE, is_clean_photograph)
    assert [row["file"] for row in portraits.rows] == ["0.png", "5.png"]
    assert portraits.images.shape == (2, 3, SIDE, SIDE)
    assert portraits.images[1, :, 0, 0].tolist() == [35, 17, 0]


def test_without_metadata_every_picture_counts_and_colour_is_seen_in_the_pixels(tmp_path: Path) -> None:
    archive, _ = write_data(tmp_path, [{}] * 5)
    portraits = load_portraits(archive, None, SIDE)
    assert len(portraits) == 5
    assert portraits.is_colour.tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"GIF89a"])
def test_an_archive_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        load_portraits(tmp_path / "data.zip", None, SIDE)
    assert caught.value.reason == "IMAGE_UNREADABLE"


def test_an_archive_with_a_broken_picture_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("a.png", png(9)[:60])
    with pytest.raises(InvalidInput) as caught:
        load_portraits(tmp_path / "data.zip", None, SIDE)
    assert caught.value.reason == "IMAGE_UNREADABLE"


def test_a_filter_that_leaves_nothing_is_an_error(tmp_path: Path) -> None:
    archive, table = write_data(tmp_path, [{}])
    with pytest.raises(InvalidInput) as caught:
        load_portraits(archive, table, SIDE, lambda row: False)
    assert caught.value.reason == "IMAGE_EMPTY"


def labelled(colour_men: int, colour_women: int, mono_men: int, mono_women: int) -> Portraits:
    counts = {
        ("colour", "0.9"): colour_men,
        ("colour", "0.1"): colour_women,
        ("mono", "0.9"): mono_men,
        ("mono", "0.1"): mono_women,
    }
    rows = [{"kind": kind, "male_prob": male} for (kind, male), n in counts.items() for _ in range(n)]
    return Portraits(torch.zeros(len(rows), 3, 1, 1, dtype=torch.uint8), rows)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 200), min_size=4, max_size=4), st.floats(0, 1))
def test_rare_groups_are_drawn_more_often_but_never_too_often(counts: list[int], balance: float) -> None:
    weights = sampling_weights(labelled(*counts), balance)
    assert weights.sum() == pytest.approx(1)
    assert weights.max() / weights.min() <= max(counts) / min(counts) + 1e-6
    assert weights.max() <= MAX_OVERSAMPLING * weights.min() * len(weights)
    by_group = dict(zip(counts, np.split(weights, np.cumsum(counts)[:-1]), strict=False))
    rarest, commonest = by_group[min(counts)][0], by_group[max(counts)][0]
    assert rarest >= commonest - 1e-12


def test_balance_0_draws_uniformly() -> None:
    weights = sampling_weights(labelled(10, 2, 30, 1), 0.0)
    np.testing.assert_allclose(weights, 1 / 43)


def test_the_sampler_follows_the_weights_and_mirrors_half() -> None:
    images = torch.zeros(2, 3, 1, 2, dtype=torch.uint8)
    images[1, :, :, 0] = 255
    batch = Sampler(images, np.array([0.25, 0.75]), (1,)).draw(4000, CPU)
    assert (batch.amax(dim=(1, 2, 3)) == 1).float().mean() == pytest.approx(0.75, abs=0.03)
    assert (batch[:, 0, 0, 1] == 1).float().mean() == pytest.approx(0.375, abs=0.03)


# ---- runs ----


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


# ---- what comes after training ----


def test_an_exported_model_draws_what_the_run_s_average_draws(tmp_path: Path) -> None:
    state = small_state()
    state.average.w_avg.copy_(measure_w_avg(state.average, 500))
    export_model(state, tmp_path, name="tiny", licence="Apache-2.0", provenance="a test")
    loaded = load_generator(tmp_path / GENERATOR_FILE)
    z = torch.randn(2, 8)
    ours = loaded.synthesize(loaded.map(z, truncation=0.7))
    theirs = state.average.synthesize(state.average.map(z, truncation=0.7))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.02)  # half precision storage
    images = torch.rand(2, 3, SIDE, SIDE) * 2 - 1
    taps = load_features(tmp_path / FEATURES_FILE)(images)
    for kept, made in zip(taps, trunk_of(state).features(images), strict=True):
        torch.testing.assert_close(kept, made, rtol=0, atol=0.02)


def labelled_features(signal: float) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """[400, 600]: features 0 to 29 carry the label, feature 30 the colour; positives go with colour."""
    random = np.random.default_rng(0)
    colour = np.arange(400) % 2 == 0
    positive = random.random(400) < np.where(colour, 0.8, 0.2)
    features = torch.randn(400, 600, generator=torch.Generator().manual_seed(1))
    features[:, :30] += signal * torch.from_numpy(positive).float()[:, None]
    features[:, 30] += 20 * torch.from_numpy(colour).float()
    return features, positive, colour


def test_a_probe_reads_the_label_and_not_the_colour_that_goes_with_it() -> None:
    features, positive, colour = labelled_features(2.0)
    probe = fit_probe(features, positive, colour)
    label, colouring = 2 * float(probe.weight[:30].sum()), 20 * float(probe.weight[30])
    assert label > 4 * abs(colouring)
    assert ((probe.centred(features, colour) > 0) == positive).all()
    for group in held_out_evidence(features, positive, colour).values():
        assert group["auc"] > 0.95
        assert group["positive"] + group["negative"] == 200


def test_a_probe_of_noise_admits_it() -> None:
    for group in held_out_evidence(*labelled_features(0.0)).values():
        assert group["auc"] < 0.65


def portraits_with_expressions(count: int) -> Portraits:
    """Half of each group smile: their lower half is darker."""
    images = torch.randint(100, 156, (4 * count, 3, SIDE, SIDE), dtype=torch.uint8)
    rows = []
    for i in range(4 * count):
        happy, colour = i % 2 == 0, i % 4 < 2
        images[i, :, SIDE // 2 :, SIDE // 2 :] -= 60 * happy
        rows.append(
            {"kind": "colour" if colour else "mono", "happy": str(0.95 * happy), "neutral": str(0.95 * (not happy))}
        )
    return Portraits(images, rows)


def test_only_portraits_of_certain_expression_are_examples_and_too_few_are_refused() -> None:
    portraits = portraits_with_expressions(6)
    portraits.rows[0]["happy"] = "0.6"
    examples = choose_examples(portraits, "happy", "neutral")
    assert examples.index.tolist() == list(range(1, 24))
    assert examples.positive.sum() == 11
    with pytest.raises(InvalidInput):
        choose_examples(portraits_with_expressions(4), "happy", "neutral")


def test_a_learnt_direction_raises_the_probe_s_score_and_is_saved(tmp_path: Path) -> None:
    state = small_state()
    portraits = portraits_with_expressions(10)
    learnt = learn_direction(state.average, trunk_of(state), portraits, "happy", "neutral", gain=0.2, steps=10)
    assert learnt.direction.shape == (state.average.num_ws, 8)
    assert learnt.evidence["effect_of_strength_1"]["rms_lower_face"] > 0
    save_directions({"smile": learnt}, tmp_path / DIRECTIONS_FILE)
    table = load_file(tmp_path / DIRECTIONS_FILE)
    assert list(table) == ["smile"]
    assert torch.equal(table["smile"], learnt.direction)
    with safe_open(tmp_path / DIRECTIONS_FILE, "pt") as file:
        assert json.loads(file.metadata()["evidence"])["smile"] == learnt.evidence


def test_steering_moves_unseen_samples_the_way_the_probe_points() -> None:
    state = small_state()
    generator, trunk = state.average, trunk_of(state)
    with torch.no_grad():
        count = lower_face(trunk, torch.zeros(1, 3, SIDE, SIDE)).shape[1]
    probe = Probe(torch.full([count], 1 / count), {True: 0.0, False: 0.0})
    direction = steer(generator, trunk, probe, gain=2.0, steps=30, dtype=torch.float32)
    with torch.no_grad():
        ws = generator.map(torch.randn(64, 8))
        before, after = (probe.score(lower_face(trunk, generator.synthesize(w))) for w in (ws, ws + direction))
    assert (after > before).all()


def test_embedding_recovers_a_picture_the_generator_drew() -> None:
    state = small_state()
    with torch.no_grad():
        target = state.average.synthesize(state.average.map(torch.randn(2, 8)))
        start = state.average.synthesize(state.average.w_avg.expand(2, state.average.num_ws, 8))
    ws = embed(state.average, trunk_of(state), target, steps=60)
    with torch.no_grad():
        gained = psnr(state.average.synthesize(ws), target) - psnr(start, target)
    assert (gained > 3).all()


def test_the_frechet_distance_of_a_shift_is_its_square() -> None:
    rows = torch.randn(500, 4)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(rows, rows + 2) == pytest.approx(16, rel=1e-6)


def test_a_copied_picture_is_found_even_if_mirrored() -> None:
    known = torch.rand(10, 3, 32, 32) * 2 - 1
    found = nearest(known[[4, 7]].flip(3), known, 32)
    assert found.index.tolist() == [4, 7]
    assert (found.distance < 0.1).all()


def test_a_report_holds_its_figures_and_sheets(tmp_path: Path) -> None:
    state = small_state()
    rows = [{"kind": "colour" if i % 2 else "mono"} for i in range(40)]
    portraits = Portraits(random_images(40), rows)
    yardstick = Yardstick(trunk_of(state), {"train": portraits.images.float() / 127.5 - 1})
    figures = report(
        state.average,
        trunk_of(state),
        yardstick,
        portraits,
        portraits,
        tmp_path,
        samples=40,
        reconstructions=4,
        steps=3,
    )
    assert figures["copying"]["32px"]["unseen"]["median"] == pytest.approx(0, abs=0.5)
    assert json.loads(json.dumps(figures)) == figures
    for name in ("samples-0.7.png", "samples-1.0.png", "nearest.png", "reconstruction.png"):
        assert (tmp_path / name).stat().st_size > 0


def test_samples_for_figures_are_the_same_every_time() -> None:
    generator = small_state().average
    assert torch.equal(draw_samples(generator, 8), draw_samples(generator, 8))


def test_a_tile_keeps_the_order_of_pictures_and_fills_up_with_black() -> None:
    images = torch.stack([torch.full((3, 2, 2), value) for value in (-1.0, 0.0, 1.0)])
    sheet = np.asarray(tile(images, columns=2, scale=1))
    assert sheet.shape == (4, 4, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((0, 0), (0, 2), (2, 0), (2, 2))] == [0, 128, 255, 0]


def test_the_exported_trunk_weighs_its_taps_equally_and_sees_the_same() -> None:
    state = small_state()
    with torch.no_grad():
        state.discriminator.b8.conv1.weight *= 30
    calibrated, samples = trunk_of(state), draw_samples(state.average, 128)
    for ours, theirs in zip(calibrated.features(samples), state.discriminator.features(samples), strict=True):
        assert float(ours.square().mean()) == pytest.approx(1, rel=1e-3)
        torch.testing.assert_close(ours / ours.std(), theirs / theirs.std(), rtol=1e-3, atol=1e-4)
