"""Adaptive discriminator augmentation (Karras et al., NeurIPS 2020), reduced to what suits small portraits.

Every transformation is left out with probability 1 - p, independently, so the distribution of undistorted
pictures stays identifiable: for p below about 0.8 the generator learns those and not the distortions.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE_OCTAVES = 0.2  # std of log2 of the isotropic scale
ROTATION = math.radians(10.0)  # std
SHIFT = 0.08  # std, in picture sides
BRIGHTNESS = 0.2  # std, of a range of 2
CONTRAST_OCTAVES = 0.4
SATURATION_OCTAVES = 0.8


def augment(images: Tensor, probability: float) -> Tensor:
    """Distort pictures differentiably: [N, 3, H, W] in [-1, 1] -> the same shape, range slightly exceeded."""
    if probability <= 0:
        return images
    return _colour(_warp(images, probability), probability)


def _gated(images: Tensor, probability: float, std: float) -> Tensor:
    """[N] normal numbers of the given std, each replaced by 0 with chance 1 - probability."""
    n, device = images.shape[0], images.device
    return torch.randn(n, device=device) * std * (torch.rand(n, device=device) < probability)


def _warp(images: Tensor, probability: float) -> Tensor:
    """Scale, rotate and shift about the centre; what comes from outside is mirrored in."""
    scale = torch.exp2(_gated(images, probability, SCALE_OCTAVES))
    angle = _gated(images, probability, ROTATION)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    # affine_grid's coordinates span 2 per side.
    dx, dy = (_gated(images, probability, 2 * SHIFT) for _ in range(2))
    matrix = torch.stack([torch.stack([cos, -sin, dx], dim=1), torch.stack([sin, cos, dy], dim=1)], dim=1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _colour(images: Tensor, probability: float) -> Tensor:
    """Saturation about the grey value, contrast about mid-grey, brightness."""
    saturation, contrast = (
        torch.exp2(_gated(images, probability, octaves))[:, None, None, None]
        for octaves in (SATURATION_OCTAVES, CONTRAST_OCTAVES)
    )
    brightness = _gated(images, probability, BRIGHTNESS)[:, None, None, None]
    grey = images.mean(dim=1, keepdim=True)
    return (grey + (images - grey) * saturation) * contrast + brightness
