"""VGG16's convolutions from the two files that users have, never executed."""

from __future__ import annotations

import os
from collections import OrderedDict
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from latentlayers.checkpoints.vgg16 import OWN_NAME, WIDTHS, find_vgg16, load_vgg16, save_vgg16
from latentlayers.errors import CorruptCheckpoint, NotFound, UnsupportedCheckpoint
from torch import Tensor, nn

INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


class Convolutions(nn.Module):
    """The 13 convolutions as attributes conv1 ... conv13, with a dense layer behind them."""

    def __init__(self) -> None:
        super().__init__()
        for i, (into, out) in enumerate(pairwise(WIDTHS)):
            self.add_module(f"conv{i + 1}", nn.Conv2d(into, out, 3, padding=1))
        self.fc1 = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv1(x))


class Metric(nn.Module):
    """A network around them with buffers, lists and 1x1 convolutions, as a TorchScript metric has."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.sizes = [1, 2, 3]
        self.layers = Convolutions()
        self.weighting = nn.Conv2d(64, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.weighting(self.layers(x - self.mean[:, None, None])) * self.sizes[0]


@pytest.fixture(scope="module")
def convolutions() -> list[nn.Conv2d]:
    torch.manual_seed(0)
    return [nn.Conv2d(into, out, 3) for into, out in pairwise(WIDTHS)]


def state_dict(convolutions: list[nn.Conv2d]) -> OrderedDict[str, Tensor]:
    """As torchvision writes it, classifier (here a small one) included."""
    state = OrderedDict()
    for index, conv in zip(INDICES, convolutions, strict=True):
        state[f"features.{index}.weight"], state[f"features.{index}.bias"] = conv.weight.detach(), conv.bias.detach()
    state["classifier.0.weight"] = torch.zeros(10, 20)
    return state


def assert_equal(pairs: list[tuple[Tensor, Tensor]], convolutions: list[nn.Conv2d]) -> None:
    assert len(pairs) == len(convolutions)
    for (weight, bias), conv in zip(pairs, convolutions, strict=True):
        assert torch.equal(weight, conv.weight)
        assert torch.equal(bias, conv.bias)
        assert not weight.requires_grad


@pytest.mark.parametrize("zipped", [True, False])
def test_torchvisions_state_dict_is_read(convolutions, zipped, tmp_path):
    torch.save(state_dict(convolutions), tmp_path / "vgg.pth", _use_new_zipfile_serialization=zipped)
    assert_equal(load_vgg16(tmp_path / "vgg.pth"), convolutions)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_archive_is_read_without_being_run(tmp_path, monkeypatch):
    metric = Metric()
    torch.jit.save(torch.jit.script(metric), tmp_path / "vgg16.pt")
    for name in ("load", "_import_ir_module"):
        monkeypatch.delattr(torch.jit, name, raising=False)
    pairs = load_vgg16(tmp_path / "vgg16.pt")
    assert_equal(pairs, [getattr(metric.layers, f"conv{i + 1}") for i in range(13)])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda s: s.pop("features.28.weight"), UnsupportedCheckpoint),
        (lambda s: s.update({"features.30.weight": torch.zeros(512, 512, 3, 3)}), UnsupportedCheckpoint),
        (lambda s: s.update({"features.0.weight": torch.zeros(64, 1, 3, 3)}), UnsupportedCheckpoint),
        (lambda s: s.pop("features.28.bias"), CorruptCheckpoint),
        (lambda s: s.update({"features.28.bias": torch.zeros(511)}), CorruptCheckpoint),
        (lambda s: s.update({"features.0.bias": torch.full([64], float("nan"))}), CorruptCheckpoint),
    ],
)
def test_other_networks_and_damage_are_refused(convolutions, change, error, tmp_path):
    state = state_dict(convolutions)
    change(state)
    torch.save(state, tmp_path / "vgg.pth")
    with pytest.raises(error):
        load_vgg16(tmp_path / "vgg.pth")


def test_a_cut_file_is_corrupt(convolutions, tmp_path):
    for zipped in (True, False):
        torch.save(state_dict(convolutions), tmp_path / "vgg.pth", _use_new_zipfile_serialization=zipped)
        data = (tmp_path / "vgg.pth").read_bytes()
        (tmp_path / "vgg.pth").write_bytes(data[: len(data) // 2])
        with pytest.raises(CorruptCheckpoint):
            load_vgg16(tmp_path / "vgg.pth")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any VGG16."""
    monkeypatch.delenv("LATENTLAYERS_VGG16", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("DNNLIB_CACHE_DIR", str(tmp_path / "dnnlib"))
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_it_is_looked_for_where_downloads_leave_it(home):
    assert find_vgg16() is None
    nvidia = put(home / "dnnlib" / "downloads" / ("0" * 32 + "_vgg16.pt"))
    assert find_vgg16() == nvidia
    hub = put(home / "torch" / "hub" / "checkpoints" / "vgg16-397923af.pth")
    assert find_vgg16() == hub
    given = put(home / "models" / "vgg16.pt")
    assert find_vgg16([home / "absent", home / "models"]) == given


def test_the_environment_variable_comes_first_and_must_exist(home, monkeypatch):
    put(home / "models" / "vgg16.pt")
    named = put(home / "mine" / "weights.bin")
    monkeypatch.setenv("LATENTLAYERS_VGG16", str(named))
    assert find_vgg16([home / "models"]) == named
    folder = put(home / "folder" / "vgg16-397923af.pth")
    monkeypatch.setenv("LATENTLAYERS_VGG16", str(folder.parent))
    assert find_vgg16([home / "models"]) == folder
    monkeypatch.setenv("LATENTLAYERS_VGG16", str(home / "gone") + os.sep)
    with pytest.raises(NotFound, match="gone"):
        find_vgg16([home / "models"])


def test_the_form_it_is_kept_in_holds_the_same(convolutions, tmp_path):
    torch.save(state_dict(convolutions), tmp_path / "vgg.pth")
    save_vgg16(tmp_path / OWN_NAME, load_vgg16(tmp_path / "vgg.pth"), {"licence": "BSD-3-Clause"})
    assert_equal(load_vgg16(tmp_path / OWN_NAME), convolutions)
    assert find_vgg16([tmp_path]) == tmp_path / OWN_NAME
    data = (tmp_path / OWN_NAME).read_bytes()
    (tmp_path / OWN_NAME).write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptCheckpoint):
        load_vgg16(tmp_path / OWN_NAME)
