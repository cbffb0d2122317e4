"""Ways to spoil a portrait by a chosen amount, for `perception`: pure functions of pictures in [-1, 1].

Every one of them takes a strength per picture, does nothing at strength 0, and with one seed goes in the
same direction at every strength (the noise has one pattern, the shift one heading). What leaves [-1, 1] is clamped, as
a file of it would be. Lengths are in pixels of a picture of 64 px and grow with the side.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

REFERENCE_SIDE = 64
LIGHT_BLUR = 8.0

Apply = Callable[[Tensor, Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Distortion:
    """One way to spoil a picture.

    Attributes:
        levels: strengths that a person ranks without hesitation, rising.
        most: the largest strength that leaves the person recognisable, for `perception.at_equal_mse`; None where
            strengths are steps.
        apply: (pictures [N, 3, R, R], strength [N], the source of its directions) -> pictures.
    """

    name: str
    levels: tuple[float, ...]
    most: float | None
    apply: Apply

    def __call__(self, images: Tensor, strength: Tensor | float, seed: int = 0) -> Tensor:
        """Pictures [N, 3, R, R] at a strength for all or for each [N]."""
        rng = torch.Generator().manual_seed(seed)
        strengths = torch.as_tensor(strength, dtype=torch.float32).expand(len(images))
        return self.apply(images, strengths, rng).clamp(-1, 1)


def heat(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with deviations [N] in pixels: the discrete heat kernel with mirrored borders.

    Unlike a sampled Gaussian it begins without a plateau: the picture changes with sigma squared from 0 on.
    """
    side = images.shape[-1]
    k, i = torch.arange(side)[:, None], torch.arange(side)[None]
    basis = torch.cos(math.pi / side * k * (i + 0.5)) * (2 / side) ** 0.5
    basis[0] *= 0.5**0.5
    rates = 1 - torch.cos(math.pi / side * torch.arange(side))
    decay = torch.exp(-sigma.square()[:, None] * rates)
    kernel = (basis.t() * decay[:, None, :]) @ basis
    blurred: Tensor = kernel[:, None] @ images @ kernel[:, None].transpose(2, 3)
    return blurred


def _per_pixel(images: Tensor) -> float:
    return images.shape[-1] / REFERENCE_SIDE


def _map(strength: Tensor) -> Tensor:
    return strength[:, None, None, None]


def _angles(count: int, rng: torch.Generator) -> Tensor:
    return torch.rand(count, generator=rng) * (2 * math.pi)


def _signs(count: int, rng: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=rng) < 0.5).float() * 2 - 1


def _warped(images: Tensor, matrices: Tensor) -> Tensor:
    """Resampled at `matrix @ (x, y, 1)` in coordinates -1..1; bicubic, mirrored at the borders."""
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, "bicubic", "reflection", align_corners=False)


def _turned(images: Tensor, angle: Tensor, factor: Tensor) -> Tensor:
    cos, sin, zero = angle.cos() / factor, angle.sin() / factor, torch.zeros_like(angle)
    rows = [torch.stack([cos, -sin, zero], dim=1), torch.stack([sin, cos, zero], dim=1)]
    return _warped(images, torch.stack(rows, dim=1))


def _blur(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    return heat(images, strength * _per_pixel(images))


def _noise(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    return images + torch.randn(images.shape, generator=rng) * _map(strength)


def _jpeg(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    """Strength s is quality 100 - s; 0 leaves the picture alone."""
    pixels = images.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    done = []
    for image, picture, lost in zip(images, pixels, strength.tolist(), strict=True):
        if not lost:
            done.append(image)
            continue
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=round(100 - lost))
        with Image.open(buffer) as decoded:
            done.append(torch.from_numpy(np.array(decoded)).permute(2, 0, 1).float() / 127.5 - 1)
    return torch.stack(done)


def _shift(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    angle, reach = _angles(len(images), rng), strength * 2 / REFERENCE_SIDE
    matrices = torch.eye(2, 3).repeat(len(images), 1, 1)
    matrices[:, :, 2] = torch.stack([angle.cos(), angle.sin()], dim=1) * reach[:, None]
    return _warped(images, matrices)


def _rotation(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    angle = strength.deg2rad() * _signs(len(images), rng)
    return _turned(images, angle, torch.ones_like(angle))


def _scale(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    factor = (strength * _signs(len(images), rng)).exp()
    return _turned(images, torch.zeros_like(factor), factor)


def _cast(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    """A colour of no lightness is added: unit vector in RGB, orthogonal to grey."""
    angle = _angles(len(images), rng)
    across, down = torch.tensor([1.0, -1.0, 0.0]) / 2**0.5, torch.tensor([1.0, 1.0, -2.0]) / 6**0.5
    colour = angle.cos()[:, None] * across + angle.sin()[:, None] * down
    return images + (colour * strength[:, None])[:, :, None, None]


def _contrast(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return images + (mean - images) * _map(strength)


def _light(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    """From one side: values in [0, 1] times `1 + s * ramp`, the ramp from -1 to 1 across the picture."""
    angle = _angles(len(images), rng)[:, None, None]
    line = torch.linspace(-1, 1, images.shape[-1])
    ramp = (angle.cos() * line[None, None, :] + angle.sin() * line[None, :, None]) / 2**0.5
    return (images + 1) * (1 + _map(strength) * ramp[:, None]) - 1


def _mirrored_light(images: Tensor, strength: Tensor, rng: torch.Generator) -> Tensor:
    """The coarse lightness moves towards its mirror image; the details stay."""
    grey = images.mean(dim=1, keepdim=True)
    coarse = heat(grey, torch.full([len(images)], LIGHT_BLUR * _per_pixel(images)))
    return images + _map(strength) * (coarse.flip(3) - coarse)


DISTORTIONS = (
    Distortion("blur", (0.4, 0.7, 1.1, 1.7, 2.6), 2.2, _blur),
    Distortion("noise", (0.02, 0.05, 0.1, 0.2, 0.4), 0.4, _noise),
    Distortion("jpeg", (10.0, 40.0, 65.0, 80.0, 92.0), None, _jpeg),
    Distortion("shift", (0.5, 1.0, 2.0, 4.0, 7.0), 8.0, _shift),
    Distortion("rotation", (1.0, 2.0, 4.0, 8.0, 14.0), 20.0, _rotation),
    Distortion("scale", (0.02, 0.04, 0.08, 0.15, 0.25), 0.3, _scale),
    Distortion("cast", (0.05, 0.1, 0.2, 0.35, 0.55), 0.7, _cast),
    Distortion("contrast", (0.08, 0.18, 0.32, 0.5, 0.7), 0.8, _contrast),
    Distortion("light", (0.1, 0.2, 0.4, 0.65, 0.95), 1.2, _light),
    Distortion("mirrored light", (0.1, 0.25, 0.45, 0.7, 1.0), 1.3, _mirrored_light),
)
