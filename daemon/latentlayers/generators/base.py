"""The one interface that everything above `generators/` uses: a frozen StyleGAN of any family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from latentlayers.generators.mapping import MappingConfig, MappingNetwork

Noise = Literal["const", "none", "random"] | Sequence[Tensor]


class GeneratorConfig(MappingConfig, Protocol):
    """Everything that shapes a network of one family; the weights come separately."""

    family: ClassVar[str]

    @property
    def resolution(self) -> int: ...

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that the class's `from_json` reads back."""
        ...


class Generator(nn.Module, ABC):
    """A StyleGAN as two functions, `map` and `synthesize`, plus the sizes needed to call them.

    Attributes:
        config: what shapes it.
        family: "stylegan1", "stylegan2" or "stylegan3"; the configuration's.
        resolution: side R of the square picture, in pixels.
        num_ws: rows of `w+`.
        w_dim, z_dim, c_dim: lengths of one row of `w+`, of `z`, and of the one-hot label (0: unconditional).
        w_avg: [w_dim] float32, the mean of `map(z)` over the prior; the centre of truncation.
    """

    config: GeneratorConfig
    family: str
    resolution: int
    num_ws: int
    w_dim: int
    z_dim: int
    c_dim: int

    def __init__(self, cfg: GeneratorConfig, num_ws: int) -> None:
        super().__init__()
        self.config, self.num_ws = cfg, num_ws
        self.resolution, self.z_dim, self.w_dim, self.c_dim = cfg.resolution, cfg.z_dim, cfg.w_dim, cfg.c_dim
        self.mapping = MappingNetwork(cfg)

    @property
    def w_avg(self) -> Tensor:
        return self.mapping.w_avg

    @property
    @abstractmethod
    def resolutions(self) -> tuple[int, ...]:
        """Sides at which `synthesize` can stop, ascending; the last one is `resolution`."""

    @property
    @abstractmethod
    def rows_by_resolution(self) -> dict[int, tuple[int, ...]]:
        """For each synthesis block (keyed by its side in pixels), the rows of `w+` its convolutions read."""

    @abstractmethod
    def style_weights(self) -> list[tuple[int, Tensor]]:
        """(row of `w+`, affine weight [channels, w_dim]) of every convolution: what SeFa factorises."""

    def map(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0, cutoff: int | None = None) -> Tensor:
        """z [N, z_dim] (and label c [N, c_dim] if conditional) -> ws [N, num_ws, w_dim] float32.

        `truncation` psi moves the first `cutoff` rows (None: all) towards the mean:
        `w = w_avg + psi * (w - w_avg)`.
        """
        return self.mapping.rows(z, c, self.num_ws, truncation, cutoff)

    @abstractmethod
    def synthesize(
        self,
        ws: Tensor,
        noise: Noise = "const",
        resolution: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """ws [N, num_ws, w_dim] -> picture [N, 3, R, R] float32, nominal range [-1, 1].

        Args:
            noise: "const" uses the stored maps, "none" leaves noise out, "random" draws new maps;
                a sequence gives them, one [r, r] or [N, 1, r, r] per convolution, in the order of use.
            resolution: stop at this side (one of `resolutions`); None means all the way.
            dtype: precision of the convolutions; the picture is float32 whatever it is.

        Raises:
            ValueError: wrong shape of `ws`, or a `resolution` that is not among `resolutions`.
        """

    def _require(self, ws: Tensor, resolution: int | None) -> int:
        """The side to stop at, once the arguments of `synthesize` are checked; raises as it does."""
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws must have shape [N, {self.num_ws}, {self.w_dim}], not {list(ws.shape)}")
        side = resolution or self.resolution
        if side not in self.resolutions:
            raise ValueError(f"resolution must be one of {self.resolutions}, not {side}")
        return side
