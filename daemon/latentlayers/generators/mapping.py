"""The mapping network that all families share: the paper's f, and the truncation of what it returns."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from latentlayers.generators.ops import FullyConnected, normalize_2nd_moment

LabelMode = Literal["embed", "concat"]


class MappingConfig(Protocol):
    """What shapes the mapping network in a generator's configuration; `StyleGAN2Config` explains the fields."""

    @property
    def z_dim(self) -> int: ...
    @property
    def w_dim(self) -> int: ...
    @property
    def c_dim(self) -> int: ...
    @property
    def mapping_layers(self) -> int: ...
    @property
    def lr_multiplier(self) -> float: ...
    @property
    def label_mode(self) -> LabelMode: ...
    @property
    def embed_features(self) -> int: ...
    @property
    def layer_features(self) -> int: ...


class MappingNetwork(nn.Module):
    """z (and label) -> w: normalisation, then `mapping_layers` equalised dense layers."""

    w_avg: Tensor

    def __init__(self, cfg: MappingConfig) -> None:
        super().__init__()
        self.num_layers, self.z_dim, self.c_dim, self.label_mode = (
            cfg.mapping_layers,
            cfg.z_dim,
            cfg.c_dim,
            cfg.label_mode,
        )
        embed = (cfg.embed_features or cfg.w_dim) if cfg.c_dim else 0
        if cfg.c_dim:
            self.embed = FullyConnected(cfg.c_dim, embed)
        hidden = cfg.layer_features or cfg.w_dim
        widths = [cfg.z_dim + embed, *[hidden] * (cfg.mapping_layers - 1), cfg.w_dim]
        for i in range(cfg.mapping_layers):
            layer = FullyConnected(widths[i], widths[i + 1], activate=True, lr_multiplier=cfg.lr_multiplier)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(cfg.w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """z [N, z_dim], c [N, c_dim] -> w [N, w_dim]. Raises ValueError for a wrong shape or missing labels."""
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"z must have shape [N, {self.z_dim}], not {list(z.shape)}")
        if self.c_dim:
            if c is None:
                raise ValueError(f"this model is conditional: pass labels c of shape [N, {self.c_dim}]")
            label = self.embed(c.float())
            if self.label_mode == "embed":
                x = torch.cat([normalize_2nd_moment(z.float()), normalize_2nd_moment(label)], dim=1)
            else:
                x = normalize_2nd_moment(torch.cat([z.float(), label], dim=1))
        else:
            x = normalize_2nd_moment(z.float())
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        return x

    def rows(self, z: Tensor, c: Tensor | None, num_ws: int, truncation: float, cutoff: int | None) -> Tensor:
        """`Generator.map`: w in `num_ws` rows, the first `cutoff` of them moved towards `w_avg`."""
        w: Tensor = self(z, c)
        ws = w[:, None].expand(-1, num_ws, -1)
        if truncation == 1.0:
            return ws.clone()
        moved = num_ws if cutoff is None else cutoff
        return torch.cat([self.w_avg.lerp(ws[:, :moved], truncation), ws[:, moved:]], dim=1)
