"""StyleGAN1, and StyleGAN2 before its skip connections, against their definitions, in every file they come in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stylegan_reference
import torch
from latentlayers.checkpoints import load_checkpoint, load_generator, load_generator_native, save_generator
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint
from latentlayers.generators import Generator, StyleGAN1, StyleGAN1Config
from latentlayers.inversion import PixelPyramid, embed, preset
from lernapparat_files import lernapparat_state
from tensorflow_files import TensorFlowModel
from torch import Tensor

LIMIT = 1e-4  # absolute; pictures have a standard deviation of about 1 to 3
TO_128 = (4, 4, 3, 3, 3, 2)

STYLED: dict[str, dict[str, Any]] = {
    "as published": {},
    "crossing to the fused operation": {"widths": TO_128},
    "fused throughout": {"kwargs": {"fused_scale": True}},
    "never fused": {"widths": TO_128, "kwargs": {"fused_scale": False}},
    "labels": {"labels": 3},
    "another blur": {"kwargs": {"blur_filter": [1, 3, 2, 1]}},
    "no blur": {"kwargs": {"blur_filter": None}},
    "no noise": {"kwargs": {"use_noise": False}},
    "fixed structure": {"kwargs": {"structure": "fixed"}, "lod": 1.5},
    "growing, at its start": {"lod": 2.0},
    "growing, between sides": {"widths": (6, 5, 4, 3), "lod": 0.5},
    "growing, one side behind": {"widths": (6, 5, 4, 3, 3), "lod": 1.25},
    "growing, whole sides": {"widths": (6, 5, 4, 3), "lod": 1.0},
}
REVISED: dict[str, dict[str, Any]] = {
    "as published": {},
    "labels": {"labels": 2},
    "fixed structure": {"kwargs": {"structure": "fixed"}, "lod": 0.5},
    "repeated pixels": {"kwargs": {"resample_kernel": None}},
    "growing, between sides": {"widths": (6, 5, 4, 3), "lod": 0.5},
    "growing, one side behind": {"widths": (6, 5, 4, 3, 3), "lod": 1.25},
}
CASES = [
    pytest.param({"styled": styled} | case, id=f"{'StyleGAN1' if styled else 'StyleGAN2'}: {name}")
    for styled, cases in ((True, STYLED), (False, REVISED))
    for name, case in cases.items()
]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Generator, TensorFlowModel]:
    model = TensorFlowModel(**request.param)
    # Configuration A of StyleGAN2's repository is a StyleGAN1 of version 4.
    version = 4 if model.lod == 0 else 3
    return load_generator(model.write(tmp_path / "g.pkl", version=version)), model


def inputs(model: TensorFlowModel) -> tuple[Tensor, Tensor, list[Tensor]]:
    """z, ws that differ in every row, and noise for every layer."""
    torch.manual_seed(1)
    sides = [4 << i for i in range(len(model.widths)) for _ in range(2)]
    noise = [torch.randn(side, side) for side in (sides if model.styled else sides[1:])]
    return torch.randn(2, 7), torch.randn(2, model.num_ws, 9), noise


def worst(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    assert actual.dtype == torch.float32
    return float((actual - expected).abs().max())


def test_it_is_the_network_that_the_file_says(case):
    g, model = case
    assert g.family == ("stylegan1" if model.styled else "stylegan2")
    assert (g.resolution, g.num_ws, g.c_dim) == (model.resolution, model.num_ws, model.labels)
    assert torch.equal(g.w_avg, model.mean)


def test_mapping_follows_its_definition(case):
    g, model = case
    z, _, _ = inputs(model)
    c = torch.eye(model.labels)[[1, 0]] if model.labels else None
    w = stylegan_reference.mapping(model, z, c)[:, None]
    assert worst(g.map(z, c), w.expand(-1, g.num_ws, -1)) <= LIMIT
    moved = g.map(z, c, truncation=0.7, cutoff=2)
    assert worst(moved[:, :1], model.mean + 0.7 * (w - model.mean)) <= LIMIT
    assert worst(moved[:, 2:3], w) <= LIMIT


@pytest.mark.parametrize("kind", ["const", "none", "given"])
def test_pictures_follow_their_definition(case, kind):
    g, model = case
    _, ws, given = inputs(model)
    if kind == "none" or not model.kwargs.get("use_noise", True):
        noise = None
    elif kind == "const":
        noise = [model.synthesis[f"noise{i}"][0, 0] for i in range(len(given))]
    else:
        noise = given
    expected = stylegan_reference.synthesis(model, ws, noise)
    assert worst(g.synthesize(ws, given if kind == "given" else kind), expected) <= LIMIT
    alone = [g.synthesize(w[None], given if kind == "given" else kind) for w in ws]
    assert worst(torch.cat(alone), expected) <= LIMIT


def test_gradients_follow_the_definition_for_latent_and_noise(case):
    g, model = case
    _, ws, noise = inputs(model)
    use_noise = bool(model.kwargs.get("use_noise", True))
    weights = torch.randn(2, 3, model.resolution, model.resolution)

    def gradients(draw: Any) -> list[Tensor]:
        leaves = [t.clone().requires_grad_(True) for t in (ws, *noise)]
        (draw(leaves[0], leaves[1:]) * weights).sum().backward()
        return [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]

    ours = gradients(lambda code, maps: g.synthesize(code, maps))
    expected = gradients(lambda code, maps: stylegan_reference.synthesis(model, code, maps if use_noise else None))
    for mine, theirs in zip(ours, expected, strict=True):
        assert float((mine - theirs).norm()) <= 1e-3 * float(theirs.norm())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_a_picture_alone_are_those_in_a_batch_in_any_layout(case, layout):
    """Torch's batch and instance normalisation get them wrong where layouts of gradient and input differ."""
    g, model = case
    _, ws, _ = inputs(model)
    weights = torch.randn(2, 3, model.resolution, model.resolution).contiguous(memory_format=layout)

    def gradient(some: slice) -> Tensor:
        code = ws[some].clone().requires_grad_(True)
        return torch.autograd.grad(g.synthesize(code), code, weights[some])[0]

    both = gradient(slice(None))
    alone = torch.cat([gradient(slice(i, i + 1)) for i in range(2)])
    # One number that rounding moves across the kink of a leaky ReLU costs a few thousandths.
    assert float((both - alone).norm()) <= 1e-2 * float(both.norm())


def test_it_survives_conversion_to_our_format(case, tmp_path):
    g, model = case
    _, header = load_checkpoint(model.write(tmp_path / "g.pkl", version=3))
    save_generator(tmp_path / "ours", g, header)
    again, described = load_generator_native(tmp_path / "ours")
    assert described == header
    _, ws, _ = inputs(model)
    assert torch.equal(again.synthesize(ws), g.synthesize(ws))


def test_every_row_belongs_to_one_side_and_idle_ones_change_nothing(case):
    g, model = case
    rows = [row for group in g.rows_by_resolution.values() for row in group]
    assert rows == list(range(g.num_ws))
    _, ws, _ = inputs(model)
    used = {row for row, _ in g.style_weights()} | (set() if model.styled else {2 * len(g.rows_by_resolution) - 1})
    if model.kwargs.get("structure") != "fixed" and model.lod % 1 == 0:
        changed = [not torch.equal(g.synthesize(ws), g.synthesize(with_row(ws, row))) for row in rows]
        assert changed == [row in used for row in rows]


def with_row(ws: Tensor, row: int) -> Tensor:
    ws = ws.clone()
    ws[:, row] += 1
    return ws


def test_a_uniform_constant_without_noise_draws_what_the_definition_says(tmp_path):
    """As networks start. Its variance is zero, so rounding would be divided by the root of the epsilon."""
    model = TensorFlowModel(styled=True)
    model.synthesis["4x4/Const/const"] = torch.full((1, 6, 4, 4), 0.7)
    g = load_generator(model.write(tmp_path / "g.pkl", version=3))
    _, ws, _ = inputs(model)
    assert worst(g.synthesize(ws, "none"), stylegan_reference.synthesis(model, ws, None)) <= LIMIT


def test_parts_without_components_are_read_as_version_2_leaves_them_out(tmp_path):
    model = TensorFlowModel(styled=True)
    g = load_generator(model.write(tmp_path / "g.pkl", version=2, components=False))
    assert g.resolution == 16


def test_half_precision_is_close(tmp_path):
    g = load_generator(TensorFlowModel(styled=True, widths=(16, 16, 8)).write(tmp_path / "g.pkl", version=3))
    ws = torch.randn(4, g.num_ws, g.w_dim)
    exact, rough = g.synthesize(ws), g.synthesize(ws, dtype=torch.bfloat16)
    assert rough.dtype == torch.float32
    assert float((rough - exact).std() / exact.std()) < 0.05


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("use_pixel_norm", True), ("use_instance_norm", False), ("nonlinearity", "relu"), ("use_wscale", False)],
)
def test_layers_that_we_do_not_draw_are_refused_by_name(keyword, value, tmp_path):
    model = TensorFlowModel(styled=True)
    model.kwargs[keyword] = value
    with pytest.raises(UnsupportedCheckpoint, match=keyword):
        load_generator(model.write(tmp_path / "g.pkl", version=3))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: setattr(m, "lod", 2.5), "lod"),
        (lambda m: setattr(m, "lod", float("nan")), "lod"),
        (lambda m: m.kwargs.update(fused_scale=7), "fused_scale"),
        (lambda m: m.kwargs.update(blur_filter=[1, -1]), "blur_filter"),
        (lambda m: m.kwargs.update(blur_filter="wide"), "blur_filter"),
        (lambda m: m.kwargs.update(mapping_lrmul="slow"), "mapping_lrmul"),
        (lambda m: m.synthesis.pop("8x8/Conv0_up/StyleMod/bias"), "8x8/Conv0_up/StyleMod/bias"),
        (lambda m: m.synthesis.update({"8x8/Conv1/weight": torch.zeros(3, 3, 6, 5)}), "b8.conv1.weight"),
        (lambda m: m.synthesis["noise3"].fill_(float("inf")), "b8.conv1.noise_const"),
    ],
)
def test_files_that_contradict_themselves_are_refused_by_name(change, named, tmp_path):
    model = TensorFlowModel(styled=True)
    change(model)
    with pytest.raises(CorruptCheckpoint, match=named):
        load_generator(model.write(tmp_path / "g.pkl", version=3))


def test_wrong_configurations_are_refused():
    fields: dict[str, Any] = {"resolution": 16, "z_dim": 4, "w_dim": 4, "channels": {4: 4, 8: 4, 16: 4}}
    assert StyleGAN1Config.from_json(StyleGAN1Config(**fields).to_json()) == StyleGAN1Config(**fields)
    for changes in ({"resolution": 24}, {"lod": 3.0}, {"lod": 1.0}, {"channels": {4: 4, 16: 4}}):
        with pytest.raises(ValueError, match=r"resolution|lod|channels"):
            StyleGAN1Config(**(fields | changes))


# --- lernapparat's layout ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "g_all.", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_lernapparats_files_draw_as_the_file_they_were_converted_from(prefix, zipped, tmp_path):
    model = TensorFlowModel(styled=True, widths=TO_128)
    state = {prefix + name: array for name, array in lernapparat_state(model).items()}
    torch.save(state, tmp_path / "g.pt", _use_new_zipfile_serialization=zipped)
    original = load_generator(model.write(tmp_path / "g.pkl", version=3))
    again, header = load_checkpoint(tmp_path / "g.pt")
    z, ws, noise = inputs(model)
    assert header.source_format == "lernapparat"
    assert torch.equal(again.map(z), original.map(z))
    assert torch.equal(again.synthesize(ws, noise), original.synthesize(ws, noise))
    assert worst(again.synthesize(ws, noise), stylegan_reference.synthesis(model, ws, noise)) <= LIMIT


def test_what_lernapparats_files_lack_is_the_same_each_time(tmp_path):
    model = TensorFlowModel(styled=True)
    torch.save(lernapparat_state(model), tmp_path / "g.pt")
    first, second = load_generator(tmp_path / "g.pt"), load_generator(tmp_path / "g.pt")
    ws = torch.randn(2, first.num_ws, first.w_dim)
    assert torch.equal(first.w_avg, second.w_avg)
    assert torch.equal(first.synthesize(ws), second.synthesize(ws))
    assert not torch.equal(first.synthesize(ws), first.synthesize(ws, "none"))


def test_the_mean_in_lernapparats_optional_module_is_kept(tmp_path):
    model = TensorFlowModel(styled=True)
    torch.save(lernapparat_state(model) | {"truncation.avg_latent": model.mean}, tmp_path / "g.pt")
    assert torch.equal(load_generator(tmp_path / "g.pt").w_avg, model.mean)


def test_a_lernapparat_file_without_one_of_its_layers_is_corrupt(tmp_path):
    state = lernapparat_state(TensorFlowModel(styled=True))
    del state["g_synthesis.blocks.8x8.epi2.style_mod.lin.weight"]
    torch.save(state, tmp_path / "g.pt")
    with pytest.raises(CorruptCheckpoint, match=r"8x8\.epi2"):
        load_generator(tmp_path / "g.pt")


# --- embedding --------------------------------------------------------------------------------------------------------


def tiny_stylegan1(**changes: Any) -> StyleGAN1:
    """A mean, noise, and pictures within [-1, 1], as a trained network has them."""
    torch.manual_seed(0)
    fields: dict[str, Any] = {
        "resolution": 16,
        "z_dim": 12,
        "w_dim": 12,
        "channels": {4: 16, 8: 16, 16: 8},
        "lr_multiplier": 1.0,
    }
    g = StyleGAN1(StyleGAN1Config(**(fields | {"mapping_layers": 2} | changes)))
    with torch.no_grad():
        g.w_avg.copy_(g.map(torch.randn(500, 12))[:, 0].mean(dim=0))
        for block in g.synthesis.blocks:
            for layer in block.layers:
                layer.noise_strength.fill_(0.05)
            if block.draws:
                block.torgb.weight *= 0.2
    return g


@pytest.mark.parametrize("changes", [{}, {"channels": {4: 16, 8: 16}, "lod": 1.0}], ids=["finished", "growing"])
@pytest.mark.parametrize("name", ["fast", "paper"])
def test_pictures_are_embedded_through_the_interface_alone(name, changes):
    g = tiny_stylegan1(**changes)
    torch.manual_seed(2)
    code = g.map(torch.randn(1, g.z_dim), truncation=0.5)
    settings = replace(preset(name), max_steps=80, learning_rate=0.05, start="mean")
    found = embed(g, g.synthesize(code)[0], None, settings, PixelPyramid())
    mean = g.w_avg.expand(1, g.num_ws, -1)
    before, after = ((g.synthesize(ws) - g.synthesize(code)).square().mean() for ws in (mean, found.ws[None]))
    assert float(after) < 0.3 * float(before)
