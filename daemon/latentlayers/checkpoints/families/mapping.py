"""The mapping network, which all families share, as files hold it."""

from __future__ import annotations

from itertools import pairwise

from latentlayers.checkpoints.families.family import MAX_FEATURES, MAX_MAPPING_LAYERS, check_sizes, is_number
from latentlayers.checkpoints.refusals import corrupt
from latentlayers.generators.mapping import MappingConfig


def check_mapping(cfg: MappingConfig) -> None:
    """Raises CorruptCheckpoint for sizes or factors that no mapping network has."""
    sizes = {
        "z_dim": (cfg.z_dim, 1, MAX_FEATURES),
        "w_dim": (cfg.w_dim, 1, MAX_FEATURES),
        "c_dim": (cfg.c_dim, 0, MAX_FEATURES),
        "embed_features": (cfg.embed_features, 0, MAX_FEATURES),
        "layer_features": (cfg.layer_features, 0, MAX_FEATURES),
        "mapping_layers": (cfg.mapping_layers, 1, MAX_MAPPING_LAYERS),
    }
    check_sizes(sizes)
    if cfg.label_mode not in ("embed", "concat"):
        raise corrupt(f"its label_mode is {cfg.label_mode!r:.80}")
    if not (is_number(cfg.lr_multiplier) and cfg.lr_multiplier > 0):
        raise corrupt(f"its lr_multiplier is {cfg.lr_multiplier!r:.80}")


def mapping_size(cfg: MappingConfig) -> int:
    """How many numbers its matrices hold."""
    embed = (cfg.embed_features or cfg.w_dim) if cfg.c_dim else 0
    hidden = cfg.layer_features or cfg.w_dim
    layers = [cfg.z_dim + embed, *[hidden] * (cfg.mapping_layers - 1), cfg.w_dim]
    return cfg.c_dim * embed + sum(a * b for a, b in pairwise(layers))
