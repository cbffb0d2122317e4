"""The same network with more channels, or with and without noise maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch
from torch import nn

from latentlayers.generators.stylegan2 import StyleGAN2


@torch.no_grad()
def take_over(small: nn.Module, large: nn.Module, leave: Collection[str] = ()) -> None:
    """Put the values of `small` into the leading corner of those of `large`, but for the modules named in `leave`.

    What `large` computes from fresh channels stays as it is, but nothing of it goes into the old ones.
    """
    known = dict(small.named_modules())
    for name, module in large.named_modules():
        if name not in known or name in leave:
            continue
        # The equalised learning rate divides by the root of the fan-in, which the larger layer has more of.
        gain = getattr(known[name], "weight_gain", 1.0) / getattr(module, "weight_gain", 1.0)
        values = dict([*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)])
        for key, old in [*known[name].named_parameters(recurse=False), *known[name].named_buffers(recurse=False)]:
            corner = tuple(slice(size) for size in old.shape)
            if key == "weight":
                values[key][: old.shape[0]] = 0
                old = old * gain
            values[key][corner] = old


@torch.no_grad()
def padded(generator: StyleGAN2, channels: Mapping[int, int]) -> StyleGAN2:
    """A generator that draws the same pictures with blocks of at least the same widths; fresh weights are 0."""
    wide = StyleGAN2(replace(generator.config, channels=channels))
    for parameter in wide.parameters():
        parameter.zero_()
    take_over(generator, wide)
    return wide


def renoised(network: StyleGAN2, *, use_noise: bool) -> StyleGAN2:
    """The network without its noise maps, or with ones of strength 0; itself if it has them, or has none, already."""
    if network.config.use_noise == use_noise:
        return network
    made = StyleGAN2(replace(network.config, use_noise=use_noise))
    for name, buffer in made.named_buffers():
        if name.endswith("noise_const"):
            buffer.zero_()
    wanted = made.state_dict().keys()
    state = {name: value for name, value in network.state_dict().items() if name in wanted}
    made.load_state_dict(state, strict=False)  # new strengths begin at 0
    return made.requires_grad_(False)
