"""What estimators look at: a picture as a row of numbers, in several independent ways."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.discriminator import DiscriminatorTrunk

TAP_SIDE = 16
EDGE_SIDE, EDGE_CELL, EDGE_BINS = 64, 8, 8

MEASURES = ("chroma", "light", "brightness")


def chroma(images: Tensor) -> Tensor:
    """[N] mean over pixels of max(r, g, b) - min(r, g, b), for pictures [N, 3, R, R] in [-1, 1]; 0 is grey."""
    return (images.amax(dim=1) - images.amin(dim=1)).mean(dim=(1, 2))


def _face_halves(images: Tensor) -> tuple[Tensor, Tensor]:
    """[N] each: the mean grey value, 0 to 1, of the left and right half of a box within an aligned face."""
    side = images.shape[-1]
    grey = images[..., side * 6 // 16 : side * 13 // 16, :].mean(dim=1) / 2 + 0.5
    left, right = (grey[..., side * a // 16 : side * b // 16].mean(dim=(1, 2)) for a, b in ((5, 8), (8, 11)))
    return left, right


def light(images: Tensor) -> Tensor:
    """[N] (right - left) / (right + left) of the face's halves: positive if lit from the viewer's right."""
    left, right = _face_halves(images)
    return (right - left) / (right + left + 0.05)


def brightness(images: Tensor) -> Tensor:
    """[N] mean grey value of the face, 0 to 1."""
    left, right = _face_halves(images)
    return (left + right) / 2


def measures(images: Tensor) -> Tensor:
    """[N, 3]: `MEASURES`, straight from the pixels."""
    return torch.stack([chroma(images), light(images), brightness(images)], dim=1)


def edges(images: Tensor) -> Tensor:
    """[N, F]: how strong the edges of each orientation are, cell by cell, relative to the neighbourhood.

    Histograms of oriented gradients (Dalal & Triggs, CVPR 2005) of the grey picture at 64 px, over half overlapping
    cells of 8 px. Nothing about them is learnt.
    """
    grey = F.interpolate(images.mean(dim=1, keepdim=True), size=EDGE_SIDE, mode="area")
    across, down = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2], grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    strength = (across.square() + down.square() + 1e-8).sqrt()
    angle = torch.atan2(down, across)
    centres = torch.arange(EDGE_BINS).view(1, -1, 1, 1) * math.pi / EDGE_BINS
    away = ((angle - centres + math.pi / 2) % math.pi - math.pi / 2).abs() * EDGE_BINS / math.pi
    cells = F.avg_pool2d(F.pad((1 - away).clamp(min=0) * strength, (1, 1, 1, 1)), EDGE_CELL, EDGE_CELL // 2)
    around = F.avg_pool2d(cells.sum(dim=1, keepdim=True), 3, stride=1, padding=1, count_include_pad=False)
    return (cells / (around + 0.01)).flatten(1)


class Looks:
    """All ways of looking, by name.

    "face", "mouth": the trunk's tap of 16 px (or its finest, if it is smaller) over the face, or its lower half.
    "edges": see `edges`. "face-turned", "edges-turned": the difference to the mirror image's, so that
    whatever is read off them is the exact opposite for a mirrored picture. "measures": see `measures`.
    """

    def __init__(self, trunk: DiscriminatorTrunk) -> None:
        self._trunk = trunk
        sides = [trunk.config.resolution // 2, *(side // 2 for side in trunk.sides)]
        self._tap = next(i for i, side in enumerate(sides) if side <= TAP_SIDE)

    def _tapped(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        return self._trunk.features(images, dtype)[self._tap].float()

    def __call__(self, images: Tensor, names: Collection[str], dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Pictures [N, 3, R, R] in [-1, 1] -> [N, F] float32 for each name; differentiable.

        Args:
            dtype: precision of the trunk.
        """
        seen: dict[str, Tensor] = {}
        if {"face", "mouth", "face-turned"} & set(names):
            tap = self._tapped(images, dtype)
            seen["face"], seen["mouth"] = _face(tap), _mouth(tap)
            if "face-turned" in names:
                seen["face-turned"] = seen["face"] - _face(self._tapped(images.flip(3), dtype))
        if {"edges", "edges-turned"} & set(names):
            seen["edges"] = edges(images)
            if "edges-turned" in names:
                seen["edges-turned"] = seen["edges"] - edges(images.flip(3))
        if "measures" in names:
            seen["measures"] = measures(images)
        return {name: seen[name] for name in names}


def _face(tap: Tensor) -> Tensor:
    h, w = tap.shape[-2:]
    return tap[:, :, h // 8 : h * 15 // 16, w * 3 // 16 : w * 13 // 16].flatten(1)


def _mouth(tap: Tensor) -> Tensor:
    """From mid-height to above the collar."""
    h, w = tap.shape[-2:]
    return tap[:, :, h // 2 : h * 7 // 8, w // 4 : w * 3 // 4].flatten(1)
