"""Where the noise of one synthesis comes from."""

from __future__ import annotations

import torch
from torch import Tensor

from latentlayers.generators.base import Noise


class NoiseMaps:
    """Hands out noise to the convolutions of one call of `Generator.synthesize`, in the order of use.

    Args:
        noise: as `synthesize` takes it.
        samples: N, how many pictures are drawn.
    """

    def __init__(self, noise: Noise, samples: int) -> None:
        self._noise, self._samples = noise, samples
        self._given = iter(()) if isinstance(noise, str) else iter(noise)

    def take(self, stored: Tensor) -> Tensor | None:
        """The next map, [1 or N, 1, side, side], before its learned strength; None for none.

        Args:
            stored: the convolution's own map, [side, side].

        Raises:
            ValueError: fewer maps were given than there are convolutions.
        """
        if self._noise == "none":
            return None
        if self._noise == "const":
            return stored[None, None]
        if self._noise == "random":
            return torch.randn(self._samples, 1, *stored.shape, device=stored.device)
        given = next(self._given, None)
        if given is None:
            raise ValueError("noise has fewer maps than there are convolutions")
        return given.to(stored.device).float().reshape(-1, 1, *stored.shape)
