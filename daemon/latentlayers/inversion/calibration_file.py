"""What was measured on a model, as the bytes of a safetensors file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from latentlayers.inversion.calibrate import Calibration, Coordinates, Scales
from latentlayers.inversion.domain import Domain
from latentlayers.inversion.features import FeatureNetwork

FORMAT = "calibration-3"  # another one whenever `inversion.calibrate` measures otherwise
_SPREAD, _GAINS, _PERCEPTUAL, _REFERENCE = "spread", "gains", "perceptual", "domain.reference"
_MEAN, _COMPONENTS, _ROWS, _SHARED = "domain.mean", "domain.components", "coordinates.rows", "coordinates.shared"


def subject(digest: str, features: FeatureNetwork) -> str:
    """What a calibration is about: the generator whose file has this sha256, seen through `features`."""
    return f"{digest}-{features.name}"


def encode_calibration(calibration: Calibration, about: str, *, half: bool = False) -> bytes:
    """A file for `read_calibration`.

    Args:
        about: what it was measured on, see `subject`.
        half: keep tensors in float16: coordinates to search in, and components to compare with, need no more.
    """
    numbers: dict[str, float | tuple[float, ...]] = {}
    tensors: dict[str, Tensor] = {}
    scales, coordinates = calibration.scales, calibration.coordinates
    if scales is not None:
        numbers |= {_SPREAD: scales.spread, _GAINS: scales.gains, _PERCEPTUAL: scales.perceptual}
        if scales.domain is not None:
            numbers[_REFERENCE] = scales.domain.reference
            tensors |= {_MEAN: scales.domain.mean, _COMPONENTS: scales.domain.components}
    if coordinates is not None:
        tensors |= {_ROWS: coordinates.rows, _SHARED: coordinates.shared}
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    described = json.dumps(numbers)
    checksum = _checksum(described, tensors)
    return save(tensors, {"format": FORMAT, "about": about, "numbers": described, "sha256": checksum})


def read_calibration(path: Path, about: str, device: torch.device) -> Calibration:
    """What was measured on `about`, in float32. Raises OSError, SafetensorError, KeyError, ValueError."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata["format"] != FORMAT:
        raise ValueError(f"its format is {metadata['format']:.80}")
    if metadata["about"] != about:
        raise ValueError(f"it is about {metadata['about']:.200}, not {about}")
    if metadata["sha256"] != _checksum(metadata["numbers"], tensors):
        raise ValueError("its numbers have changed since they were written")
    numbers = json.loads(metadata["numbers"])
    tensors = {name: tensor.to(device, torch.float32) for name, tensor in tensors.items()}
    scales = coordinates = domain = None
    if _REFERENCE in numbers:
        domain = Domain(tensors[_MEAN], tensors[_COMPONENTS], numbers[_REFERENCE])
    if _SPREAD in numbers:
        scales = Scales(numbers[_SPREAD], tuple(numbers[_GAINS]), numbers[_PERCEPTUAL], domain)
    if _ROWS in tensors:
        coordinates = Coordinates(tensors[_ROWS], tensors[_SHARED])
    return Calibration(scales, coordinates)


def _checksum(numbers: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(numbers.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {list(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return digest.hexdigest()
