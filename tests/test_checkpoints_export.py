"""Exported generators: exactly what the other projects' classes load strictly, and what our readers give back."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import equal_weights, reference_file, small_generator
from latentlayers.checkpoints import load_checkpoint, load_generator
from latentlayers.checkpoints.export import export_nvidia, export_rosinality
from latentlayers.checkpoints.families.stylegan3_design import design
from latentlayers.errors import PreconditionFailed, UnsupportedCheckpoint
from latentlayers.generators import StyleGAN2, StyleGAN3
from safetensors import safe_open
from safetensors.torch import load_file, save_file

# The state_dict of rosinality's Generator(8, 12, 2), narrowed to widths 8 and 6.
ROSINALITY = {
    "input.input": [1, 8, 4, 4],
    "style.1.weight": [12, 12],
    "style.1.bias": [12],
    "style.2.weight": [12, 12],
    "style.2.bias": [12],
    "conv1.conv.weight": [1, 8, 8, 3, 3],
    "conv1.conv.modulation.weight": [8, 12],
    "conv1.conv.modulation.bias": [8],
    "conv1.noise.weight": [1],
    "conv1.activate.bias": [8],
    "to_rgb1.conv.weight": [1, 3, 8, 1, 1],
    "to_rgb1.conv.modulation.weight": [8, 12],
    "to_rgb1.conv.modulation.bias": [8],
    "to_rgb1.bias": [1, 3, 1, 1],
    "convs.0.conv.weight": [1, 6, 8, 3, 3],
    "convs.0.conv.blur.kernel": [4, 4],
    "convs.0.conv.modulation.weight": [8, 12],
    "convs.0.conv.modulation.bias": [8],
    "convs.0.noise.weight": [1],
    "convs.0.activate.bias": [6],
    "convs.1.conv.weight": [1, 6, 6, 3, 3],
    "convs.1.conv.modulation.weight": [6, 12],
    "convs.1.conv.modulation.bias": [6],
    "convs.1.noise.weight": [1],
    "convs.1.activate.bias": [6],
    "to_rgbs.0.upsample.kernel": [4, 4],
    "to_rgbs.0.conv.weight": [1, 3, 6, 1, 1],
    "to_rgbs.0.conv.modulation.weight": [6, 12],
    "to_rgbs.0.conv.modulation.bias": [6],
    "to_rgbs.0.bias": [1, 3, 1, 1],
    "noises.noise_0": [1, 1, 4, 4],
    "noises.noise_1": [1, 1, 8, 8],
    "noises.noise_2": [1, 1, 8, 8],
}
# The state_dict of NVIDIA's Generator of 8 px, w of 12, widths 8 and 6, two mapping layers.
NVIDIA = {
    "synthesis.b4.const": [8, 4, 4],
    "synthesis.b4.resample_filter": [4, 4],
    "synthesis.b4.conv1.weight": [8, 8, 3, 3],
    "synthesis.b4.conv1.noise_strength": [],
    "synthesis.b4.conv1.bias": [8],
    "synthesis.b4.conv1.resample_filter": [4, 4],
    "synthesis.b4.conv1.noise_const": [4, 4],
    "synthesis.b4.conv1.affine.weight": [8, 12],
    "synthesis.b4.conv1.affine.bias": [8],
    "synthesis.b4.torgb.weight": [3, 8, 1, 1],
    "synthesis.b4.torgb.bias": [3],
    "synthesis.b4.torgb.affine.weight": [8, 12],
    "synthesis.b4.torgb.affine.bias": [8],
    "synthesis.b8.resample_filter": [4, 4],
    "synthesis.b8.conv0.weight": [6, 8, 3, 3],
    "synthesis.b8.conv0.noise_strength": [],
    "synthesis.b8.conv0.bias": [6],
    "synthesis.b8.conv0.resample_filter": [4, 4],
    "synthesis.b8.conv0.noise_const": [8, 8],
    "synthesis.b8.conv0.affine.weight": [8, 12],
    "synthesis.b8.conv0.affine.bias": [8],
    "synthesis.b8.conv1.weight": [6, 6, 3, 3],
    "synthesis.b8.conv1.noise_strength": [],
    "synthesis.b8.conv1.bias": [6],
    "synthesis.b8.conv1.resample_filter": [4, 4],
    "synthesis.b8.conv1.noise_const": [8, 8],
    "synthesis.b8.conv1.affine.weight": [6, 12],
    "synthesis.b8.conv1.affine.bias": [6],
    "synthesis.b8.torgb.weight": [3, 6, 1, 1],
    "synthesis.b8.torgb.bias": [3],
    "synthesis.b8.torgb.affine.weight": [6, 12],
    "synthesis.b8.torgb.affine.bias": [6],
    "mapping.w_avg": [12],
    "mapping.fc0.weight": [12, 12],
    "mapping.fc0.bias": [12],
    "mapping.fc1.weight": [12, 12],
    "mapping.fc1.bias": [12],
}
TINY: dict[str, Any] = {"resolution": 8, "channels": {4: 8, 8: 6}, "z_dim": 12}


def shapes(state: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in state.items()}


def nvidia_settings(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["class_name"] == "training.networks.Generator"
    settings: dict[str, Any] = json.loads(metadata["init_kwargs"])
    return settings


def test_rosinalitys_generator_finds_exactly_the_arrays_it_has(tmp_path):
    generator = small_generator(**TINY)
    export_rosinality(tmp_path / "g.pt", generator)
    file = torch.load(tmp_path / "g.pt", weights_only=True)
    assert list(file) == ["g_ema", "latent_avg"]
    assert shapes(file["g_ema"]) == ROSINALITY
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in file["g_ema"].values())
    assert torch.equal(file["latent_avg"], generator.w_avg)
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    for name in ("convs.0.conv.blur.kernel", "to_rgbs.0.upsample.kernel"):
        assert torch.equal(file["g_ema"][name], torch.outer(row, row) / 64 * 4)


def test_nvidias_generator_finds_exactly_the_arrays_it_has(tmp_path):
    export_nvidia(tmp_path / "g.safetensors", small_generator(**TINY))
    assert shapes(load_file(tmp_path / "g.safetensors")) == NVIDIA
    settings = nvidia_settings(tmp_path / "g.safetensors")
    sizes = {name: settings[name] for name in ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")}
    assert sizes == {"z_dim": 12, "c_dim": 0, "w_dim": 12, "img_resolution": 8, "img_channels": 3}
    assert settings["mapping_kwargs"]["num_layers"] == 2
    synthesis = settings["synthesis_kwargs"]
    assert [min(synthesis["channel_base"] // side, synthesis["channel_max"]) for side in (4, 8)] == [8, 6]


def test_exporting_to_rosinality_and_reading_back_changes_nothing(tmp_path):
    generator = small_generator(z_dim=12)
    export_rosinality(tmp_path / "g.pt", generator)
    assert equal_weights(generator, load_generator(tmp_path / "g.pt"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"c_dim": 3, "embed_features": 5, "layer_features": 7, "mapping_layers": 3},
        {"architecture": "resnet", "conv_clamp": 1.5},
        {"architecture": "orig", "lr_multiplier": 0.1},
        {"use_noise": False},
        {"resample_filter": (1.0, 2.0, 1.0)},
    ],
    ids=str,
)
def test_exporting_to_nvidia_and_reading_back_changes_nothing(changes, tmp_path):
    generator = small_generator(channels={4: 8, 8: 8, 16: 5}, **changes)
    export_nvidia(tmp_path / "g.safetensors", generator)
    again, header = load_checkpoint(tmp_path / "g.safetensors")
    assert header.source_format == "nvidia-names"
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    z, c = torch.randn(3, generator.z_dim), torch.eye(3) if generator.c_dim else None
    torch.testing.assert_close(again.synthesize(ws), generator.synthesize(ws), rtol=0, atol=1e-6)
    assert torch.equal(again.map(z, c, 0.5), generator.map(z, c, 0.5))


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize(
    ("widths", "padded"),
    [((8, 4, 4), (8, 8, 4)), ((8, 9, 5), (9, 9, 5)), ((5, 6, 7), (7, 7, 7)), ((8, 6, 3), (8, 6, 3))],
)
def test_widths_that_nvidias_class_cannot_have_are_made_up_without_changing_a_picture(
    architecture, widths, padded, tmp_path
):
    generator = small_generator(channels=dict(zip((4, 8, 16), widths, strict=True)), architecture=architecture)
    export_nvidia(tmp_path / "g.safetensors", generator)
    again = load_generator(tmp_path / "g.safetensors")
    assert tuple(again.config.channels.values()) == padded
    synthesis = nvidia_settings(tmp_path / "g.safetensors")["synthesis_kwargs"]
    assert [min(synthesis["channel_base"] // side, synthesis["channel_max"]) for side in (4, 8, 16)] == list(padded)
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    for noise in ("const", "none"):
        ours = generator.synthesize(ws, noise=noise)
        torch.testing.assert_close(again.synthesize(ws, noise=noise), ours, rtol=1e-5, atol=1e-5)
    assert torch.equal(again.w_avg, generator.w_avg)


def test_a_network_without_noise_becomes_one_whose_noise_does_nothing_in_rosinalitys_layout(tmp_path):
    generator = small_generator(**(TINY | {"use_noise": False}))
    export_rosinality(tmp_path / "g.pt", generator)
    again = load_generator(tmp_path / "g.pt")
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    for noise in ("const", "random"):
        torch.testing.assert_close(again.synthesize(ws, noise=noise), generator.synthesize(ws), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("name", "export"), [("ros_16_conv", export_rosinality), ("sg2ada_16_clamp", export_nvidia)])
def test_a_checkpoint_can_be_exported_and_read_from_its_new_layout(name, export, tmp_path):
    generator = load_generator(reference_file(name))
    export(tmp_path / "g", generator)
    ws = torch.randn(1, generator.num_ws, generator.w_dim)
    again = load_generator(tmp_path / "g")
    torch.testing.assert_close(again.synthesize(ws), generator.synthesize(ws), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"architecture": "resnet"}, "the architecture 'resnet'"),
        ({"c_dim": 3}, r"labels \(c_dim 3\)"),
        ({"conv_clamp": 4.0}, r"a clamp \(conv_clamp 4.0\)"),
        ({"z_dim": 10}, "a mapping network of 10 to 12 to 12"),
        ({"layer_features": 9}, "a mapping network of 12 to 9 to 12"),
        ({"lr_multiplier": 0.1}, "lr_multiplier 0.1"),
        ({"resample_filter": (1.0, 2.0, 1.0)}, r"the filter \[1.0, 2.0, 1.0\]"),
    ],
)
def test_what_rosinalitys_layout_cannot_express_is_refused_by_name(changes, named, tmp_path):
    with pytest.raises(PreconditionFailed, match=named) as refusal:
        export_rosinality(tmp_path / "g.pt", small_generator(**(TINY | changes)))
    assert refusal.value.reason == "EXPORT_UNSUPPORTED"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"c_dim": 3, "label_mode": "concat"}, "labels as in TensorFlow"),
    ],
)
def test_what_nvidias_class_cannot_be_is_refused_by_name(changes, named, tmp_path):
    with pytest.raises(PreconditionFailed, match=named) as refusal:
        export_nvidia(tmp_path / "g.safetensors", small_generator(**changes))
    assert refusal.value.reason == "EXPORT_UNSUPPORTED"
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_said_so_and_nothing_is_left(tmp_path):
    for export in (export_rosinality, export_nvidia):
        with pytest.raises(PreconditionFailed) as refusal:
            export(tmp_path / "missing" / "g", small_generator(**TINY))
        assert refusal.value.reason == "MODEL_WRITE_FAILED"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_exports_may_be_read_by_those_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        export_rosinality(tmp_path / "g.pt", small_generator(**TINY))
    finally:
        os.umask(before)
    assert (tmp_path / "g.pt").stat().st_mode & 0o777 == 0o640


def test_exporting_leaves_the_generator_as_it_is(tmp_path):
    generator: StyleGAN2 = small_generator(**TINY)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    export_rosinality(tmp_path / "a", generator)
    export_nvidia(tmp_path / "b", generator)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


STYLEGAN3: dict[str, Any] = {
    "z_dim": 10,
    "c_dim": 0,
    "w_dim": 12,
    "img_resolution": 16,
    "img_channels": 3,
    "mapping_kwargs": {"num_layers": 2, "lr_multiplier": 0.01},
    "channel_base": 64,
    "channel_max": 6,
    "num_layers": 6,
    "num_critical": 2,
    "first_cutoff": 2,
    "first_stopband": 2**2.1,
    "last_stopband_rel": 2**0.3,
    "margin_size": 4,
    "output_scale": 0.25,
    "conv_kernel": 3,
    "filter_size": 6,
    "lrelu_upsampling": 2,
    "use_radial_filters": False,
    "conv_clamp": 256,
}


@pytest.mark.parametrize(
    "changes", [{}, {"c_dim": 3, "conv_clamp": 2.0}, {"conv_kernel": 1, "use_radial_filters": True}], ids=str
)
def test_exporting_stylegan3_and_reading_back_changes_nothing(changes, tmp_path):
    torch.manual_seed(0)
    generator = StyleGAN3(design(STYLEGAN3 | changes))
    export_nvidia(tmp_path / "g.safetensors", generator)
    again, header = load_checkpoint(tmp_path / "g.safetensors")
    assert (header.family, header.source_format) == ("stylegan3", "nvidia-names")
    assert again.config == generator.config
    ours, theirs = generator.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_layers_that_nvidias_stylegan3_cannot_have_are_refused(tmp_path):
    cfg = design(STYLEGAN3)
    odd = replace(cfg, layers=(replace(cfg.layers[0], channels=5), *cfg.layers[1:]))
    with pytest.raises(PreconditionFailed, match="layers of such sizes"):
        export_nvidia(tmp_path / "g.safetensors", StyleGAN3(odd))


def test_stylegan3s_weights_without_their_settings_are_refused(tmp_path):
    generator = StyleGAN3(design(STYLEGAN3))
    save_file({name: tensor.clone() for name, tensor in generator.state_dict().items()}, tmp_path / "g.safetensors")
    with pytest.raises(UnsupportedCheckpoint, match="without the settings"):
        load_generator(tmp_path / "g.safetensors")
