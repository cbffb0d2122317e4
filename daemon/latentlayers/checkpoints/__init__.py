"""Generators from files: every published StyleGAN format and our own, read without executing anything in them.

Importing this package does not import torch, so that the daemon's front process may read headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latentlayers.checkpoints.header import ModelHeader, digest, read_header

if TYPE_CHECKING:
    from latentlayers.checkpoints.load import load_checkpoint, load_generator
    from latentlayers.checkpoints.native import load_generator_native, save_generator

__all__ = [
    "ModelHeader",
    "digest",
    "load_checkpoint",
    "load_generator",
    "load_generator_native",
    "read_header",
    "save_generator",
]


def __getattr__(name: str) -> Any:
    if name in ("load_generator", "load_checkpoint"):
        from latentlayers.checkpoints import load as module
    elif name in ("load_generator_native", "save_generator"):
        from latentlayers.checkpoints import native as module  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)
