"""Networks whose parameters are views of one vector, which processes can share and update by slices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ADAM_EPS = 1e-8


def parameter_count(module: nn.Module) -> int:
    """How many numbers the module's parameters hold."""
    return sum(parameter.numel() for parameter in module.parameters())


def flatten_parameters(module: nn.Module) -> Tensor:
    """Move all parameters into one vector [parameter_count], returned, of which they become views."""
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])
    bind_parameters(module, flat)
    return flat


def bind_parameters(module: nn.Module, flat: Tensor) -> None:
    """Make the parameters views of `flat`, whose values they take."""
    for parameter, part in zip(module.parameters(), _views(module, flat), strict=True):
        parameter.data = part


def bind_gradients(module: nn.Module, flat: Tensor) -> None:
    """Make the parameters' gradients views of `flat`; `backward` adds to them there."""
    for parameter, part in zip(module.parameters(), _views(module, flat), strict=True):
        parameter.grad = part


def _views(module: nn.Module, flat: Tensor) -> list[Tensor]:
    parameters = list(module.parameters())
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def adam_step(parameters: Tensor, gradient: Tensor, moment: Tensor, *, rate: float, beta2: float, steps: int) -> None:
    """Adam (Kingma & Ba 2015) with beta1 = 0, in place: `p -= rate * g / (sqrt(v / (1 - beta2^t)) + eps)`.

    `moment` is v; `steps` counts the updates before this one. Non-finite gradients count as 0 or +-1e5.
    """
    torch.nan_to_num(gradient, nan=0.0, posinf=1e5, neginf=-1e5, out=gradient)
    moment.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    correction = 1 - beta2 ** (steps + 1)
    parameters.addcdiv_(gradient, (moment / correction).sqrt_().add_(ADAM_EPS), value=-rate)
