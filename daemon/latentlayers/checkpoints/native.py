"""Our own model files: safetensors with a `ModelHeader`, written atomically, read with every size checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import safetensors.torch
import torch
from torch import Tensor

from latentlayers.atomic import disk_full, write_atomic
from latentlayers.checkpoints.build import FAMILIES, build, family_named
from latentlayers.checkpoints.families.family import W_AVG
from latentlayers.checkpoints.header import METADATA_KEY, Layout, ModelHeader, read_layout
from latentlayers.checkpoints.refusals import corrupt, decoding, open_bounded
from latentlayers.errors import LatentLayersError, PreconditionFailed
from latentlayers.generators import Generator

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
PIECE = 1 << 17  # numbers that are read at once
HALF_MAX = torch.finfo(torch.float16).max


def save_generator(path: str | Path, generator: Generator, header: ModelHeader, *, half: bool = False) -> None:
    """Write a generator as one file; a file already there is replaced only once the new one is complete.

    Args:
        header: its `config` must be that of `generator`.
        half: store matrices and kernels in float16 (vectors, scalars and what is `Family.exact` stay float32): half
            the size.

    Raises:
        ValueError: the header describes another network, or `half` and a weight exceeds float16's range.
        CorruptCheckpoint: the header describes no network at all.
        Exhausted: DISK_FULL. PreconditionFailed: the folder cannot be written to.
    """
    family = FAMILIES[generator.family]
    # Read back first: a header from an older file lacks the fields that came later.
    if header.family != family.name or family.read_config(header.config).to_json() != generator.config.to_json():
        raise ValueError("the header describes another network")
    tensors = {
        name: _stored(name, tensor, half and not family.exact(name))
        for name, tensor in generator.state_dict().items()
        if not family.derived(name)
    }
    write_model_file(Path(path), safetensors.torch.save(tensors, {METADATA_KEY: header.to_json()}))


def load_generator_native(path: str | Path) -> tuple[Generator, ModelHeader]:
    """Read what `save_generator` wrote; the weights come back in float32 on the CPU.

    Raises:
        NotFound: no such file. CorruptCheckpoint: damaged, wrong shapes, or numbers that are not finite.
        UnsupportedCheckpoint: not one of our files, or a newer version of them.
    """
    with open_bounded(Path(path)) as (file, size), decoding():
        layout = read_layout(file, size)
        header = layout.header
        family = family_named(header.family)
        if W_AVG not in layout.tensors:  # `build` would estimate it
            raise corrupt(f"{W_AVG} is missing")
        return build(family.read_config(header.config), {**stored_tensors(file, layout)}), header


@dataclass(eq=False)
class StoredTensor:
    """A `Lazy` tensor of a safetensors file; `begin` is where its bytes begin in the file."""

    file: BinaryIO
    begin: int
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def load(self) -> Tensor:
        return self._run(0, math.prod(self.shape)).reshape(self.shape)

    def copy_to(self, target: Tensor) -> None:
        """See `build.InPieces`: of a half-precision file, whole arrays would be a tenth of what it takes in memory."""
        numbers = target.view(-1)
        for begin in range(0, len(numbers), PIECE):
            piece = numbers[begin : begin + PIECE]
            piece.copy_(self._run(begin, len(piece)))

    def _run(self, begin: int, n: int) -> Tensor:
        """[n], from number `begin` on."""
        if n == 0:
            return torch.empty(0, dtype=self.dtype)
        data = bytearray(n * self.dtype.itemsize)
        self.file.seek(self.begin + begin * self.dtype.itemsize)
        if self.file.readinto(data) != len(data):  # type: ignore[attr-defined]
            raise corrupt("it became shorter while it was read")
        return torch.frombuffer(data, dtype=self.dtype)


def stored_tensors(file: BinaryIO, layout: Layout) -> dict[str, StoredTensor]:
    """What a safetensors file holds, to be loaded while `file` is open. Raises CorruptCheckpoint for other dtypes."""
    tensors = {}
    for name, entry in layout.tensors.items():
        if entry.dtype not in DTYPES:
            raise corrupt(f"{name:.100} holds {entry.dtype} instead of real numbers")
        tensors[name] = StoredTensor(file, layout.data_start + entry.begin, DTYPES[entry.dtype], entry.shape)
    return tensors


def read_tensors(file: BinaryIO, layout: Layout) -> dict[str, Tensor]:
    """All tensors of a safetensors file whose header is `layout`, on the CPU."""
    return {name: tensor.load() for name, tensor in stored_tensors(file, layout).items()}


def write_model_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all; others may read it where the umask allows that.

    Raises:
        Exhausted: DISK_FULL. PreconditionFailed: MODEL_WRITE_FAILED for any other failure of the file system.
    """
    write_atomic(path, data, private=False, failure=_write_error)


def _write_error(path: Path, error: OSError) -> LatentLayersError:
    return disk_full(path, error) or PreconditionFailed(
        "MODEL_WRITE_FAILED",
        f"{path} cannot be written: {error.strerror or type(error).__name__}.",
        "Check that the folder exists and that you may write to it.",
    )


def _stored(name: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} holds numbers that are not finite")
    if half and tensor.ndim >= 2:
        if float(tensor.abs().max()) > HALF_MAX:
            raise ValueError(f"{name} exceeds the range of float16")
        tensor = tensor.half()
    return tensor.contiguous()
