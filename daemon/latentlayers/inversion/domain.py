"""Whether a picture is of the kind that the model draws, judged before anything is optimised.

A good fit does not say so: `w+` is so free that a portrait's generator reproduces a cartoon or a page of text at 29 dB
(Image2StyleGAN makes the same point with cats and cars). What does say something is how much of a picture's coarse
features the model's own samples span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 8
COMPONENTS = 64
HELD_OUT = 64
RIDGE = 1e-3


def coarse_map(maps: Sequence[Tensor]) -> Tensor:
    """The coarsest feature map of at least 8 px, averaged to 8 x 8 and flattened: [N, C * 64]."""
    chosen = next((m for m in reversed(maps) if m.shape[-1] >= SIDE), maps[0])
    return F.adaptive_avg_pool2d(chosen, SIDE).flatten(1)


@dataclass(frozen=True)
class Domain:
    """The span of the model's samples: their mean [D], principal components [K, D], and how far samples leave it.

    Attributes:
        reference: the share that 19 of 20 samples stay below, of their difference from the mean, that lies outside.
    """

    mean: Tensor
    components: Tensor
    reference: float

    @classmethod
    def of(cls, samples: Tensor) -> Domain:
        """samples: [n, D] from `coarse_map`; the last `HELD_OUT` give the reference, the others the span."""
        known, unseen = samples[:-HELD_OUT], samples[-HELD_OUT:]
        mean = known.mean(dim=0)
        components = torch.linalg.svd(known - mean, full_matrices=False).Vh[:COMPONENTS]
        shares = cls(mean, components, 1.0).strangeness(unseen)
        return cls(mean, components, max(float(shares.quantile(0.95)), 1e-6))

    def strangeness(self, pictures: Tensor, weights: Tensor | None = None) -> Tensor:
        """[N], about 0.5 to 1 for the model's own samples and below 1.15 for what it was trained on.

        Args:
            pictures: [N, D] from `coarse_map`.
            weights: [N, 1, R, R] in 0..1, what of them counts; None for all.
        """
        offsets = pictures - self.mean
        seen = torch.ones_like(offsets)
        if weights is not None:
            seen = F.adaptive_avg_pool2d(weights, SIDE).flatten(1).repeat(1, offsets.shape[1] // SIDE**2)
        shares = []
        for offset, visible in zip(offsets, seen, strict=True):
            weighted = self.components * visible
            gram = weighted @ self.components.t() + RIDGE * torch.eye(len(weighted), device=weighted.device)
            left = offset - torch.linalg.solve(gram, weighted @ offset) @ self.components
            whole = (visible * offset.square()).sum().clamp_min(1e-12)
            shares.append(((visible * left.square()).sum() / whole).sqrt())
        return torch.stack(shares) / self.reference
