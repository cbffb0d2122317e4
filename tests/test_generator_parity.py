"""Our generators against the research code's own outputs, and the promises of the `Generator` interface."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from checkpoint_files import (
    REFERENCES,
    equal_weights,
    reference_family,
    reference_file,
    reference_outputs,
    small_generator,
    upfirdn2d,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints import load_generator
from latentlayers.generators import Generator
from latentlayers.generators.ops import conv2d_up, fir_kernel, upsample2d
from torch import Tensor

LIMIT = 1e-4  # absolute; pictures have a standard deviation of about 1 to 4


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Networks this small lose more time to threads than they gain."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=REFERENCES, scope="module")
def reference(request: pytest.FixtureRequest) -> tuple[Generator, dict[str, Tensor], dict[str, object]]:
    arrays, meta = reference_outputs(request.param)
    return load_generator(reference_file(request.param)), arrays, meta


def worst(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    assert actual.dtype == torch.float32
    return float((actual - expected).abs().max())


def test_mapping_equals_the_reference(reference):
    g, arrays, meta = reference
    z, c = arrays["z"], arrays.get("c")
    assert worst(g.w_avg, arrays["w_avg"]) <= LIMIT
    assert worst(g.map(z, c), arrays["ws_psi1"]) <= LIMIT
    assert worst(g.map(z, c, truncation=0.7, cutoff=meta.get("psi07_cutoff")), arrays["ws_psi07"]) <= LIMIT
    if "ws_psi07cut" in arrays:
        assert worst(g.map(z, c, 0.7, cutoff=meta["truncation_cutoff"]), arrays["ws_psi07cut"]) <= LIMIT


@pytest.mark.parametrize("noise", ["const", "none"])
def test_pictures_equal_the_reference(reference, noise):
    g, arrays, _ = reference
    for ws, image in (("ws_psi1", "psi1"), ("ws_psi07", "psi07"), ("ws_mix", "wsmix")):
        expected = arrays.get(f"img_{image}_{noise}", arrays.get(f"img_{image}"))  # StyleGAN3 has no noise
        assert worst(g.synthesize(arrays[ws], noise), expected) <= LIMIT


def test_pictures_with_given_noise_equal_the_reference(reference):
    g, arrays, _ = reference
    if "img_psi1_random" not in arrays:
        pytest.skip("the reference has none")
    noise = [arrays[f"noise_random_{i}"] for i in range(g.num_ws - 1)]
    assert worst(g.synthesize(arrays["ws_psi1"], noise), arrays["img_psi1_random"]) <= LIMIT


def test_gradients_equal_the_reference(reference):
    g, arrays, _ = reference
    ws = arrays["ws_mix"].clone().requires_grad_(True)
    (g.synthesize(ws) * arrays["grad_R"]).sum().backward()
    expected = arrays.get("grad_ws_mix_const", arrays.get("grad_ws_mix"))
    assert ws.grad is not None
    assert float((ws.grad - expected).norm() / expected.norm()) <= 1e-4


def test_sizes_are_those_of_the_reference(reference):
    g, arrays, meta = reference
    assert g.family == reference_family(meta["checkpoint"])
    assert (g.resolution, g.num_ws, g.c_dim) == (meta["img_resolution"], meta["num_ws"], meta["c_dim"])
    assert (g.z_dim, g.w_dim) == (arrays["z"].shape[1], arrays["w_avg"].shape[0])


def test_loaded_weights_are_frozen_and_gradients_still_reach_the_latent(reference):
    g, arrays, _ = reference
    assert not any(parameter.requires_grad for parameter in g.parameters())
    ws = arrays["ws_mix"].clone().requires_grad_(True)
    g.synthesize(ws).square().mean().backward()
    assert ws.grad is not None
    assert all(parameter.grad is None for parameter in g.parameters())
    assert bool((ws.grad.abs().sum(dim=(0, 2)) > 0).all()), "every row of w+ matters"


def test_a_batch_equals_its_members_one_by_one():
    g = small_generator()
    ws = torch.randn(5, g.num_ws, g.w_dim)
    singles = torch.cat([g.synthesize(w[None]) for w in ws])
    torch.testing.assert_close(g.synthesize(ws), singles, rtol=1e-5, atol=1e-5)


def test_noise_may_differ_per_sample_and_missing_maps_are_refused():
    g = small_generator()
    ws = torch.randn(1, g.num_ws, g.w_dim).expand(2, -1, -1)
    maps = [torch.randn(2, 1, side, side) for side in (4, 8, 8, 16, 16)]
    both = g.synthesize(ws, maps)
    second = g.synthesize(ws[:1], [m[1] for m in maps])
    torch.testing.assert_close(both[1:], second, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="fewer maps"):
        g.synthesize(ws, maps[:-1])


def test_stopping_early_gives_the_partial_sum_of_the_skip_pictures():
    """In the skip architecture picture(R) = upsample(picture(R/2)) + ToRGB(R); stopping leaves out the rest."""
    g = small_generator()
    ws = torch.randn(2, g.num_ws, g.w_dim)
    f = fir_kernel(g.config.resample_filter)
    assert g.resolutions == (4, 8, 16)
    for low, high in ((4, 8), (8, 16)):
        block = g.synthesis.block(high)
        drawn: list[Tensor] = []
        handle = block.torgb.register_forward_hook(lambda module, inputs, output, drawn=drawn: drawn.append(output))
        full = g.synthesize(ws, resolution=high)
        handle.remove()
        partial = g.synthesize(ws, resolution=low)
        assert partial.shape == (2, 3, low, low)
        torch.testing.assert_close(full, upsample2d(partial, f) + drawn[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ["resnet", "orig"])
def test_other_architectures_cannot_stop_early(architecture):
    g = small_generator(architecture=architecture)
    assert g.resolutions == (16,)
    with pytest.raises(ValueError, match="resolution"):
        g.synthesize(torch.zeros(1, g.num_ws, g.w_dim), resolution=8)


def test_bfloat16_is_close_to_float32():
    g = small_generator()
    ws = torch.randn(4, g.num_ws, g.w_dim)
    exact, rough = g.synthesize(ws), g.synthesize(ws, dtype=torch.bfloat16)
    assert rough.dtype == torch.float32
    assert float((rough - exact).std() / exact.std()) < 0.02


def test_wrong_shapes_are_refused():
    g = small_generator()
    for ws in (torch.zeros(1, g.num_ws - 1, g.w_dim), torch.zeros(1, g.num_ws, g.w_dim + 1), torch.zeros(1, g.w_dim)):
        with pytest.raises(ValueError, match="ws must have shape"):
            g.synthesize(ws)
    with pytest.raises(ValueError, match="z must have shape"):
        g.map(torch.zeros(1, g.z_dim + 1))
    with pytest.raises(ValueError, match="labels"):
        small_generator(c_dim=3).map(torch.zeros(1, g.z_dim))


def test_every_row_belongs_to_one_resolution():
    g = small_generator()
    rows = [row for side in g.resolutions for row in g.rows_by_resolution[side]]
    assert rows == list(range(g.num_ws))
    assert [row for row, _ in g.style_weights()] == list(range(g.num_ws - 1))


@settings(deadline=None, max_examples=30)
@given(psi=st.floats(-1, 2), cutoff=st.none() | st.integers(0, 6))
def test_truncation_moves_the_first_rows_towards_the_mean(psi, cutoff):
    g = small_generator()
    z = torch.randn(2, g.z_dim)
    w, moved = g.map(z), g.map(z, truncation=psi, cutoff=cutoff)
    n = g.num_ws if cutoff is None else cutoff
    torch.testing.assert_close(moved[:, :n], g.w_avg + psi * (w[:, :n] - g.w_avg), rtol=1e-4, atol=1e-4)
    assert torch.equal(moved[:, n:], w[:, n:])


@settings(deadline=None, max_examples=25)
@given(taps=st.lists(st.floats(0.1, 3), min_size=2, max_size=9), side=st.integers(2, 6), seed=st.integers(0, 99))
def test_resampling_follows_its_definition_for_any_filter(taps, side, seed):
    """upsample2d and conv2d_up against zero insertion, padding and convolution written out (StyleGAN2's upfirdn2d)."""
    torch.manual_seed(seed)
    x, f, n = torch.randn(2, 3, side, side + 1), fir_kernel(taps), len(taps)
    expected = upfirdn2d(x, f, up=2, padding=((n + 1) // 2, (n - 2) // 2), gain=4)
    torch.testing.assert_close(upsample2d(x, f), expected, rtol=1e-4, atol=1e-5)

    weight = torch.randn(3, 4, 3, 3)
    wide = torch.nn.functional.conv_transpose2d(x, weight, stride=2)
    expected = upfirdn2d(wide, f, up=1, padding=((n + 1) // 2 - 1, (n - 2) // 2), gain=4)
    torch.testing.assert_close(conv2d_up(x, weight, f), expected, rtol=1e-4, atol=1e-4)


def test_random_noise_differs_between_calls_and_constant_noise_does_not():
    g = small_generator()
    ws = torch.randn(1, g.num_ws, g.w_dim)
    assert torch.equal(g.synthesize(ws), g.synthesize(ws))
    assert not torch.equal(g.synthesize(ws, "random"), g.synthesize(ws, "random"))
    assert equal_weights(g, small_generator())
