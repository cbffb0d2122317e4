"""Directions in `w` found without labels, by SeFa and by GANSpace, and moving a code along one.

Computed directions have neutral names, "sefa-1", "sefa-2", ..., "pca-1", ...: what each does to a picture
differs from model to model. Signs are made deterministic: the entry of largest magnitude is positive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from latentlayers.editing.checks import check_codes, check_result, check_rows, check_weight
from latentlayers.errors import InvalidInput, NotFound

METHODS = ("sefa", "pca")


@dataclass(frozen=True)
class ComputedDirection:
    """A computed direction by name: `method` is one of METHODS, `index` counts from 0."""

    method: str
    index: int


def parse_direction(name: str) -> ComputedDirection | None:
    """ "sefa-1" -> ComputedDirection("sefa", 0); None for a name of any other form, such as a labelled "smile"."""
    match = re.fullmatch(rf"({'|'.join(METHODS)})-([1-9][0-9]{{0,3}})", name)
    return ComputedDirection(match[1], int(match[2]) - 1) if match else None


def sefa(style_weights: Iterable[Tensor], k: int) -> Tensor:
    """The `k` directions that move the styles most -> [k, w_dim], orthonormal rows, strongest first.

    Closed-form factorisation (Shen & Zhou, CVPR 2021): `n* = argmax ||A n||^2` over unit vectors n, solved by
    the eigenvectors of `A^T A`, where A stacks the affine weights [channels, w_dim] of the chosen layers, each
    channel's weight vector scaled to length 1 as in the authors' code. Which layers those are is the caller's
    choice: `[a for row, a in generator.style_weights() if row in rows]`.

    Raises:
        NotFound: DIRECTION_UNKNOWN unless 1 <= k <= w_dim.
    """
    a = torch.cat([weight.detach().double() for weight in style_weights])
    a = torch.nn.functional.normalize(a, dim=1)
    _, directions = _leading_eigenvectors(a.t() @ a, k)
    return directions.float()


class PrincipalComponents(NamedTuple):
    """Result of `ganspace`, all float32.

    Attributes:
        components: [k, w_dim], orthonormal rows, largest spread first.
        stdevs: [k], standard deviation of the samples along each component, in the units of `w`.
        mean: [w_dim].
    """

    components: Tensor
    stdevs: Tensor
    mean: Tensor


def ganspace(ws_samples: Tensor, k: int) -> PrincipalComponents:
    """Principal components of mapped samples (Härkönen et al., NeurIPS 2020) from `ws_samples` [N, w_dim].

    The edit is `w + strength * stdev_i * component_i`, so strength counts standard deviations.

    Raises:
        InvalidInput: LATENT_SHAPE with fewer than 2 samples, LATENT_NOT_FINITE.
        NotFound: DIRECTION_UNKNOWN unless 1 <= k <= w_dim.
    """
    check_codes(ws_samples=ws_samples)
    if ws_samples.ndim != 2 or len(ws_samples) < 2:
        raise InvalidInput(
            "LATENT_SHAPE",
            f"Principal components need samples [N, w_dim] with N of at least 2, not {list(ws_samples.shape)}.",
            "Draw several thousand samples with the generator's mapping.",
        )
    samples = ws_samples.detach().double()
    mean = samples.mean(dim=0)
    centred = samples - mean
    variances, components = _leading_eigenvectors(centred.t() @ centred / (len(samples) - 1), k)
    return PrincipalComponents(components.float(), variances.clamp(min=0).sqrt().float(), mean.float())


def scaled_pca(samples: Tensor, k: int) -> Tensor:
    """[k, w_dim] "pca-1" to "pca-k": strength 1 is one standard deviation of the samples along them."""
    found = ganspace(samples, k)
    return found.components * found.stdevs[:, None]


def scaled_sefa(style_weights: Iterable[Tensor], samples: Tensor, k: int) -> Tensor:
    """[k, w_dim] "sefa-1" to "sefa-k" over these layers: strength 1 is one standard deviation along them."""
    directions = sefa(style_weights, k)
    spread = (samples @ directions.t()).std(dim=0)
    return directions * spread[:, None]


def apply_direction(ws: Tensor, direction: Tensor, strength: float, row_weights: Tensor | None = None) -> Tensor:
    """`ws + strength * direction` on the chosen rows of `ws` [..., num_ws, w_dim].

    Args:
        direction: [w_dim], the same for every row, or [num_ws, w_dim].
        strength: finite; 0 changes nothing. Its unit is the length of `direction`.
        row_weights: [num_ws] in [0, 1], as `parse_rows` returns them; None is every row.

    Raises:
        InvalidInput: LATENT_SHAPE, LATENT_NOT_FINITE, WEIGHT_INVALID, ROWS_INVALID.
    """
    if direction.shape not in (ws.shape[-1:], ws.shape[-2:]):
        raise InvalidInput(
            "LATENT_SHAPE",
            f"The direction {list(direction.shape)} does not fit a latent code of shape {list(ws.shape)}.",
            "Use a direction of the model that made the latent.",
        )
    step = direction.to(ws).expand(ws.shape)
    check_codes(ws=ws, direction=step)
    strength = check_weight(strength, "strength")
    if row_weights is not None:
        step = check_rows(row_weights, ws) * step
    return check_result(ws + strength * step, strength)


def _leading_eigenvectors(symmetric: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest eigenvalues [k] of a symmetric [n, n] and their eigenvectors [k, n], in descending order."""
    if not 1 <= k <= len(symmetric):
        raise NotFound(
            "DIRECTION_UNKNOWN",
            f"Direction number {k} does not exist.",
            f"This model has computed directions number 1 to {len(symmetric)}.",
        )
    values, vectors = torch.linalg.eigh(symmetric)
    values, vectors = values.flip(0)[:k], vectors.t().flip(0)[:k]
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return values, vectors * largest.sign()
