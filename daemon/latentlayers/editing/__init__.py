"""Editing operators on latent codes: pure functions of torch tensors, no model and no I/O.

The operators are those of Image2StyleGAN (Abdal, Qin, Wonka, ICCV 2019, section 4): morphing, style
transfer by crossover, and expression transfer; and edits along directions found without labels.
"""

from latentlayers.editing.directions import (
    ComputedDirection,
    PrincipalComponents,
    apply_direction,
    ganspace,
    parse_direction,
    sefa,
)
from latentlayers.editing.operators import Expression, crossover, expression, morph, morph_weights
from latentlayers.editing.rows import default_rows, parse_rows, row_groups

__all__ = [
    "ComputedDirection",
    "Expression",
    "PrincipalComponents",
    "apply_direction",
    "crossover",
    "default_rows",
    "expression",
    "ganspace",
    "morph",
    "morph_weights",
    "parse_direction",
    "parse_rows",
    "row_groups",
    "sefa",
]
