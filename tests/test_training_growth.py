"""Growing a larger run from a smaller one."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from latentlayers.errors import InvalidInput
from latentlayers.generators import StyleGAN2Config
from latentlayers.generators.discriminator import DiscriminatorConfig
from latentlayers.generators.ops import fir_kernel, upsample2d
from latentlayers.training.__main__ import app
from latentlayers.training.data import Sampler
from latentlayers.training.flat import flatten_parameters
from latentlayers.training.loop import train
from latentlayers.training.settings import TrainSettings
from latentlayers.training.shared import RunPlan
from latentlayers.training.state import TrainState, load_state, new_state, save_state
from latentlayers.training.widen import fit_entry, widened_state
from PIL import Image
from typer.testing import CliRunner

CPU = torch.device("cpu")
SMALL = StyleGAN2Config(16, 8, 8, {4: 8, 8: 8, 16: 6}, mapping_layers=3)
LARGE = StyleGAN2Config(32, 8, 12, {4: 12, 8: 10, 16: 8, 32: 4}, mapping_layers=3)
SMALL_JUDGE = DiscriminatorConfig(16, {4: 8, 8: 6}, head_features=8)
WIDE_JUDGE = DiscriminatorConfig(16, {4: 8, 8: 10}, head_features=12)
LARGE_JUDGE = DiscriminatorConfig(32, {4: 8, 8: 8, 16: 8}, head_features=12)


def trained_looking_state() -> TrainState:
    """A small run in which nothing has its initial value: biases, noise strengths and w_avg included."""
    state = new_state(SMALL, SMALL_JUDGE, 0, CPU)
    with torch.no_grad():
        for module in (state.average, state.discriminator):
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return state


def sampler(side: int) -> Sampler:
    coarse = torch.rand(8, 3, 8, 8) * 255
    images = F.interpolate(coarse, size=side, mode="bicubic").clamp(0, 255).byte()
    return Sampler(images, np.full(8, 1 / 8), (0,))


def test_a_grown_generator_draws_the_old_pictures_and_enlarges_them() -> None:
    small = trained_looking_state()
    state = widened_state(small, LARGE, LARGE_JUDGE, seed=1)
    assert state.generator.num_ws == small.generator.num_ws + 2
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    old = small.average.synthesize(small.average.map(z))
    enlarged = upsample2d(old, fir_kernel((1, 3, 3, 1)))
    for generator in (state.generator, state.average):
        ws = generator.map(z)
        torch.testing.assert_close(generator.synthesize(ws, resolution=16), old, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(generator.synthesize(ws), enlarged, atol=1e-4, rtol=1e-4)


def test_a_grown_generator_s_mean_is_the_old_one_s_in_the_old_dimensions() -> None:
    small = trained_looking_state()
    state = widened_state(small, LARGE, LARGE_JUDGE, seed=1)
    w = small.average.map(torch.randn(20_000, 8))[:, 0].mean(dim=0)
    torch.testing.assert_close(state.average.w_avg[:8], w, atol=0.02, rtol=0.05)


def test_with_a_wider_z_a_generator_draws_nearly_the_same() -> None:
    small = trained_looking_state()
    state = widened_state(small, replace(LARGE, z_dim=32), LARGE_JUDGE, seed=1)
    z = torch.randn(64, 32)
    z *= 32**0.5 / z.norm(dim=1, keepdim=True)
    old = z[:, :8] * (8**0.5 / z[:, :8].norm(dim=1, keepdim=True))
    ours = state.average.synthesize(state.average.map(z), resolution=16)
    theirs = small.average.synthesize(small.average.map(old))
    others = small.average.synthesize(small.average.map(torch.randn(64, 8)))
    assert (ours - theirs).square().mean() < 0.5 * (others - theirs).square().mean()


def test_fresh_channels_differ_from_each_other_and_are_reached_by_the_first_steps() -> None:
    state = widened_state(trained_looking_state(), LARGE, LARGE_JUDGE, seed=1)
    conv = state.generator.synthesis.block(8).conv1
    assert conv.weight[8].std() > 0.1
    assert not torch.equal(conv.weight[8], conv.weight[9])
    assert not conv.weight[:8, 8:].any()
    state.generator.synthesize(state.generator.map(torch.randn(2, 8)), resolution=16).square().sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad[:8, 8:].any()


def test_a_wider_discriminator_of_the_same_side_judges_as_the_old_one() -> None:
    small = trained_looking_state()
    state = widened_state(small, SMALL, WIDE_JUDGE, seed=1)
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(state.discriminator(images), small.discriminator(images), atol=1e-4, rtol=1e-4)
    assert fit_entry(small, state, sampler(16)) == 0


def test_a_discriminator_of_larger_side_learns_to_see_what_the_old_one_s_stem_saw() -> None:
    small = trained_looking_state()
    state = widened_state(small, LARGE, LARGE_JUDGE, seed=1)
    at_first = fit_entry(small, state, sampler(32), steps=1)
    below = flatten_parameters(state.discriminator.get_submodule("b8")).clone()
    assert fit_entry(small, state, sampler(32), steps=60, batch=8) < 0.3 * at_first
    assert torch.equal(flatten_parameters(state.discriminator.get_submodule("b8")), below)


@pytest.mark.parametrize(
    ("config", "judge"),
    [
        (StyleGAN2Config(32, 8, 12, {4: 6, 8: 10, 16: 8, 32: 4}, mapping_layers=3), LARGE_JUDGE),
        (StyleGAN2Config(32, 8, 12, LARGE.channels, mapping_layers=4), LARGE_JUDGE),
        (StyleGAN2Config(32, 4, 12, LARGE.channels, mapping_layers=3), LARGE_JUDGE),
        (LARGE, DiscriminatorConfig(32, {4: 12, 8: 8, 16: 8}, head_features=12)),
    ],
)
def test_sizes_that_the_old_networks_do_not_fit_into_are_refused(
    config: StyleGAN2Config, judge: DiscriminatorConfig
) -> None:
    with pytest.raises(InvalidInput, match="cannot grow"):
        widened_state(trained_looking_state(), config, judge, seed=1)


def test_a_grown_run_trains(tmp_path: Path) -> None:
    state = widened_state(trained_looking_state(), LARGE, LARGE_JUDGE, seed=1)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    plan = RunPlan(tmp_path, minutes=5, max_kimg=0.02, dtype=torch.float32)
    train(state, TrainSettings(batch=4, warmup_steps=1), plan, images, np.full(8, 1 / 8), show=lambda line: None)
    assert state.counters.images == 24
    assert flatten_parameters(state.generator).isfinite().all()


def test_the_command_starts_a_larger_run_from_a_smaller_one(tmp_path: Path) -> None:
    small = trained_looking_state()
    (tmp_path / "small").mkdir()
    save_state(small, TrainSettings(), tmp_path / "small")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for i in range(4):
            picture = io.BytesIO()
            Image.new("RGB", (32, 32), (40 * i, 90, 0)).save(picture, "PNG")
            archive.writestr(f"{i}.png", picture.getvalue())
    options = "--resolution 32 --width 12 --channels 12,10,8,4 --judge-channels 8,8,8 --kimg 0.002 --batch 2"
    paths = ["--data", tmp_path / "data.zip", "--grow-from", tmp_path / "small", "--out", tmp_path / "large"]
    result = CliRunner().invoke(app, ["train", *map(str, paths), *options.split()])
    assert result.exit_code == 0, result.output
    large = load_state(tmp_path / "large", CPU)
    assert large.generator.config == LARGE
    ws = large.average.map(torch.randn(2, 8))
    assert large.average.synthesize(ws).shape == (2, 3, 32, 32)
