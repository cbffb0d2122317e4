"""Names for the rows of `w+`: which layers of the generator an edit may touch."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from latentlayers.errors import InvalidInput

GROUP_ROWS = 4  # StyleGAN1's two layers at each of 4 and 8 px (coarse), and at each of 16 and 32 px (middle)

_TERM = re.compile(
    r"(?:(?P<name>all|none|coarse|middle|fine)|split:(?P<split>[0-9]{1,4})|(?P<first>[0-9]{1,4})(?:-(?P<last>[0-9]{1,4}))?)"
    r"(?::(?P<weight>[0-9]*\.?[0-9]+))?"
)


def row_groups(num_ws: int) -> dict[str, range]:
    """The StyleGAN paper's "coarse", "middle" and "fine" styles as rows of `w+`, in order, without gaps.

    Karras et al. (CVPR 2019, section 3.1) call the styles of 4-8 px coarse (pose, face shape), of 16-32 px
    middle (features, hair), of 64 px and up fine (colour, texture): rows 0-3, 4-7 and 8 upwards. A model
    with fewer than 12 rows, which is one below 128 px, has next to nothing from 64 px up, so its rows are
    divided into thirds and the remainder goes to fine. The 64 px model's 10 rows become 0-2, 3-5 and 6-9.

    With `num_ws` >= 3, and so for every StyleGAN from 8 px, no group is empty.
    """
    size = min(GROUP_ROWS, num_ws // 3)
    return {"coarse": range(size), "middle": range(size, 2 * size), "fine": range(2 * size, num_ws)}


def default_rows(num_ws: int) -> Tensor:
    """Row weights [num_ws] of the paper's crossover: the later half comes from the style.

    Image2StyleGAN keeps layers 1-9 of 18 from the content and takes 10-18 from the style: `split:9`.
    """
    return parse_rows(f"split:{num_ws // 2}", num_ws)


def parse_rows(text: str, num_ws: int) -> Tensor:
    """Row weights [num_ws] float32 in [0, 1] from what a user types; 1 takes the row from the style.

    Terms are joined by "," or "+"; a later term overrides an earlier one where they overlap:

        coarse, middle, fine     a group of `row_groups`
        all, none                every row, no row
        7  or  5-11              one row, or a range with both ends; the first row is 0
        split:6                  rows 6 and up
        TERM:0.5                 any of these with a weight between 0 and 1 instead of 1

    Raises:
        InvalidInput: ROWS_INVALID for anything else, or for a row the model does not have.
    """
    weights = torch.zeros(num_ws)
    for term in re.split("[,+]", text.lower().replace(" ", "")):
        match = _TERM.fullmatch(term)
        if match is None:
            raise _invalid(f"{term[:40]!r} does not name rows", num_ws)
        weight = float(match["weight"] or 1)
        if weight > 1:
            raise _invalid(f"{term!r} has a weight above 1", num_ws)
        rows = _rows(match, num_ws)
        weights[rows.start : rows.stop] = weight
    return weights


def _rows(match: re.Match[str], num_ws: int) -> range:
    """The rows one term selects."""
    if match["name"]:
        named = {"all": range(num_ws), "none": range(0), **row_groups(num_ws)}
        return named[match["name"]]
    if match["split"]:
        rows = range(int(match["split"]), num_ws)
        in_model = rows.start <= num_ws
    else:
        first = int(match["first"])
        rows = range(first, int(match["last"] or first) + 1)
        in_model = first < rows.stop <= num_ws
    if not in_model:
        raise _invalid(f"{match.group()!r} does not select rows of this model", num_ws)
    return rows


def _invalid(problem: str, num_ws: int) -> InvalidInput:
    return InvalidInput(
        "ROWS_INVALID",
        f"{problem}: the rows are 0 to {num_ws - 1}.",
        f"Write coarse, middle, fine, all, none, a row such as 3, a range such as 2-{num_ws - 1}, or "
        f"split:{num_ws // 2}, joined by commas, each with a weight if wanted, as in 2-{num_ws - 1}:0.5.",
    )
