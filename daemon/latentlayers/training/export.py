"""From a training run to the files of a model: generator, perceptual network, directions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from latentlayers.checkpoints import load_generator
from latentlayers.checkpoints.header import ModelHeader, digest
from latentlayers.checkpoints.native import save_generator, write_model_file
from latentlayers.generators.discriminator import DiscriminatorTrunk, ResidualBlock
from latentlayers.inversion import calibrate
from latentlayers.inversion.calibrate import Calibration
from latentlayers.inversion.calibration_file import encode_calibration, subject
from latentlayers.inversion.features import load_features, save_features
from latentlayers.training.grids import draw_samples
from latentlayers.training.state import TrainState

GENERATOR_FILE = "generator.safetensors"
FEATURES_FILE = "features.safetensors"
DIRECTIONS_FILE = "directions.safetensors"
CALIBRATION_FILE = "calibration.safetensors"
CALIBRATION_SAMPLES = 128


@torch.no_grad()
def trunk_of(state: TrainState) -> DiscriminatorTrunk:
    """The discriminator's convolutional part as a perceptual network: a frozen copy, calibrated.

    A discriminator's activations grow from layer to layer (tenfold at the last one here), so that in a sum of squared
    differences one layer would be all that counts. As its activation is positively homogeneous, each layer can be
    divided by the RMS of its output and the next one multiplied by it without changing what is computed; after
    this every tap of `features` has RMS 1 over the generator's samples.
    """
    trunk = DiscriminatorTrunk(state.discriminator.config)
    trunk.load_trunk({name: value.detach().cpu() for name, value in state.discriminator.state_dict().items()})
    samples = draw_samples(state.average, CALIBRATION_SAMPLES)
    blocks: list[ResidualBlock] = [getattr(trunk, f"b{side}") for side in trunk.sides]
    makers = [[trunk.stem], *([block.conv1, block.skip] for block in blocks)]
    takers = [*([block.conv0, block.skip] for block in blocks), []]
    for tap, (made_by, taken_by) in enumerate(zip(makers, takers, strict=True)):
        rms = trunk.features(samples)[tap].square().mean().sqrt()
        for conv in made_by:
            for parameter in conv.parameters():
                parameter.div_(rms)
        for conv in taken_by:
            conv.weight.mul_(rms)
    return trunk.requires_grad_(False).eval()


def export_model(state: TrainState, folder: Path, *, name: str, licence: str, provenance: str) -> None:
    """Write the averaged generator, the trunk and the calibration of both, in float16, for `ModelStore` to find.

    Raises:
        Exhausted, PreconditionFailed: the disk is full or the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = ModelHeader(
        name=name,
        family=state.average.family,
        config=state.average.config.to_json(),
        licence=licence,
        provenance=provenance,
        domain="portraits",
    )
    save_generator(folder / GENERATOR_FILE, state.average, header, half=True)
    save_features(folder / FEATURES_FILE, trunk_of(state))
    _save_calibration(folder)


def _save_calibration(folder: Path) -> None:
    """What embedding measures first on the files as they are now, so that nobody has to wait for it."""
    generator, features = load_generator(folder / GENERATOR_FILE), load_features(folder / FEATURES_FILE)
    calibration = Calibration(calibrate.scales(generator, features), calibrate.coordinates(generator, features))
    about = subject(digest(folder / GENERATOR_FILE), features)
    write_model_file(folder / CALIBRATION_FILE, encode_calibration(calibration, about, half=True))


def save_directions(directions: Mapping[str, Tensor], evidence: Mapping[str, Any], path: Path) -> None:
    """One float32 tensor [num_ws, w_dim] per name; metadata `evidence` is what is known about each, as JSON."""
    tensors = {name: direction.to(torch.float32).contiguous() for name, direction in directions.items()}
    write_model_file(path, safetensors.torch.save(tensors, {"evidence": json.dumps(evidence)}))
