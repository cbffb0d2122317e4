"""What every operator demands of its arguments, said in one place and in one voice."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentlayers.errors import InvalidInput


def check_codes(**codes: Tensor) -> None:
    """Latent codes [..., num_ws, w_dim]: floating point, finite, all of one shape.

    Raises:
        InvalidInput: LATENT_SHAPE or LATENT_NOT_FINITE, naming the code at fault.
    """
    shapes = {name: tuple(code.shape) for name, code in codes.items()}
    listed = ", ".join(f"{name} is {list(shape)}" for name, shape in shapes.items())
    remedy = "Pass floating-point codes [num_ws, w_dim] that were made with the same model."
    if any(len(shape) < 2 or 0 in shape for shape in shapes.values()):
        raise InvalidInput("LATENT_SHAPE", f"A latent code has rows and columns, but {listed}.", remedy)
    if len(set(shapes.values())) > 1:
        raise InvalidInput("LATENT_SHAPE", f"The latent codes differ in shape: {listed}.", remedy)
    for name, code in codes.items():
        if not code.is_floating_point():
            raise InvalidInput("LATENT_SHAPE", f"The latent code {name} holds {code.dtype}, not real numbers.", remedy)
        if not bool(torch.isfinite(code).all()):
            raise InvalidInput(
                "LATENT_NOT_FINITE",
                f"The latent code {name} contains NaN or infinity.",
                "Embed the picture again, or import an undamaged latent.",
            )


def check_weight(lam: float, name: str = "weight") -> float:
    """A finite number of any size, as a float; otherwise InvalidInput WEIGHT_INVALID."""
    if not math.isfinite(lam):
        raise InvalidInput("WEIGHT_INVALID", f"The {name} {lam} is not a finite number.", "Pass a number such as 0.5.")
    return float(lam)


def check_rows(row_weights: Tensor, like: Tensor) -> Tensor:
    """Row weights [num_ws] in [0, 1] for codes [..., num_ws, w_dim], as a column [num_ws, 1] of the codes' type.

    Raises:
        InvalidInput: ROWS_INVALID.
    """
    num_ws = like.shape[-2]
    if row_weights.shape != (num_ws,) or not bool(((row_weights >= 0) & (row_weights <= 1)).all()):
        raise InvalidInput(
            "ROWS_INVALID",
            f"The row weights {list(row_weights.shape)} are not {num_ws} numbers between 0 and 1.",
            f"Pass one weight for each of the {num_ws} rows of this model.",
        )
    return row_weights.to(like)[:, None]


def check_result(ws: Tensor, lam: float) -> Tensor:
    """`ws` itself, unless a weight so large that the code overflowed made it useless: WEIGHT_INVALID."""
    if not bool(torch.isfinite(ws).all()):
        raise InvalidInput(
            "WEIGHT_INVALID",
            f"With the weight {lam:g} the latent code overflows.",
            "Pass a smaller weight; useful ones lie between about -3 and 3.",
        )
    return ws
