"""The three operators of Image2StyleGAN on codes of `w+`, with the paper's names for everything.

Codes are float tensors [num_ws, w_dim], or any batch [..., num_ws, w_dim] of them; those of one call
have the same shape. Results have it too. All raise `InvalidInput`: LATENT_SHAPE, LATENT_NOT_FINITE,
WEIGHT_INVALID for a weight that is not finite or makes the code overflow, ROWS_INVALID.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latentlayers.editing.checks import check_codes, check_result, check_rows, check_weight
from latentlayers.errors import InvalidInput

MAX_FRAMES = 1000


def _mix(w1: Tensor, w2: Tensor, lam: Tensor) -> Tensor:
    w = lam * w1 + (1 - lam) * w2
    # 1 * w1 + 0 * w2 turns -0.0 into 0.0; the ends are to be the given codes bit for bit.
    return torch.where(lam == 1, w1, torch.where(lam == 0, w2, w))


def morph(w1: Tensor, w2: Tensor, lam: float) -> Tensor:
    """Morphing (section 4.1): `w = lam*w1 + (1-lam)*w2`.

    `lam` is the weight of `w1`: 1 gives `w1` and 0 gives `w2`, bit for bit. Outside [0, 1] it extrapolates.
    """
    check_codes(w1=w1, w2=w2)
    lam = check_weight(lam)
    return check_result(_mix(w1, w2, w1.new_tensor(lam)), lam)


def morph_weights(frames: int) -> list[float]:
    """Evenly spaced weights `lam` of a morph from the first code to the second: 1.0, ..., 0.0.

    Raises:
        InvalidInput: WEIGHT_INVALID unless 2 <= frames <= MAX_FRAMES.
    """
    if not 2 <= frames <= MAX_FRAMES:
        raise InvalidInput(
            "WEIGHT_INVALID",
            f"A morph from one picture to another cannot have {frames} frames.",
            f"Ask for 2 to {MAX_FRAMES} frames, or give the weights themselves (0.5 is halfway).",
        )
    return [1 - i / (frames - 1) for i in range(frames)]


def crossover(content: Tensor, style: Tensor, row_weights: Tensor) -> Tensor:
    """Style transfer (section 4.2): some rows of the content's code are replaced by the style's.

    `row_weights` [num_ws] in [0, 1]: 1 takes the style's row and 0 keeps the content's, bit for bit; between,
    the row is mixed as in `morph`. The paper's own choice is `rows.default_rows`.
    """
    check_codes(content=content, style=style)
    return _mix(style, content, check_rows(row_weights, content))


class Expression(NamedTuple):
    """Result of `expression`.

    Attributes:
        ws: the edited code(s), shaped as the input.
        suppressed: [..., num_ws] bool, the rows of the difference that were dropped as noise.
    """

    ws: Tensor
    suppressed: Tensor


def expression(
    w1: Tensor,
    w2: Tensor,
    w3: Tensor,
    lam: float,
    rows: Tensor | None = None,
    threshold: float = 0.25,
    unit: float | None = None,
) -> Expression:
    """Expression transfer (section 4.3): `w = w1 + lam*(w3-w2)`.

    `w1` is the target, `w2` a neutral and `w3` an expressive picture of someone else. `lam` = 1 adds the whole
    difference, 0 gives `w1`; with `w3` equal to `w2` nothing changes.

    Noise suppression: the paper drops a row of the difference whose L2 norm is below 1, because such rows
    carry background noise and not the expression. That bound belongs to the code scale of its FFHQ model, so
    here a row is dropped when its norm is below `threshold * unit`, and `unit` is by default the median row
    norm of this difference. `unit=1, threshold=1` is the paper's rule; `threshold=0` drops nothing. The paper
    then also normalises the difference; here it keeps its length, so that 1 means "as strong as in `w3`".

    Args:
        rows: [num_ws] weights in [0, 1] on the rows of the difference; None is all of them.
        threshold: finite, at least 0, in multiples of `unit`.
        unit: length in the units of the codes, or None for the median row norm.
    """
    check_codes(w1=w1, w2=w2, w3=w3)
    lam, threshold = check_weight(lam), check_weight(threshold, "threshold")
    difference = w3 - w2
    norms = difference.norm(dim=-1)
    scale = norms.median(dim=-1, keepdim=True).values if unit is None else check_weight(unit, "unit")
    suppressed = norms < threshold * scale
    difference = difference.masked_fill(suppressed[..., None], 0)
    if rows is not None:
        difference = check_rows(rows, w1) * difference
    w = w1 + lam * difference
    return Expression(check_result(w, lam), suppressed)
