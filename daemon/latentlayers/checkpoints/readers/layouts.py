"""How PyTorch projects that retrained or converted StyleGAN2 name its parts, as tables of names.

They all hold the network of the "skip" architecture without labels; what differs is names, axes of length one, and the
few values that `Layout.value` undoes. One reader (`state_dicts.py`) and one writer (`export.py`) serve them all.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Layers:
    """A run of layers of one kind.

    Attributes:
        pattern: name of each, where {} is its number, counted from `start`.
        parts: our name of each array in a layer -> the project's.
        first: name of the first layer where it stands apart; the numbers then count the others.
    """

    pattern: str
    parts: Mapping[str, str]
    start: int = 0
    first: str | None = None

    def name(self, i: int) -> str:
        """Of layer i, counted from 0."""
        if self.first is None:
            return self.pattern.format(self.start + i)
        return self.pattern.format(self.start + i - 1) if i else self.first

    def count(self, names: Container[str]) -> int:
        """How many layers without a gap have their weight among `names`."""
        n = 0
        while f"{self.name(n)}.{self.parts['weight']}" in names:
            n += 1
        return n

    def pairs(self, i: int, ours: str) -> Iterator[tuple[str, str]]:
        """Our name and the project's for each array of layer i, which we call `ours`."""
        for part, theirs in self.parts.items():
            yield f"{ours}.{part}", f"{self.name(i)}.{theirs}"


@dataclass(frozen=True)
class Layout:
    """Names in one project's state_dict.

    Attributes:
        source_format: see `ModelHeader.source_format`.
        const: the learned 4x4 input.
        noise: noise map of convolution {}, counted from 0.
        kernel: a FIR filter, multiplied by the upsampling gain 4; None: the file holds none.
        w_avg: the mean latent where it lies among the weights.
        value: (our name, array in our shape) -> the array with the values that we store.
    """

    source_format: str
    const: str
    dense: Layers
    conv: Layers
    rgb: Layers
    noise: str
    kernel: str | None = None
    w_avg: str = "latent_avg"
    value: Callable[[str, Tensor], Tensor] = lambda name, array: array

    def names(self, mapping_layers: int, sides: Sequence[int]) -> dict[str, str]:
        """Our name -> the project's, for every array of a network with blocks of these sides, but the mean latent."""
        table = {"synthesis.b4.const": self.const}
        for i in range(mapping_layers):
            table.update(self.dense.pairs(i, f"mapping.fc{i}"))
        convs = [f"synthesis.b{side}.{conv}" for side in sides for conv in ("conv0", "conv1")][1:]
        for i, ours in enumerate(convs):
            table.update(self.conv.pairs(i, ours))
            table[f"{ours}.noise_const"] = self.noise.format(i)
        for i, side in enumerate(sides):
            table.update(self.rgb.pairs(i, f"synthesis.b{side}.torgb"))
        return table


def _bgr_to_rgb(name: str, array: Tensor) -> Tensor:
    """OpenMMLab reads pictures as blue, green, red, so its networks draw them so."""
    return array.flip(0) if name.endswith(("torgb.weight", "torgb.bias")) else array


def _as_in_tensorflow(name: str, array: Tensor) -> Tensor:
    """GenForce mirrors the kernels of upsampling convolutions and adds 1 to style biases when it runs."""
    if name.endswith("affine.bias"):
        return array + 1
    return array.flip(2, 3) if name.endswith("conv0.weight") else array


DENSE = {"weight": "weight", "bias": "bias"}
ROSINALITY_MODULATED = {
    "weight": "conv.weight",
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
}
ROSINALITY = Layout(
    source_format="rosinality",
    const="input.input",
    dense=Layers("style.{}", DENSE, start=1),
    conv=Layers(
        "convs.{}",
        ROSINALITY_MODULATED | {"bias": "activate.bias", "noise_strength": "noise.weight"},
        first="conv1",
    ),
    rgb=Layers("to_rgbs.{}", ROSINALITY_MODULATED | {"bias": "bias"}, first="to_rgb1"),
    noise="noises.noise_{}",
    kernel="convs.0.conv.blur.kernel",
)
BASICSR_MODULATED = {
    "weight": "modulated_conv.weight",
    "affine.weight": "modulated_conv.modulation.weight",
    "affine.bias": "modulated_conv.modulation.bias",
}
BASICSR = Layout(
    source_format="basicsr",
    const="constant_input.weight",
    dense=Layers("style_mlp.{}", DENSE, start=1),
    conv=Layers(
        "style_convs.{}",
        BASICSR_MODULATED | {"bias": "activate.bias", "noise_strength": "weight"},
        first="style_conv1",
    ),
    rgb=Layers("to_rgbs.{}", BASICSR_MODULATED | {"bias": "bias"}, first="to_rgb1"),
    noise="noises.noise{}",
)
OPENMMLAB_MODULATED = {
    "weight": "conv.weight_orig",
    "affine.weight": "conv.style_modulation.linear.weight_orig",
    "affine.bias": "conv.style_modulation.bias",
}
OPENMMLAB = Layout(
    source_format="openmmlab",
    const="constant_input.input",
    dense=Layers("style_mapping.{}", {"weight": "linear.weight_orig", "bias": "bias"}, start=1),
    conv=Layers(
        "convs.{}",
        OPENMMLAB_MODULATED | {"bias": "activate.bias", "noise_strength": "noise_injector.weight"},
        first="conv1",
    ),
    rgb=Layers("to_rgbs.{}", OPENMMLAB_MODULATED | {"bias": "bias"}, first="to_rgb1"),
    noise="injected_noise_{}",
    kernel="convs.0.conv.blur.kernel",
    value=_bgr_to_rgb,
)
GENFORCE_MODULATED = DENSE | {"affine.weight": "style.weight", "affine.bias": "style.bias"}
GENFORCE = Layout(
    source_format="genforce",
    const="synthesis.early_layer.const",
    dense=Layers("mapping.dense{}", DENSE),
    conv=Layers("synthesis.layer{}", GENFORCE_MODULATED | {"noise_strength": "noise_strength"}),
    rgb=Layers("synthesis.output{}", GENFORCE_MODULATED),
    noise="synthesis.layer{}.noise",
    kernel="synthesis.layer1.filter.kernel",
    w_avg="truncation.w_avg",
    value=_as_in_tensorflow,
)
LAYOUTS = (ROSINALITY, BASICSR, OPENMMLAB, GENFORCE)
