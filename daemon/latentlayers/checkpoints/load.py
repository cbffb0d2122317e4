"""Any checkpoint file to a generator: recognised by content, never by name, and without executing anything."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from latentlayers.checkpoints import nvidia, rosinality, tensorflow
from latentlayers.checkpoints.build import build
from latentlayers.checkpoints.container import read_value
from latentlayers.checkpoints.header import ModelHeader, digest
from latentlayers.checkpoints.inert import ALLOWED
from latentlayers.checkpoints.limits import Budget
from latentlayers.checkpoints.native import load_generator_native
from latentlayers.checkpoints.network import Network
from latentlayers.checkpoints.refusals import decoding, open_bounded, unsupported
from latentlayers.generators import Generator


def load_generator(path: str | Path) -> Generator:
    """The averaged generator in a checkpoint file, frozen, float32, on the CPU.

    Reads our own safetensors; NVIDIA's PyTorch pickles of StyleGAN2 (stylegan2-ada-pytorch, stylegan3); NVIDIA's
    TensorFlow pickles of StyleGAN2 (configurations E and F, and ADA); rosinality's `.pt` (zip and legacy container,
    converted and training).

    Raises:
        NotFound: no such file. CorruptCheckpoint: damaged or contradictory. UnsupportedCheckpoint: another format or
        family, or it asks to run something; the message names what.
    """
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path) -> tuple[Generator, ModelHeader]:
    """As `load_generator`, with the model's description; for foreign files it is made from what they say."""
    path = Path(path)
    with open_bounded(path) as (file, size):
        if _is_safetensors(file):
            return load_generator_native(path)
        with decoding():
            network = _convert(file, size)
            generator = build(network.config, network.arrays)
    header = ModelHeader(
        name=path.stem,
        family=network.config.family,
        config=network.config.to_json(),
        provenance=f"read from {path.name}",
        source_sha256=digest(path),
        source_format=network.source_format,
    )
    return generator, header


def _is_safetensors(file: BinaryIO) -> bool:
    start = file.read(9)
    file.seek(0)
    return len(start) == 9 and start[8:] == b"{"


def _convert(file: BinaryIO, size: int) -> Network:
    value = read_value(file, size, ALLOWED)
    budget = Budget(size)
    for read in (nvidia.read, tensorflow.read, rosinality.read):
        network = read(value, budget)
        if network is not None:
            return network
    if isinstance(value, dict):
        keys = ", ".join(sorted(key[:40] for key in value if isinstance(key, str))[:10])
        raise unsupported(f"it holds a table of {keys or 'nothing we know'}, and no generator")
    raise unsupported("it holds no generator")
