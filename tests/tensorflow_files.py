"""TensorFlow pickles of StyleGAN1 and of StyleGAN2's configurations A to D, with random variables and from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from checkpoint_files import Network, tf_pickle
from torch import Tensor

Z_DIM, W_DIM, HIDDEN = 7, 9, 8
Variables = dict[str, Tensor]


@dataclass
class TensorFlowModel:
    """What such a file says: variables by name, in TensorFlow's layouts, and keyword arguments.

    Attributes:
        styled: StyleGAN1 with its adaptive instance normalisation; else the revised network of configurations B to D.
        widths: channels of each side from 4 px up.
    """

    styled: bool
    widths: tuple[int, ...] = (6, 5, 4)
    labels: int = 0
    lod: float = 0.0
    kwargs: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    mapping: Variables = field(init=False)
    synthesis: Variables = field(init=False)
    mean: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self._rng = torch.Generator().manual_seed(self.seed)
        self.mean = self._random(W_DIM)
        self.mapping = self._dense("Dense0", Z_DIM + (4 if self.labels else 0), HIDDEN, 100)
        self.mapping |= self._dense("Dense1", HIDDEN, W_DIM, 100)
        if self.labels:
            self.mapping["LabelConcat/weight"] = self._random(self.labels, 4)
        self.synthesis = {"4x4/Const/const": self._random(1, self.widths[0], 4, 4)}
        for i, width in enumerate(self.widths):
            block = f"{4 << i}x{4 << i}"
            if i:
                self._convolution(f"{block}/Conv0_up", self.widths[i - 1], width)
                self._convolution(f"{block}/Conv1", width, width)
            else:
                self._convolution(f"{block}/Conv", width, width)
                if self.styled:
                    self._style(f"{block}/Const", width)
            level = len(self.widths) - 1 - i
            if level == 0 or self.kwargs.get("structure") != "fixed":
                self._picture(f"ToRGB_lod{level}", width)
        sides = [4 << i for i in range(len(self.widths)) for _ in range(2)]
        for i, side in enumerate(sides if self.styled else sides[1:]):
            if self.kwargs.get("use_noise", True):
                self.synthesis[f"noise{i}"] = self._random(1, 1, side, side)

    @property
    def resolution(self) -> int:
        return 2 << len(self.widths)

    @property
    def num_ws(self) -> int:
        return 2 * len(self.widths)

    def write(self, path: Path, *, version: int, components: bool = True) -> Path:
        """As dnnlib's Network pickles itself; `components`: whether parts that have none say so."""

        def network(variables: Variables, **more: Any) -> Network:
            made = Network()
            pairs = [(name, _stored(value)) for name, value in variables.items()]
            state = {"version": version, "name": "G", "build_module_src": "raise SystemExit", "build_func_name": "G"}
            made.__setstate__(state | {"variables": pairs, "static_kwargs": dict(self.kwargs)} | more)
            return made

        leaf: dict[str, Any] = {"components": {}} if components else {}
        parts = {"synthesis": network(self.synthesis, **leaf), "mapping": network(self.mapping, **leaf)}
        own = {"lod": torch.tensor(self.lod), "dlatent_avg": self.mean}
        return tf_pickle(path, network(own, components=parts))

    def _random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._rng)

    def _dense(self, name: str, inputs: int, outputs: int, std: float) -> Variables:
        return {f"{name}/weight": std * self._random(inputs, outputs), f"{name}/bias": std * self._random(outputs)}

    def _convolution(self, name: str, inputs: int, outputs: int) -> None:
        self.synthesis[f"{name}/weight"] = self._random(3, 3, inputs, outputs)
        if self.styled:
            self._style(name, outputs)
        else:
            self._modulated(name, inputs, outputs)
            self.synthesis[f"{name}/noise_strength"] = 0.3 * self._random(1)[0]

    def _style(self, name: str, width: int) -> None:
        self.synthesis[f"{name}/bias"] = 0.3 * self._random(width)
        self.synthesis[f"{name}/StyleMod/weight"] = self._random(W_DIM, 2 * width)
        self.synthesis[f"{name}/StyleMod/bias"] = 0.3 * self._random(2 * width)
        if self.kwargs.get("use_noise", True):
            self.synthesis[f"{name}/Noise/weight"] = 0.3 * self._random(width)

    def _modulated(self, name: str, inputs: int, outputs: int) -> None:
        self.synthesis[f"{name}/mod_weight"] = self._random(W_DIM, inputs)
        self.synthesis[f"{name}/mod_bias"] = 0.3 * self._random(inputs)
        self.synthesis[f"{name}/bias"] = 0.3 * self._random(outputs)

    def _picture(self, name: str, width: int) -> None:
        self.synthesis[f"{name}/weight"] = self._random(1, 1, width, 3)
        if self.styled:
            self.synthesis[f"{name}/bias"] = 0.3 * self._random(3)
        else:
            self._modulated(name, width, 3)


def _stored(value: Tensor) -> Any:
    return np.float32(value.item()) if value.ndim == 0 else value.numpy()
