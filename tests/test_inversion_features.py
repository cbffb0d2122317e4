"""The perceptual networks and their files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from inversion_models import SIDE, tiny_features, tiny_trunk
from latentlayers.errors import CorruptCheckpoint, NotFound, UnsupportedCheckpoint
from latentlayers.inversion import PixelPyramid, TrunkFeatures, VGG16Features, load_features, save_features
from latentlayers.inversion.features import equal_length
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

VGG_WIDTHS = (3, 4, 4, 5, 5, 6, 6, 6, 7, 7)  # VGG16's first nine convolutions, thinner


def thin_vgg() -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(3)
    return [(torch.randn(out, into, 3, 3) / 5, torch.randn(out) / 5) for into, out in pairwise(VGG_WIDTHS)]


def picture(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_vgg16_is_tapped_after_conv1_1_conv1_2_conv3_2_and_conv4_2() -> None:
    maps = VGG16Features(thin_vgg())(picture(64))
    assert [tuple(m.shape) for m in maps] == [(2, 4, 64, 64), (2, 4, 64, 64), (2, 6, 16, 16), (2, 7, 8, 8)]
    assert all(bool((m >= 0).all()) for m in maps)


def test_vgg16_sees_at_most_256_pixels() -> None:
    assert VGG16Features(thin_vgg())(picture(512))[0].shape[-1] == 256


def test_vgg16_normalises_what_it_sees_as_it_was_trained() -> None:
    convolutions = thin_vgg()
    weight, bias = convolutions[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    grey_in_0_to_1 = torch.full([1, 3, 16, 16], 0.75)
    normalised = (grey_in_0_to_1 - mean[:, None, None]) / std[:, None, None]
    expected = torch.nn.functional.conv2d(normalised, weight, bias, padding=1).relu()
    assert torch.allclose(VGG16Features(convolutions)(grey_in_0_to_1 * 2 - 1)[0], expected, atol=1e-5)


def test_too_few_convolutions_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 9 convolutions"):
        VGG16Features(thin_vgg()[:8])


def test_the_pixel_pyramid_needs_no_weights_and_tells_pictures_apart() -> None:
    one, two = PixelPyramid()(picture(SIDE)), PixelPyramid()(-picture(SIDE))
    assert [m.shape[-1] for m in one] == [16, 8, 4, 2]
    assert all(float((a - b).abs().max()) > 0.1 for a, b in zip(one, two, strict=True))


def test_the_pixel_pyramid_reads_even_a_four_pixel_picture() -> None:
    assert [m.shape[-1] for m in PixelPyramid()(picture(4))] == [4, 2, 1]


@pytest.mark.parametrize("side", [8, SIDE, 64])
def test_a_trunk_reads_pictures_of_any_side_at_its_own(side: int) -> None:
    assert [tuple(m.shape[1:]) for m in TrunkFeatures(tiny_trunk())(picture(side))] == [(12, 8, 8), (16, 4, 4)]


def test_a_saved_trunk_comes_back_and_its_name_follows_its_weights(tmp_path: Path) -> None:
    trunk = tiny_trunk()
    save_features(tmp_path / "a.safetensors", TrunkFeatures(trunk), {"made": "here"})
    save_features(tmp_path / "b.safetensors", TrunkFeatures(tiny_trunk(seed=1)))
    loaded, other = load_features(tmp_path / "a.safetensors"), load_features(tmp_path / "b.safetensors")
    for found, expected in zip(loaded(picture(SIDE)), trunk.features(picture(SIDE)), strict=True):
        assert torch.allclose(found, expected, atol=0.02)
    assert loaded.name != other.name
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def weighed(seed: int = 0) -> TrunkFeatures:
    rng = torch.Generator().manual_seed(seed)
    return TrunkFeatures(tiny_trunk(), channels=[torch.rand(12, generator=rng) * 3, torch.rand(16, generator=rng) * 3])


def test_weights_of_channels_come_back_and_belong_to_the_name(tmp_path: Path) -> None:
    save_features(tmp_path / "a.safetensors", weighed())
    save_features(tmp_path / "b.safetensors", weighed(seed=1))
    loaded, other = load_features(tmp_path / "a.safetensors"), load_features(tmp_path / "b.safetensors")
    for found, expected in zip(loaded(picture(SIDE)), weighed()(picture(SIDE)), strict=True):
        assert torch.allclose(found, expected, atol=0.02)
    assert loaded.name != other.name


def test_weights_count_squared_differences_of_activations_of_equal_length() -> None:
    features, shown = weighed(), picture(SIDE)
    for found, tap, weights in zip(features(shown), tiny_trunk().features(shown), features.channels or (), strict=True):
        length = (tap.square().mean(dim=1, keepdim=True) + 0.3).sqrt()
        assert torch.allclose(found.square(), weights[:, None, None] * (tap / length).square(), atol=1e-5)


def test_what_a_picture_shows_is_told_by_the_taps_without_weights() -> None:
    for found, tap in zip(weighed().taps(picture(SIDE)), tiny_trunk().features(picture(SIDE)), strict=True):
        assert torch.equal(found, tap)


def test_of_equal_length_strong_activations_tell_the_same_and_weak_ones_little() -> None:
    tap = torch.rand(2, 5, 4, 4, generator=torch.Generator().manual_seed(0)) + 1
    assert torch.allclose(equal_length(tap * 100), equal_length(tap * 200), atol=1e-3)
    assert float(equal_length(tap / 100).abs().max()) < 0.05
    assert float(equal_length(torch.zeros_like(tap)).abs().max()) == 0


@pytest.mark.parametrize("spoilt", [[-0.1] * 12, [1.0] * 11, [float("nan")] * 12, None])
def test_weights_of_channels_that_cannot_be_are_refused(tmp_path: Path, spoilt: list[float] | None) -> None:
    path = tmp_path / "features.safetensors"
    save_features(path, weighed())
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del tensors["channels.0"]
    save_file(tensors if spoilt is None else tensors | {"channels.0": torch.tensor(spoilt)}, path, metadata)
    with pytest.raises(CorruptCheckpoint):
        load_features(path)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(NotFound, match="no-such-file"):
        load_features("no-such-file.safetensors")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"
    save_features(path, tiny_features())
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-10], b"\xff" * 64, whole + b"more"):
        path.write_bytes(damaged)
        with pytest.raises(CorruptCheckpoint):
            load_features(path)


def test_a_file_with_other_contents_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(UnsupportedCheckpoint):
        load_features(path)
    for config in ("{}", "[]", "nonsense", '{"resolution": 16, "channels": {"4": 16, "8": 1000000}}'):
        save_file({"weight": torch.zeros(3)}, path, {"format": "discriminator-trunk-1", "config": config})
        with pytest.raises(CorruptCheckpoint):
            load_features(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    trunk = tiny_trunk()
    trunk.stem.weight.data[0, 0, 0, 0] = torch.nan
    save_features(tmp_path / "features.safetensors", TrunkFeatures(trunk))
    with pytest.raises(CorruptCheckpoint, match="not finite"):
        load_features(tmp_path / "features.safetensors")
