"""What embedding measured on a model, kept on disk: measuring takes seconds, at every start of the worker."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from latentlayers.atomic import write_atomic
from latentlayers.errors import LatentLayersError
from latentlayers.generators import Generator
from latentlayers.inversion import calibrate
from latentlayers.inversion.calibrate import Calibration, Coordinates, Scales
from latentlayers.inversion.domain import Domain
from latentlayers.inversion.features import FeatureNetwork

log = logging.getLogger(__name__)

FORMAT = "calibration-1"  # another one whenever `inversion.calibrate` measures otherwise
_SPREAD, _GAINS, _PERCEPTUAL, _REFERENCE = "spread", "gains", "perceptual", "domain.reference"
_MEAN, _COMPONENTS, _ROWS, _SHARED = "domain.mean", "domain.components", "coordinates.rows", "coordinates.shared"


class CalibrationFile:
    """The file for one generator and one perceptual network; what it holds is known to `calibrate` from now on.

    A file that is damaged or of another format is as good as none, and one that cannot be written is done without.

    Args:
        digest: sha256 (hex) of the generator's file.
    """

    def __init__(self, folder: Path, digest: str, generator: Generator, features: FeatureNetwork) -> None:
        self._path = folder / f"{digest}-{features.name}.safetensors"
        self._generator, self._features = generator, features
        self._kept = Calibration()
        try:
            self._kept = _read(self._path, generator.w_avg.device)
        except FileNotFoundError:
            pass
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("%s is measured again: %s", self._path.name, error)
        calibrate.remember(generator, features, self._kept)

    def update(self) -> None:
        """Writes the file if more has been measured since it was read or written."""
        known = calibrate.known(self._generator, self._features)
        if known is self._kept:
            return
        self._kept = known
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomic(self._path, _encoded(known))
        except (LatentLayersError, OSError) as error:
            log.warning("the calibration is not kept: %s", error)


def forget_other_models(folder: Path, digests: Collection[str]) -> None:
    """Deletes what was measured on models other than those with these digests, and what writing left unfinished."""
    for file in folder.glob("*"):
        if file.name.partition("-")[0] not in digests:
            with suppress(OSError):
                file.unlink()


def _encoded(calibration: Calibration) -> bytes:
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
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    described = json.dumps(numbers)
    return save(tensors, {"format": FORMAT, "numbers": described, "sha256": _checksum(described, tensors)})


def _read(path: Path, device: torch.device) -> Calibration:
    """Raises OSError, SafetensorError, KeyError, ValueError."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata["format"] != FORMAT:
        raise ValueError(f"its format is {metadata['format']:.80}")
    if metadata["sha256"] != _checksum(metadata["numbers"], tensors):
        raise ValueError("its numbers have changed since they were written")
    numbers = json.loads(metadata["numbers"])
    tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
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
