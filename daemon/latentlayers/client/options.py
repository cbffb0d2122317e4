"""How to embed and what to send back, as settings with the daemon's defaults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from latentlayers.client.pictures import PictureLike, picture_to_wire
from latentlayers.errors import InvalidInput
from latentlayers.v1 import editing_service_pb2, latent_pb2, picture_pb2

T = TypeVar("T")
Space = Literal["w+", "w", "z"]
Paste = Literal["none", "replace", "residual"]
NoiseMode = Literal["const", "none", "random"]

SPACES = {
    "": latent_pb2.LATENT_SPACE_UNSPECIFIED,
    "w+": latent_pb2.LATENT_SPACE_W_PLUS,
    "w": latent_pb2.LATENT_SPACE_W,
    "z": latent_pb2.LATENT_SPACE_Z,
}
PASTES = {
    "none": editing_service_pb2.PASTE_MODE_NONE,
    "replace": editing_service_pb2.PASTE_MODE_REPLACE,
    "residual": editing_service_pb2.PASTE_MODE_RESIDUAL,
}
NOISE_MODES = {
    "const": editing_service_pb2.NOISE_MODE_CONST,
    "none": editing_service_pb2.NOISE_MODE_NONE,
    "random": editing_service_pb2.NOISE_MODE_RANDOM,
}
_SEEDS = range(-(2**63), 2**63)
_COUNTS = range(2**32)


@dataclass(frozen=True)
class EmbedOptions:
    """How pictures are embedded; embeddings and latents in the same call are not affected.

    Attributes:
        model: name; "" is the daemon's default model.
        preset: "fast", "best", "paper", "projector"; "" is the daemon's default.
        space: "w+", "w" or "z"; None is the preset's own.
        seed: the same seed gives the same result.
        refresh: embed again even what the library already has.
        max_steps: most optimiser steps; 0 is the preset's own number.
        preview_interval: shortest time between two previews, in seconds; 0: no previews.
    """

    model: str = ""
    preset: str = ""
    space: Space | None = None
    seed: int = 0
    refresh: bool = False
    max_steps: int = 0
    preview_interval: float = 0.0

    def to_wire(self) -> latent_pb2.EmbedOptions:
        """Raises InvalidInput OPTION_INVALID for what the message cannot hold."""
        if not math.isfinite(self.preview_interval):
            raise invalid_option("preview_interval", self.preview_interval)
        return latent_pb2.EmbedOptions(
            model=self.model,
            preset=self.preset,
            space=lookup("space", SPACES, self.space or ""),
            seed=in_range("seed", self.seed, _SEEDS),
            refresh=self.refresh,
            max_steps=in_range("max_steps", self.max_steps, _COUNTS),
            preview_interval_ms=in_range("preview_interval", round(1000 * self.preview_interval), _COUNTS),
        )


@dataclass(frozen=True)
class OutputOptions:
    """What results look like.

    Attributes:
        paste: "none" is the model's square picture; "replace" and "residual" put it back into the first source.
        feather: width of the soft border as a share of the frame's side; None is the daemon's choice.
        resolution: side at which synthesis stops, in pixels; 0 is the model's resolution.
        latents: send the edited codes too.
        selection: where the result may show when pasted: a picture of the source's size, white shows.
    """

    paste: Paste = "none"
    feather: float | None = None
    resolution: int = 0
    latents: bool = False
    selection: PictureLike | None = None

    def to_wire(self, limit: int) -> editing_service_pb2.OutputOptions:
        """Results are asked for as PNG. Raises as `picture_to_wire` does, and InvalidInput OPTION_INVALID."""
        return editing_service_pb2.OutputOptions(
            paste=lookup("paste", PASTES, self.paste),
            feather=self.feather,
            format=picture_pb2.PIXEL_FORMAT_UNSPECIFIED,
            resolution=in_range("resolution", self.resolution, _COUNTS),
            latents=self.latents,
            selection=None if self.selection is None else picture_to_wire(self.selection, limit),
        )


EMBED_DEFAULTS = EmbedOptions()
OUTPUT_DEFAULTS = OutputOptions()


def lookup(option: str, table: Mapping[str, T], value: str) -> T:
    """`table[value]`. Raises InvalidInput OPTION_INVALID naming what there is."""
    if value not in table:
        raise invalid_option(option, value, ", ".join(filter(None, table)))
    return table[value]


def in_range(option: str, value: int, allowed: range) -> int:
    """`value`. Raises InvalidInput OPTION_INVALID if it is not an allowed whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise invalid_option(option, value, f"a whole number from {allowed.start} to {allowed.stop - 1}")
    return value


def invalid_option(option: str, value: object, allowed: str = "a finite number") -> InvalidInput:
    return InvalidInput("OPTION_INVALID", f"{value!r:.60} is not a value of {option}.", f"Use {allowed}.")
