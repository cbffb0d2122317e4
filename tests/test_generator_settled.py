"""Weights laid out, for a search or for good: the same pictures, worked out once, and forgotten where they must be."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
import torch
from checkpoint_files import reference_file
from inversion_models import samples, tiny_features, tiny_generator
from latentlayers.checkpoints import load_generator
from latentlayers.generators import Generator
from latentlayers.generators.settled import Settling, settle, settled
from latentlayers.generators.stylegan2 import SynthesisLayer
from latentlayers.inversion import embed, preset
from torch import Tensor

FILES = ("sg2ada_16_clamp", "sg2ada_16_resnet", "ros_16_conv", "sg3t_32_clamp", "sg1tf_32")


def drawn(generator: Generator) -> tuple[Tensor, Tensor]:
    """Pictures of two codes, and the gradient of their squares by the codes."""
    ws = generator.map(torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(3)))
    ws = ws.detach().requires_grad_(True)
    pictures = generator.synthesize(ws)
    (gradient,) = torch.autograd.grad(pictures.square().mean(), ws)
    return pictures.detach(), gradient


@pytest.mark.parametrize("name", FILES)
def test_pictures_and_gradients_stay_the_same(name: str) -> None:
    generator = load_generator(reference_file(name))
    before = drawn(generator)
    with settled(generator):
        within = drawn(generator)
    for one, other in zip(within, before, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_features_stay_the_same() -> None:
    features, pictures = tiny_features(), samples(tiny_generator(), 2)
    before = features(pictures)
    with settled(features):
        for one, other in zip(features(pictures), before, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_search_works_out_once_what_the_weights_alone_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[SynthesisLayer] = []
    derive = SynthesisLayer.derive

    def counted(layer: SynthesisLayer) -> tuple[Tensor, Tensor]:
        calls.append(layer)
        return derive(layer)

    monkeypatch.setattr(SynthesisLayer, "derive", counted)
    generator = tiny_generator()
    embed(generator, samples(tiny_generator(), 1)[0], None, replace(preset("fast"), max_steps=9), tiny_features())
    of_this = [layer for layer in calls if layer in set(generator.modules())]
    assert len(of_this) == len(set(of_this)) == 5


@pytest.mark.parametrize("name", FILES)
def test_settling_for_good_changes_no_picture_and_outlasts_a_search(name: str) -> None:
    generator = load_generator(reference_file(name))
    before, parameters = drawn(generator), {key: value.clone() for key, value in generator.state_dict().items()}
    settle(generator)
    with settled(generator):
        pass
    layers = [layer for layer in generator.modules() if isinstance(layer, Settling)]
    assert all(layer.is_kept for layer in layers)
    for one, other in zip(drawn(generator), before, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, parameters[key]) for key, value in generator.state_dict().items())


def test_settling_for_good_holds_no_kernel_twice() -> None:
    generator = tiny_generator()
    settle(generator)
    layers = [layer for layer in generator.modules() if isinstance(layer, SynthesisLayer)]
    assert len(layers) == 5
    for layer in layers:
        kernel, _ = layer.derived()
        assert kernel.untyped_storage().data_ptr() == layer.weight.untyped_storage().data_ptr()


def test_weights_that_change_afterwards_count_even_if_the_search_broke_off() -> None:
    generator = tiny_generator()
    with contextlib.suppress(KeyError), settled(generator):
        drawn(generator)
        raise KeyError
    before = drawn(generator)[0]
    generator.synthesis.block(8).conv0.weight.mul_(torch.linspace(0, 2, 16)[:, None, None])
    assert not torch.allclose(drawn(generator)[0], before)


def test_layers_that_are_trained_still_get_their_gradients() -> None:
    generator = tiny_generator().requires_grad_(True)
    with settled(generator):
        generator.synthesize(generator.map(torch.randn(1, generator.z_dim))).square().mean().backward()
    assert all(layer.weight.grad is not None for layer in generator.modules() if isinstance(layer, SynthesisLayer))
