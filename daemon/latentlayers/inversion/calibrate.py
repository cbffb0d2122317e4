"""What is measured once on a generator before pictures are embedded with it, from a few of its own samples.

Directions of `w+` move the picture by amounts that differ a thousandfold: turning the head against tinting a strand. An
optimiser of first order then crawls. Here the mean curvature of the objective is estimated by row of `w+`,

    C_r = E[J_r^T u u^T J_r],   u random signs over all values compared, J_r their Jacobian by row r,

with the presets' weights and one backward pass per sample, and embedding happens in coordinates `v` with
`w_r = w_avg + v_r (C_r + mu)^(-1/2)`, in which the model's average picture curves alike in all directions. mu keeps
directions that hardly show from running off. It is large on purpose: with 1024 samples and a fiftieth of it a search
comes 0.3 dB nearer in as many steps, by ways that hardly show, and directions break what it finds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from latentlayers.generators import Generator
from latentlayers.generators.prior import draw
from latentlayers.inversion.domain import HELD_OUT, Domain, coarse_map
from latentlayers.inversion.features import FeatureNetwork
from latentlayers.inversion.presets import PIXEL_WEIGHT

SCALE_SAMPLES = 128 + HELD_OUT
CURVATURE_SAMPLES = 64
JITTER = 0.4  # of the deviation of w, added to each row by itself: codes in w+, not only in W
RIDGE = 0.01  # mu as a share of the mean trace of C_r
SIDE = 256  # what happens above it hardly shows in the features, and costs most


@dataclass(frozen=True)
class Scales:
    """Sizes of the model's own samples.

    Attributes:
        spread: root mean square of `||ws - w_avg||`.
        gains: factor of each feature term.
        perceptual: the mean of the weighted feature terms between a sample and the mean picture.
        domain: what the samples look like; None if the features cannot tell.
    """

    spread: float
    gains: tuple[float, ...]
    perceptual: float
    domain: Domain | None


@dataclass(frozen=True)
class Coordinates:
    """Symmetric matrices `(C + mu)^(-1/2)`: rows [num_ws, w_dim, w_dim] for `w+`, shared [w_dim, w_dim] for `w`."""

    rows: Tensor
    shared: Tensor


@dataclass(frozen=True)
class Calibration:
    """What is known of a generator seen through a perceptual network; what is None is measured when it is needed."""

    scales: Scales | None = None
    coordinates: Coordinates | None = None


_calibrations: WeakKeyDictionary[Generator, dict[str, Calibration]] = WeakKeyDictionary()


def known(generator: Generator, features: FeatureNetwork) -> Calibration:
    """What was measured, or remembered from an earlier process, so far."""
    return _calibrations.get(generator, {}).get(features.name, Calibration())


def remember(generator: Generator, features: FeatureNetwork, calibration: Calibration) -> None:
    """From now on, and while the generator lives, `calibration` is what is known; on the generator's device."""
    _calibrations.setdefault(generator, {})[features.name] = calibration


def scales(generator: Generator, features: FeatureNetwork, tick: Callable[[], None] = lambda: None) -> Scales:
    """Measured unless known, and then remembered.

    Args:
        tick: called between batches; may raise to cancel.
    """
    found = known(generator, features).scales
    if found is None:
        found = _measure_scales(generator, features, tick)
        remember(generator, features, replace(known(generator, features), scales=found))
    return found


def coordinates(generator: Generator, features: FeatureNetwork, tick: Callable[[], None] = lambda: None) -> Coordinates:
    """As `scales`. On the generator's device, float32."""
    found = known(generator, features).coordinates
    if found is None or found.rows.device != generator.w_avg.device:
        found = _measure_coordinates(generator, features, tick)
        remember(generator, features, replace(known(generator, features), coordinates=found))
    return found


def _batches(count: int, side: int) -> list[int]:
    size = max(1, min(16, (1 << 18) // side**2))
    return [min(size, count - start) for start in range(0, count, size)]


def _side(generator: Generator) -> int:
    within = [side for side in generator.resolutions if side <= SIDE]
    return within[-1] if within else generator.resolution


@torch.no_grad()
def _measure_scales(generator: Generator, features: FeatureNetwork, tick: Callable[[], None]) -> Scales:
    rng = torch.Generator().manual_seed(0)
    side = _side(generator)

    def drawn(ws: Tensor) -> Tensor:
        return generator.synthesize(ws, resolution=side)

    def compared(picture: Tensor) -> list[Tensor]:
        return [picture, *features(picture)]

    centre = compared(drawn(generator.w_avg.repeat(1, generator.num_ws, 1)))
    total = [torch.zeros_like(value[0], dtype=torch.float64) for value in centre]
    squares = [torch.zeros_like(value) for value in total]
    coarse, distances = [], []
    for size in _batches(SCALE_SAMPLES, side):
        tick()
        ws = generator.map(*draw(generator, size, rng))
        distances.append((ws - generator.w_avg).square().sum(dim=(1, 2)))
        picture = drawn(ws)
        values = compared(picture)
        for value, one, two in zip(values, total, squares, strict=True):
            one += value.double().sum(dim=0)
            two += value.double().square().sum(dim=0)
        if features.judges:
            coarse.append(coarse_map(features.taps(picture)))
    variances = [
        float((two / SCALE_SAMPLES - (one / SCALE_SAMPLES).square()).mean())
        for one, two in zip(total, squares, strict=True)
    ]
    gains = tuple(variances[0] / max(v, 1e-12) if features.balanced else 1.0 for v in variances[1:])
    return Scales(
        spread=math.sqrt(float(torch.cat(distances).mean())),
        gains=gains,
        perceptual=sum(variance * gain for variance, gain in zip(variances[1:], gains, strict=True)),
        domain=Domain.of(torch.cat(coarse)) if features.judges else None,
    )


def _measure_coordinates(generator: Generator, features: FeatureNetwork, tick: Callable[[], None]) -> Coordinates:
    gains = scales(generator, features, tick).gains
    rng = torch.Generator().manual_seed(1)
    side, device = _side(generator), generator.w_avg.device
    gradients = []
    for size in _batches(CURVATURE_SAMPLES, side):
        tick()
        with torch.no_grad():
            offset = generator.map(*draw(generator, size, rng)) - generator.w_avg
            offset = offset * torch.rand(size, 1, 1, generator=rng).to(device)
            jitter = torch.randn(offset.shape, generator=rng).to(device) * offset.std() * JITTER
        ws = (generator.w_avg + offset + jitter).requires_grad_(True)
        picture = generator.synthesize(ws, resolution=side)
        projected = torch.zeros([], device=device)
        for value, gain in zip([picture, *features(picture)], [PIXEL_WEIGHT, *gains], strict=True):
            signs = torch.randint(0, 2, value.shape, generator=rng).to(device) * 2 - 1
            projected = projected + (value * signs).sum() * math.sqrt(gain / value[0].numel())
        gradients.append(torch.autograd.grad(projected, ws)[0])
    by_row = torch.cat(gradients).transpose(0, 1)
    rows = by_row.transpose(1, 2) @ by_row / CURVATURE_SAMPLES
    summed = by_row.sum(dim=0)
    return Coordinates(
        rows=_inverse_root(rows, RIDGE * float(rows.diagonal(dim1=1, dim2=2).sum(dim=1).mean())),
        shared=_inverse_root(summed.t() @ summed / CURVATURE_SAMPLES, RIDGE * float(summed.square().sum(1).mean())),
    )


def _inverse_root(matrices: Tensor, ridge: float) -> Tensor:
    """(M + ridge)^(-1/2) of symmetric positive [..., d, d]; in float64, on the CPU: the same on every device."""
    values, vectors = torch.linalg.eigh(matrices.double().cpu())
    scale = (values.clamp_min(0) + ridge).rsqrt()
    root: Tensor = (vectors * scale[..., None, :]) @ vectors.transpose(-1, -2)
    return root.to(matrices)
