"""Any checkpoint file to a generator: recognised by content, never by name, and without executing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from latentlayers.checkpoints.build import build
from latentlayers.checkpoints.header import MAX_TEXT, METADATA_KEY, ModelHeader, digest, read_layout
from latentlayers.checkpoints.native import load_generator_native, stored_tensors
from latentlayers.checkpoints.pickles.container import read_value
from latentlayers.checkpoints.pickles.inert import ALLOWED
from latentlayers.checkpoints.pickles.limits import SPARE_BYTES, Budget
from latentlayers.checkpoints.readers import lernapparat, nvidia, state_dicts, tensorflow
from latentlayers.checkpoints.readers.network import Network
from latentlayers.checkpoints.readers.nvidia_names import init_kwargs
from latentlayers.checkpoints.readers.strangers import refusal
from latentlayers.checkpoints.refusals import decoding, open_bounded
from latentlayers.generators import Generator


def load_generator(path: str | Path) -> Generator:
    """The averaged generator in a checkpoint file, frozen, float32, on the CPU.

    Reads our own safetensors; NVIDIA's PyTorch pickles (stylegan2-ada-pytorch, stylegan3-t and -r); NVIDIA's
    TensorFlow pickles of StyleGAN1 and StyleGAN2 (all configurations, and ADA); lernapparat's tables of StyleGAN1's
    weights; and tables of StyleGAN2's weights, as torch.save or safetensors write them, with the names of any project
    in `layouts.LAYOUTS` or of NVIDIA's.

    Raises:
        NotFound: no such file. CorruptCheckpoint: damaged or contradictory. UnsupportedCheckpoint: another format or
        family, or it asks to run something; the message names what.
    """
    return load_checkpoint(path)[0]


def load_checkpoint(path: str | Path, origin: str = "") -> tuple[Generator, ModelHeader]:
    """As `load_generator`, with the model's description; for foreign files it is made from what they say.

    Args:
        origin: where the file comes from, if that is more than its name; its provenance begins with that.
    """
    path = Path(path)
    with open_bounded(path) as (file, size), decoding():
        if _is_safetensors(file):
            layout = read_layout(file, size)
            if METADATA_KEY in layout.metadata:
                generator, header = load_generator_native(path)
                return generator, replace(header, provenance=_joined(origin, header.provenance))
            network = _convert(stored_tensors(file, layout), size, init_kwargs(layout.metadata))
        else:
            network = _convert(read_value(file, size, ALLOWED), size)
        generator = build(network.config, network.arrays, foreign=True)
    header = ModelHeader(
        name=path.stem,
        family=network.config.family,
        config=network.config.to_json(),
        provenance=_joined(origin or f"read from {path.name}", network.note),
        source_sha256=digest(path),
        source_format=network.source_format,
    )
    return generator, header


def _joined(*sentences: str) -> str:
    return "; ".join(filter(None, sentences))[:MAX_TEXT]


def _is_safetensors(file: BinaryIO) -> bool:
    start = file.read(9)
    file.seek(0)
    return len(start) == 9 and start[8:] == b"{"


def _convert(value: Any, size: int, settings: Mapping[str, Any] | None = None) -> Network:
    budget = Budget(size + SPARE_BYTES)
    for read in (nvidia.read, tensorflow.read, lernapparat.read, partial(state_dicts.read, settings=settings)):
        network = read(value, budget)
        if network is not None:
            return network
    raise refusal(value)
