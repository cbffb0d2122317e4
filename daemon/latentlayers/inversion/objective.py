"""How unlike two pictures are, after Image2StyleGAN (Abdal, Qin, Wonka, ICCV 2019), equations 1 and 2:

    L(w) = sum_j (lambda_j / N_j) ||F_j(G(w)) - F_j(I)||^2  +  (lambda_mse / N) ||G(w) - I||^2

with F_j the maps of a perceptual network, N_j and N the numbers of values compared. Here every term is computed by
itself; whoever optimises weighs and adds them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.errors import InvalidInput
from latentlayers.inversion.domain import Domain, coarse_map
from latentlayers.inversion.features import FeatureNetwork


class Objective:
    """The terms of the objective for fixed target pictures, whose features are computed once.

    What is masked out never counts. Hidden pixels of the target *and* of the generated picture are replaced by one
    colour, the mean of what is visible, before the features are taken: they are the same on both sides, so
    no receptive field sees a difference there, the target's hidden pixels cannot matter, and the gradient is exactly
    that of the value (a fill with the generated picture's own pixels would either not have this property, or need
    the target's features anew at every step). Squared feature differences are weighted by the mask, averaged down to
    their map, squared pixel differences by the mask itself; N_j and N are sums of those weights.

    Args:
        targets: [N, 3, R, R] in [-1, 1].
        weights: [N, 1, R, R] in 0..1, None where everything counts.
        gains: factor of each feature term; None for 1 (see `FeatureNetwork.balanced`).

    Raises:
        InvalidInput: IMAGE_NOT_FINITE, a visible pixel is NaN or infinite; MASK_INVALID, weights that are not
            in 0..1 or that leave nothing visible.
    """

    def __init__(
        self,
        features: FeatureNetwork,
        targets: Tensor,
        weights: Tensor | None = None,
        gains: Sequence[float] | None = None,
    ) -> None:
        self._features = features
        self.weights = None if weights is None else _checked(weights)
        visible = targets if self.weights is None else torch.where(self.weights > 0, targets, 0.0)
        if not bool(visible.isfinite().all()):
            raise InvalidInput(
                "IMAGE_NOT_FINITE", "The picture holds values that are not numbers.", "Send finite pixel values."
            )
        self.targets = visible
        if self.weights is not None:
            totals = self.weights.sum(dim=(2, 3), keepdim=True)
            self._fill = (visible * self.weights).sum(dim=(2, 3), keepdim=True) / totals
        with torch.no_grad():
            self._wanted = features(self._shown(visible))
        self._pooled = [
            None if self.weights is None else F.adaptive_avg_pool2d(self.weights, wanted.shape[-2:])
            for wanted in self._wanted
        ]
        self._gains = [1.0] * len(self._wanted) if gains is None else list(gains)

    def __call__(self, pictures: Tensor) -> Tensor:
        """pictures [N, 3, R, R] -> terms [N, 1 + J]: the pixels' mean squared error, then each feature map's."""
        terms = [_mean((pictures - self.targets).square(), self.weights)]
        for found, wanted, pooled, gain in zip(
            self._features(self._shown(pictures)), self._wanted, self._pooled, self._gains, strict=True
        ):
            terms.append(_mean((found - wanted).square(), pooled) * gain)
        return torch.stack(terms, dim=1)

    def psnr(self, pictures: Tensor) -> Tensor:
        """[N] decibels over what counts; both pictures are clamped to [-1, 1] as files of them would be."""
        error = _mean((pictures.clamp(-1, 1) - self.targets.clamp(-1, 1)).square(), self.weights)
        return 10 * torch.log10(4 / error.clamp_min(1e-10))

    def strangeness(self, domain: Domain) -> Tensor:
        """[N]: how little the targets look like the model's own pictures, see `Domain.strangeness`."""
        with torch.no_grad():
            seen = self._features.taps(self._shown(self.targets))
        return domain.strangeness(coarse_map(seen), self.weights)

    def reduced(self, side: int) -> Objective:
        """The objective of the same pictures at a smaller side; the colours of what is hidden do not bleed in."""
        if self.weights is None:
            targets, weights = F.interpolate(self.targets, size=(side, side), mode="area"), None
        else:
            weights = F.adaptive_avg_pool2d(self.weights, side)
            premultiplied = F.adaptive_avg_pool2d(self.targets * self.weights, side)
            targets = premultiplied / weights.clamp_min(1e-6)
        return Objective(self._features, targets, weights, self._gains)

    def _shown(self, pictures: Tensor) -> Tensor:
        if self.weights is None:
            return pictures
        return torch.where(self.weights > 0, self._fill + self.weights * (pictures - self._fill), self._fill)


def _mean(squares: Tensor, weights: Tensor | None) -> Tensor:
    """[N, C, H, W] -> [N], weighted by [N, 1, H, W]."""
    if weights is None:
        return squares.mean(dim=(1, 2, 3))
    return (squares * weights).sum(dim=(1, 2, 3)) / (weights.sum(dim=(1, 2, 3)) * squares.shape[1])


def _checked(weights: Tensor) -> Tensor:
    if not bool(((weights >= 0) & (weights <= 1)).all()):
        raise InvalidInput("MASK_INVALID", "The mask holds values outside 0 to 1.", "Send weights between 0 and 1.")
    if not bool((weights.sum(dim=(1, 2, 3)) > 0).all()):
        raise InvalidInput("MASK_INVALID", "The mask hides the whole picture.", "Leave some of the picture visible.")
    return weights
