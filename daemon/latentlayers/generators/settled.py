"""Weights laid out for use, while nobody changes them.

Drawing a preview and searching for a code use the same weights over and over, for one picture at a time. What is
computed from them alone (demodulation sums squares of all of them) and bringing them into the order in memory that
convolutions take is then half of the work of a picture on a CPU, and a third of that of a step. A training, which
changes them at every step, has no use for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Settling(nn.Module):
    """A layer that computes with tensors that depend on its parameters alone."""

    _kept: tuple[Tensor, ...] | None = None

    def derive(self) -> tuple[Tensor, ...]:
        """Those tensors, differentiable; for the layers that have any."""
        raise NotImplementedError

    def arrange(self) -> None:
        """Reorders the parameters in memory, if `derive` passes one on, so that keeping it takes no second copy."""

    def derived(self) -> tuple[Tensor, ...]:
        """`derive`'s tensors, or those that are kept."""
        kept = self._kept
        return self.derive() if kept is None else kept

    @property
    def is_kept(self) -> bool:
        return self._kept is not None

    @torch.no_grad()
    def keep(self) -> None:
        """From now on `derived` is today's `derive`, until `forget`."""
        self._kept = tuple(laid_out(tensor) for tensor in self.derive())

    def forget(self) -> None:
        """Undoes `keep`."""
        self._kept = None


def settle(*networks: nn.Module) -> None:
    """For good: the networks' layers have computed what follows from their parameters, which nobody may change again.

    Layers that are being trained (with a parameter that requires a gradient) are left as they are.
    """
    for layer in _unsettled(networks):
        layer.arrange()
        layer.keep()


@contextmanager
def settled(*networks: nn.Module) -> Iterator[None]:
    """As `settle`, but only within; parameters may change again afterwards. What is settled already stays so."""
    layers = _unsettled(networks)
    try:
        for layer in layers:
            layer.keep()
        yield
    finally:
        for layer in layers:
            layer.forget()


def _unsettled(networks: Iterable[nn.Module]) -> list[Settling]:
    layers = [layer for network in networks for layer in network.modules() if isinstance(layer, Settling)]
    return [
        layer
        for layer in layers
        if not layer.is_kept and not any(parameter.requires_grad for parameter in layer.parameters())
    ]


def laid_out(tensor: Tensor) -> Tensor:
    """The same numbers in the order that convolutions take; `tensor` itself if it has it."""
    return tensor.contiguous(memory_format=torch.channels_last if tensor.ndim == 4 else torch.contiguous_format)
