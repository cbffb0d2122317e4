"""Weights laid out for use, while nobody changes them.

A search for a code runs the same weights hundreds of times, for one picture at a time. What is computed from them alone
(demodulation sums squares of all of them) and bringing them into the order in memory that convolutions take is then
a third of the work on a CPU. A training, which changes them at every step, has no use for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Settling(nn.Module):
    """A layer that computes with tensors that depend on its parameters alone."""

    _kept: tuple[Tensor, ...] | None = None

    def derive(self) -> tuple[Tensor, ...]:
        """Those tensors, differentiable; for the layers that have any."""
        raise NotImplementedError

    def derived(self) -> tuple[Tensor, ...]:
        """`derive`'s tensors, or those that `settled` keeps."""
        kept = self._kept
        return self.derive() if kept is None else kept


@contextmanager
def settled(*networks: nn.Module) -> Iterator[None]:
    """Within, the networks' layers compute what follows from their parameters once; nobody may change these meanwhile.

    Layers that are being trained (with a parameter that requires a gradient) are left as they are.
    """
    layers = [layer for network in networks for layer in network.modules() if isinstance(layer, Settling)]
    layers = [layer for layer in layers if not any(parameter.requires_grad for parameter in layer.parameters())]
    try:
        for layer in layers:
            with torch.no_grad():
                layer._kept = tuple(_laid_out(tensor) for tensor in layer.derive())
        yield
    finally:
        for layer in layers:
            layer._kept = None


def _laid_out(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format)
