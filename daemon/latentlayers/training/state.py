"""The complete state of a run, and its file: one safetensors file that is replaced atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from latentlayers.checkpoints.native import write_model_file
from latentlayers.errors import CorruptCheckpoint, NotFound
from latentlayers.generators.discriminator import Discriminator, DiscriminatorConfig
from latentlayers.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from latentlayers.training.flat import parameter_count
from latentlayers.training.settings import TrainSettings

STATE_FILE = "state.safetensors"
FORMAT = "latentlayers-training-1"
M = TypeVar("M", bound=nn.Module)


@dataclass
class Counters:
    """Where a run stands.

    Attributes:
        images: pictures shown since the start or the seed.
        steps: optimiser steps, ditto.
        augment: probability of each augmentation.
        real_sign: running mean of the sign of D's logits on real pictures.
        seconds: wall time spent training.
    """

    images: int = 0
    steps: int = 0
    augment: float = 0.0
    real_sign: float = 0.0
    seconds: float = 0.0


@dataclass
class TrainState:
    """Both networks, the averaged generator, and Adam's second moments (one flat vector per network).

    `codes` [N, num_ws, w_dim] float32 are the training pictures' codes, in a run that reconstructs.
    """

    generator: StyleGAN2
    average: StyleGAN2
    discriminator: Discriminator
    generator_moment: Tensor
    discriminator_moment: Tensor
    counters: Counters
    codes: Tensor | None = None

    @torch.no_grad()
    def silence(self) -> None:
        """Set the strength of all noise to 0."""
        for generator in (self.generator, self.average):
            for name, parameter in generator.named_parameters():
                if name.endswith("noise_strength"):
                    parameter.zero_()


def _trainable(module: M, device: torch.device) -> M:
    return module.to(device).requires_grad_(True)


def new_state(config: StyleGAN2Config, judge: DiscriminatorConfig, seed: int, device: torch.device) -> TrainState:
    """Freshly initialised networks."""
    torch.manual_seed(seed)
    generator = _trainable(StyleGAN2(config), device)
    average = StyleGAN2(config).to(device)
    average.load_state_dict(generator.state_dict())
    discriminator = _trainable(Discriminator(judge), device)
    return TrainState(
        generator,
        average,
        discriminator,
        torch.zeros(parameter_count(generator), device=device),
        torch.zeros(parameter_count(discriminator), device=device),
        Counters(),
    )


def _load_named(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """Strict, but for the FIR kernels, which follow from the configuration and may be absent."""
    state = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    result = module.load_state_dict(state, strict=False)
    missing = [name for name in result.missing_keys if not name.endswith("resample_filter")]
    if missing or result.unexpected_keys:
        raise KeyError(f"{prefix or 'network'}: missing {missing}, unexpected {result.unexpected_keys}")


def save_state(state: TrainState, settings: TrainSettings, folder: Path) -> Path:
    """Write `folder`/state.safetensors; a crash at any moment leaves the previous file whole."""
    tensors = {"moment.generator": state.generator_moment, "moment.discriminator": state.discriminator_moment}
    for prefix in ("generator", "average", "discriminator"):
        named = getattr(state, prefix).state_dict()
        tensors |= {f"{prefix}.{name}": value.detach().cpu() for name, value in named.items()}
    if state.codes is not None:
        tensors["codes"] = state.codes.half()  # the next visit moves them by more than the rounding
    header = {
        "format": FORMAT,
        "generator": json.dumps(state.generator.config.to_json()),
        "discriminator": json.dumps(state.discriminator.config.to_json()),
        "settings": json.dumps(settings.to_json()),
        "counters": json.dumps(vars(state.counters)),
    }
    path = folder / STATE_FILE
    write_model_file(path, safetensors.torch.save(tensors, header))
    return path


def load_state(folder: Path, device: torch.device) -> TrainState:
    """Read what `save_state` wrote.

    Raises:
        NotFound: MODEL_UNKNOWN if the folder holds no state.
        CorruptCheckpoint: FILE_CORRUPT if the file is damaged or is something else.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        raise NotFound("MODEL_UNKNOWN", f"{folder} holds no {STATE_FILE}.", "Give the folder of an earlier run.")
    try:
        header = read_header(path)
        state = new_state(
            StyleGAN2Config.from_json(json.loads(header["generator"])),
            DiscriminatorConfig.from_json(json.loads(header["discriminator"])),
            seed=0,
            device=device,
        )
        tensors = load_file(path, device=str(device))
        for prefix in ("generator", "average", "discriminator"):
            _load_named(getattr(state, prefix), tensors, f"{prefix}.")
        state.generator_moment.copy_(tensors["moment.generator"])
        state.discriminator_moment.copy_(tensors["moment.discriminator"])
        state.counters = Counters(**json.loads(header["counters"]))
        state.codes = tensors["codes"].cpu().float() if "codes" in tensors else None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            "FILE_CORRUPT",
            f"{path} is not a whole training state: {error}.",
            "Resume from another run, or start anew with --seed-from.",
        ) from error
    return state


def read_header(path: Path) -> dict[str, Any]:
    """The string metadata of a safetensors file."""
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def run_or_seed(folder: Path, device: torch.device) -> TrainState:
    """The state of a run's folder, or of a seed's; raises as `load_state` and `seed_state` do."""
    return (load_state if (folder / STATE_FILE).exists() else seed_state)(folder, device)


def seed_state(folder: Path, device: torch.device) -> TrainState:
    """Start from a published pair: G_ema*.safetensors, D*.safetensors and config.json, without optimiser state.

    Raises:
        NotFound: MODEL_UNKNOWN if one of the files is missing.
        CorruptCheckpoint: FILE_CORRUPT if they do not fit together.
    """
    generators, discriminators = sorted(folder.glob("G_ema*.safetensors")), sorted(folder.glob("D*.safetensors"))
    config_path = folder / "config.json"
    if len(generators) != 1 or len(discriminators) != 1 or not config_path.is_file():
        raise NotFound(
            "MODEL_UNKNOWN",
            f"{folder} does not hold one G_ema*.safetensors, one D*.safetensors and config.json.",
            "Give the folder of a seed.",
        )
    try:
        sizes = json.loads(config_path.read_text(encoding="utf-8"))
        config = StyleGAN2Config(
            resolution=int(sizes["resolution"]),
            z_dim=int(sizes["z_dim"]),
            w_dim=int(sizes["w_dim"]),
            channels={int(side): int(width) for side, width in sizes["channels"].items()},
            mapping_layers=int(sizes["mapping_layers"]),
        )
        channels = {int(side): int(width) for side, width in sizes["d_channels"].items()}
        judge = DiscriminatorConfig(config.resolution, channels, int(sizes.get("d_head_features", 256)))
        state = new_state(config, judge, seed=0, device=device)
        averaged = load_file(generators[0], device=str(device))
        _load_named(state.generator, averaged)
        _load_named(state.average, averaged)
        _load_named(state.discriminator, load_file(discriminators[0], device=str(device)))
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CorruptCheckpoint(
            "FILE_CORRUPT", f"The seed in {folder} cannot be used: {error}.", "Check that its files belong together."
        ) from error
    return state
