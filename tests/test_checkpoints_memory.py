"""A network is in memory once while it is read: what was copied out of the file is let go of."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from checkpoint_files import equal_weights, rosinality_state, small_generator
from latentlayers.checkpoints import ModelHeader, load, load_generator, native, save_generator
from latentlayers.checkpoints.build import build
from latentlayers.checkpoints.families.stylegan1 import conv_kernel, doubling_kernel
from latentlayers.checkpoints.families.stylegan2 import derived
from latentlayers.checkpoints.pickles.container import read_value
from latentlayers.checkpoints.pickles.inert import ALLOWED, Storage
from latentlayers.errors import CorruptCheckpoint
from torch import Tensor


@dataclass
class Watched:
    """An array that notes how many of those read before it are still alive."""

    value: Tensor
    read: list[weakref.ref[Tensor]]
    alive: list[int]
    itemsize: int = 4

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    def load(self) -> Tensor:
        self.alive.append(sum(earlier() is not None for earlier in self.read))
        array = self.value.clone()
        self.read.append(weakref.ref(array))
        return array


def test_arrays_are_read_one_after_the_other():
    generator = small_generator()
    read, alive = [], []
    arrays = {name: Watched(value, read, alive) for name, value in generator.state_dict().items() if not derived(name)}
    assert equal_weights(generator, build(generator.config, arrays))
    assert len(alive) > 20
    assert max(alive) == 0


@dataclass
class Counted:
    """Counts how often each storage of a file is read, and knows what all of them still hold."""

    reads: dict[int, int] = field(default_factory=dict)
    storages: list[Storage] = field(default_factory=list)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        numbers = Storage.numbers

        def counted(storage: Storage) -> Tensor:
            if storage not in self.storages:
                self.storages.append(storage)
                read = storage.read
                storage.read = lambda: self._count(storage) or read()
            return numbers(storage)

        monkeypatch.setattr(Storage, "numbers", counted)

    def _count(self, storage: Storage) -> None:
        self.reads[id(storage)] = self.reads.get(id(storage), 0) + 1

    @property
    def kept(self) -> int:
        return sum(storage._kept is not None for storage in self.storages)


@pytest.mark.parametrize("zipped", [True, False])
def test_storages_are_let_go_of_once_read(zipped, tmp_path, monkeypatch):
    torch.save({"g_ema": rosinality_state(small_generator())}, tmp_path / "g.pt", _use_new_zipfile_serialization=zipped)
    counted = Counted()
    counted.watch(monkeypatch)
    load_generator(tmp_path / "g.pt")
    assert len(counted.storages) > 20
    assert counted.kept == 0


def test_a_storage_that_many_tensors_view_is_read_once(tmp_path, monkeypatch):
    flat = torch.randn(1000)
    torch.save([flat[i : i + 10] for i in range(0, 1000, 10)], tmp_path / "flat.pt")
    counted = Counted()
    counted.watch(monkeypatch)
    views = opened(tmp_path / "flat.pt", lambda value: [view.load().clone() for view in value])
    assert torch.equal(torch.cat(views), flat)
    assert (list(counted.reads.values()), counted.kept) == ([1], 0)


def test_a_view_that_a_file_names_a_thousand_times_is_not_read_a_thousand_times(tmp_path, monkeypatch):
    torch.save([torch.randn(1000)] * 1000, tmp_path / "same.pt")
    counted = Counted()
    counted.watch(monkeypatch)
    opened(tmp_path / "same.pt", lambda value: [view.load() for view in value])
    assert list(counted.reads.values()) == [2]


def test_one_array_in_every_place_is_refused_before_the_network_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "SPARE_BYTES", 0)
    monkeypatch.setattr(load, "build", lambda *_, **__: pytest.fail("it was made"))
    state = rosinality_state(small_generator(channels={4: 64, 8: 64, 16: 64}))
    kernel = torch.randn(1, 64, 64, 3, 3)
    state |= {name: kernel for name in state if name.endswith("conv.weight") and not name.startswith("to_rgb")}
    torch.save({"g_ema": state}, tmp_path / "same.pt")
    with pytest.raises(CorruptCheckpoint, match="over and over"):
        load_generator(tmp_path / "same.pt")


def opened(path: Path, use):
    with path.open("rb") as file:
        return use(read_value(file, path.stat().st_size, ALLOWED))


@pytest.mark.parametrize("half", [True, False])
def test_our_own_files_are_read_in_pieces(half, tmp_path, monkeypatch):
    """Whole arrays beside a network twice their size would be more than 2.2 times the file."""
    generator = small_generator()
    header = ModelHeader("g", "stylegan2", generator.config.to_json())
    save_generator(tmp_path / "g.safetensors", generator, header, half=half)
    whole = load_generator(tmp_path / "g.safetensors")
    monkeypatch.setattr(native, "PIECE", 7)
    largest, run = [], native.StoredTensor._run
    monkeypatch.setattr(native.StoredTensor, "_run", lambda self, begin, n: largest.append(n) or run(self, begin, n))
    assert equal_weights(whole, load_generator(tmp_path / "g.safetensors"))
    assert max(largest) == 7


@pytest.mark.parametrize("fused", [True, False])
def test_a_doubling_kernel_is_the_sum_of_four_shifted_copies(fused):
    weight = torch.randn(4, 3, 3, 3)
    kernel = conv_kernel(weight if fused else weight.flip(2, 3)).transpose(0, 1)
    padded = torch.nn.functional.pad(kernel, (1, 1, 1, 1))
    shifted = [padded[..., i : i + 4, j : j + 4] for i, j in ((1, 1), (0, 1), (1, 0), (0, 0))]
    assert torch.equal(doubling_kernel(weight, fused=fused), sum(shifted))
