"""From a training run to the files of a model: generator, perceptual network, directions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from latentlayers.checkpoints import load_generator
from latentlayers.checkpoints.header import ModelHeader, digest
from latentlayers.checkpoints.native import save_generator, write_model_file
from latentlayers.generators.discriminator import Conv, DiscriminatorTrunk, ResidualBlock
from latentlayers.generators.stylegan2 import StyleGAN2
from latentlayers.generators.widening import renoised
from latentlayers.inversion import calibrate
from latentlayers.inversion.calibrate import Calibration
from latentlayers.inversion.calibration_file import encode_calibration, subject
from latentlayers.inversion.features import TrunkFeatures, load_features, save_features
from latentlayers.training.channels import learn_channels
from latentlayers.training.data import Portraits
from latentlayers.training.grids import draw_samples, to_signed
from latentlayers.training.state import TrainState

GENERATOR_FILE = "generator.safetensors"
FEATURES_FILE = "features.safetensors"
DIRECTIONS_FILE = "directions.safetensors"
CALIBRATION_FILE = "calibration.safetensors"
CALIBRATION_SAMPLES = 128
COMPARED_PORTRAITS = 250
LOST_SAMPLES = 16


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
    for tap, (made_by, taken_by) in enumerate(_tap_neighbours(trunk)):
        rms = trunk.features(samples)[tap].square().mean().sqrt()
        _scale_tap(made_by, taken_by, 1 / rms)
    return trunk.requires_grad_(False).eval()


def _tap_neighbours(trunk: DiscriminatorTrunk) -> list[tuple[list[Conv], list[Conv]]]:
    """For every tap, the layers whose sum it is and those that read it."""
    blocks: list[ResidualBlock] = [getattr(trunk, f"b{side}") for side in trunk.sides]
    makers = [[trunk.stem], *([block.conv1, block.skip] for block in blocks)]
    takers = [*([block.conv0, block.skip] for block in blocks), []]
    return list(zip(makers, takers, strict=True))


def _scale_tap(made_by: Sequence[Conv], taken_by: Sequence[Conv], factor: Tensor) -> None:
    """Multiply a tap by a number, without changing what later layers compute."""
    for conv in made_by:
        conv.weight.mul_(factor)
        if conv.bias is not None:
            conv.bias.mul_(factor)
    for conv in taken_by:
        conv.weight.div_(factor)


def export_model(
    state: TrainState,
    folder: Path,
    *,
    name: str,
    licence: str,
    provenance: str,
    portraits: Portraits | None = None,
    show: Callable[[str], None] = lambda line: None,
) -> None:
    """Write the averaged generator, the trunk and the calibration of both, in float16, for `ModelStore` to find.

    Args:
        portraits: of the generator's side, to learn from which of the trunk's channels matter; None leaves them.

    Raises:
        Exhausted, PreconditionFailed: the disk is full or the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawing = bare(state.average)
    header = ModelHeader(
        name=name,
        family=drawing.family,
        config=drawing.config.to_json(),
        licence=licence,
        provenance=provenance,
        domain="portraits",
    )
    save_generator(folder / GENERATOR_FILE, drawing, header, half=True)
    show(f"pictures differ from float32's by {_lost(state, folder / GENERATOR_FILE):.3f} of 255 on average")
    trunk, channels = trunk_of(state), None
    if portraits is not None:
        some = portraits.spread(COMPARED_PORTRAITS)
        channels = learn_channels(trunk, to_signed(some.images), torch.from_numpy(some.is_colour), show)
    save_features(folder / FEATURES_FILE, TrunkFeatures(trunk, channels=channels))
    _save_calibration(folder)


def bare(generator: StyleGAN2) -> StyleGAN2:
    """The generator, without its noise maps if they do nothing."""
    parameters = dict(generator.named_parameters())
    if any(bool(value) for name, value in parameters.items() if name.endswith("noise_strength")):
        return generator
    return renoised(generator, use_noise=False)


@torch.no_grad()
def _lost(state: TrainState, file: Path) -> float:
    """Mean difference in grey levels between the run's samples and those of the file, which holds float16."""
    kept, stored = (draw_samples(generator, LOST_SAMPLES) for generator in (state.average, load_generator(file)))
    return float((kept - stored).abs().mean()) * 127.5


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
