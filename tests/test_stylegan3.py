"""StyleGAN3: its transform, the promises of the interface, and what the daemon does with one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from checkpoint_files import equal_weights, reference_file, reference_outputs, upfirdn2d
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints import ModelHeader, load_generator, load_generator_native, save_generator
from latentlayers.checkpoints.families.stylegan3 import STYLEGAN3
from latentlayers.checkpoints.header import num_ws
from latentlayers.editing.rows import row_groups
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint
from latentlayers.generators import StyleGAN3, StyleGAN3Config
from latentlayers.generators.filtered import FilteredLReLU, separable
from latentlayers.inversion import PixelPyramid, embed, preset
from torch import Tensor

NAMES = ("sg3t_32_cond3", "sg3t_32_clamp", "sg3r_32")
LIMIT = 1e-4


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=NAMES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def load(name: str) -> StyleGAN3:
    generator = load_generator(reference_file(name))
    assert isinstance(generator, StyleGAN3)
    return generator


@pytest.fixture(scope="module")
def generator(name: str) -> StyleGAN3:
    return load(name)


def codes(generator: StyleGAN3, count: int = 2) -> Tensor:
    torch.manual_seed(3)
    labels = torch.eye(generator.c_dim)[torch.arange(count) % generator.c_dim] if generator.c_dim else None
    return generator.map(torch.randn(count, generator.z_dim), labels)


def shift(x: float, y: float) -> Tensor:
    return torch.tensor([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


# --- the transform ----------------------------------------------------------------------------------------------------


def test_pictures_under_a_transform_equal_the_reference(name, generator):
    arrays, _ = reference_outputs(name)
    transforms = [key.removeprefix("input_transform_") for key in arrays if key.startswith("input_transform_")]
    assert transforms
    for key in transforms:
        picture = generator.synthesize(arrays["ws_psi1"], transform=arrays[f"input_transform_{key}"])
        assert float((picture - arrays[f"img_psi1_xf_{key}"]).abs().max()) <= LIMIT


def test_the_stored_transform_counts_unless_another_is_given():
    generator = load("sg3r_32")
    ws = codes(generator)
    stored = generator.transform.clone()
    assert not torch.equal(stored, torch.eye(3))
    assert torch.equal(generator.synthesize(ws), generator.synthesize(ws, transform=stored))
    plain = generator.synthesize(ws, transform=torch.eye(3))
    generator.transform.copy_(torch.eye(3))
    assert torch.equal(generator.synthesize(ws), plain)


@settings(deadline=None, max_examples=5)
@given(right=st.integers(0, 8), down=st.integers(0, 8))
def test_shifting_moves_the_picture_by_whole_pixels(generator, right, down):
    """Equivariance to translation, exact but for what enters across the margin."""
    ws, side = codes(generator), generator.resolution
    still = generator.synthesize(ws, transform=torch.eye(3))
    moved = generator.synthesize(ws, transform=shift(right / side, down / side))
    expected = still[:, :, 4 + down : -4, 4 + right : -4]
    found = moved[:, :, 4 : side - 4 - down, 4 : side - 4 - right]
    assert float((found - expected).std() / still.std()) < 2e-3


def test_a_quarter_turn_turns_the_pictures_of_r_and_not_of_t(name, generator):
    ws = codes(generator)
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    still = generator.synthesize(ws, transform=torch.eye(3))
    error = generator.synthesize(ws, transform=turn) - still.rot90(1, (2, 3))
    assert (float(error.std() / still.std()) < 1e-3) == name.startswith("sg3r")


def test_each_sample_may_have_its_own_transform_and_gradients_reach_it(generator):
    ws = codes(generator)
    both = torch.stack([shift(0.1, 0.0), shift(0.0, -0.2)]).requires_grad_(True)
    picture = generator.synthesize(ws, transform=both)
    for i in range(2):
        alone = generator.synthesize(ws[i : i + 1], transform=both[i].detach())
        torch.testing.assert_close(picture[i : i + 1], alone, rtol=1e-4, atol=LIMIT)
    picture[0].square().sum().backward()
    assert both.grad is not None
    assert bool((both.grad[0, :2] != 0).all())
    assert not bool(both.grad[1].any())


def test_gradient_descent_finds_a_shift():
    generator = load("sg3r_32")
    ws = codes(generator, 1)
    target = generator.synthesize(ws, transform=shift(0.03, -0.02))
    offset = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([offset], lr=0.005)
    base = torch.eye(3)
    for _ in range(40):
        transform = torch.cat([base[:2, :2], offset[:, None]], dim=1)
        loss = (generator.synthesize(ws, transform=torch.cat([transform, base[2:]])) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(offset.detach(), torch.tensor([0.03, -0.02]), rtol=0, atol=5e-3)


def test_transforms_of_other_shapes_are_refused(generator):
    for shape in ((2, 3), (3,), (3, 3, 3)):
        with pytest.raises(ValueError, match="transform must have shape"):
            generator.synthesize(codes(generator), transform=torch.zeros(shape))


# --- the interface ----------------------------------------------------------------------------------------------------


def test_a_batch_equals_its_members_one_by_one(generator):
    ws = codes(generator, 4)
    ws[1] *= 30  # unlike the reference's, our normalisation leaves the others out
    singles = torch.cat([generator.synthesize(w[None]) for w in ws])
    torch.testing.assert_close(generator.synthesize(ws), singles, rtol=1e-4, atol=LIMIT)


def test_a_batch_of_one_equals_the_reference(name, generator):
    arrays, _ = reference_outputs(name)
    picture = generator.synthesize(arrays["ws_psi1"][:1])
    assert float((picture - arrays["img_psi1_single0"]).abs().max()) <= LIMIT


@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 0.04), (torch.float16, 0.006)])
def test_half_precision_is_close_to_float32(generator, dtype, limit):
    ws = codes(generator)
    exact, rough = generator.synthesize(ws), generator.synthesize(ws, dtype=dtype)
    assert rough.dtype == torch.float32
    assert float((rough - exact).std() / exact.std()) < limit


def test_it_stops_at_its_resolution_only(generator):
    assert generator.resolutions == (32,)
    with pytest.raises(ValueError, match="resolution"):
        generator.synthesize(codes(generator), resolution=16)


def test_rows_are_grouped_for_editing_and_by_side(generator):
    rows = [row for group in generator.rows_by_resolution.values() for row in group]
    assert sorted(rows) == list(range(generator.num_ws))
    groups = row_groups(generator.num_ws)
    assert [row for part in ("coarse", "middle", "fine") for row in groups[part]] == list(range(generator.num_ws))
    weights = generator.style_weights()
    assert [row for row, _ in weights] == list(range(1, generator.num_ws - 1))
    assert all(weight.shape[1] == generator.w_dim for _, weight in weights)


def test_a_new_network_draws_without_a_checkpoint(generator):
    fresh = StyleGAN3(generator.config)
    picture = fresh.synthesize(fresh.w_avg.expand(1, fresh.num_ws, -1))
    assert bool(torch.isfinite(picture).all())


@pytest.mark.parametrize("method", ["fast", "paper"])
def test_embedding_finds_a_picture_the_network_drew(method):
    generator = load("sg3t_32_clamp")
    target = generator.synthesize(codes(generator, 1))
    chosen = replace(preset(method), max_steps=12)
    result = embed(generator, target[0], None, chosen, PixelPyramid())
    found = generator.synthesize(result.ws[None])
    start = generator.synthesize(generator.w_avg.expand(1, generator.num_ws, -1))
    assert result.ws.shape == (generator.num_ws, generator.w_dim)
    assert float((found - target).square().mean()) < float((start - target).square().mean())


# --- filters ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(
    up=st.integers(1, 4),
    down=st.integers(1, 4),
    up_taps=st.integers(1, 13),
    down_taps=st.integers(1, 13),
    before=st.integers(-5, 12),
    radial=st.booleans(),
    clamp=st.sampled_from([None, 0.3]),
)
def test_the_filtered_relu_follows_its_definition(up, down, up_taps, down_taps, before, radial, clamp):
    """Against zero insertion, padding, convolution, activation and decimation written out; and its gradient."""
    torch.manual_seed(up_taps)
    side, after = 12, 40 - before
    u, d = torch.randn(up_taps).double(), torch.randn(down_taps).double()
    square = torch.randn(down_taps, down_taps).double() if radial else torch.outer(d, d)
    x = torch.randn(1, 2, side, side, dtype=torch.float64, requires_grad=True)
    crop = max(0, -before)
    wide = upfirdn2d(x, torch.outer(u, u), up=up, padding=(before + crop, after), gain=up**2)[:, :, crop:, crop:]
    bent = torch.nn.functional.leaky_relu(wide, 0.2) * 1.5
    bent = bent if clamp is None else bent.clamp(-clamp, clamp)
    expected = upfirdn2d(bent, square, up=1, padding=(0, 0), gain=1)[:, :, ::down, ::down]
    op = FilteredLReLU.plan(
        u,
        square if radial else d,
        up=up,
        down=down,
        before=before,
        inputs=side,
        inner=wide.shape[2],
        outputs=expected.shape[2],
        slope=0.2,
        gain=1.5,
        clamp=clamp,
        dtype=torch.float64,
    )
    found = op(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    weights = torch.randn_like(expected)
    (ours,) = torch.autograd.grad((found * weights).sum(), x, retain_graph=True)
    (theirs,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_radial_filters_are_a_few_separable_ones():
    generator = load("sg3r_32")
    radial = [filt for name, filt in generator.state_dict().items() if name.endswith("down_filter") and filt.ndim == 2]
    assert radial
    for kernel in radial:
        pairs = separable(kernel)
        assert len(pairs) <= 4
        total = sum(torch.outer(u, v) for u, v in pairs)
        torch.testing.assert_close(total, kernel.flip(0, 1), rtol=0, atol=1e-6)


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [False, True])
def test_our_format_keeps_what_must_be_exact(generator, half, tmp_path):
    header = ModelHeader("g", generator.family, generator.config.to_json())
    save_generator(tmp_path / "g", generator, header, half=half)
    again, _ = load_generator_native(tmp_path / "g")
    assert isinstance(again, StyleGAN3)
    assert again.config == generator.config
    assert equal_weights(generator, again) != half
    for entry, tensor in generator.state_dict().items():
        if entry.endswith(("freqs", "phases", "transform", "_filter", "magnitude_ema")):
            assert torch.equal(again.state_dict()[entry], tensor), entry


def test_the_rows_of_its_latents_are_told_without_the_network(generator):
    config = json.loads(json.dumps(generator.config.to_json()))
    assert num_ws(generator.family, config) == generator.num_ws
    assert StyleGAN3Config.from_json(config) == generator.config
    with pytest.raises(CorruptCheckpoint):
        num_ws("stylegan3", config | {"layers": "many"})
    with pytest.raises(UnsupportedCheckpoint):
        num_ws("stylegan4", config)


@pytest.mark.parametrize(
    "change",
    [
        {"input_size": 1 << 20},
        {"input_channels": 0},
        {"sampling_rate": 1.0},
        {"bandwidth": float("nan")},
        {"resolution": 33},
        {"layers": []},
        {"layers": 3},
        {"output_scale": "much"},
        {"z_dim": -1},
        {"conv_clamp": 0.0},
        {"unheard_of": 1},
    ],
    ids=str,
)
def test_configurations_that_no_network_has_are_refused(generator, change):
    with pytest.raises(CorruptCheckpoint):
        STYLEGAN3.read_config(generator.config.to_json() | change)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 40},
        {"channels": 1 << 40},
        {"up": 0},
        {"up": 2.0},
        {"down": 100},
        {"before": 1 << 30},
        {"after": -300},
        {"kernel": 5},
        {"down_taps": 1 << 30},
        {"radial": 1},
        {"taps": 3},
    ],
    ids=str,
)
def test_layers_that_no_network_has_are_refused(generator, change):
    config = generator.config.to_json()
    config["layers"][1] |= change
    with pytest.raises(CorruptCheckpoint):
        STYLEGAN3.read_config(config)


def test_the_least_size_is_close_to_the_weights(generator):
    total = sum(tensor.numel() for tensor in generator.state_dict().values())
    assert 0.9 * total < STYLEGAN3.least_size(generator.config) <= total
