"""Opening the next side of a growing run."""

from __future__ import annotations

import torch

from latentlayers.generators.discriminator import Discriminator
from latentlayers.generators.stylegan2 import StyleGAN2

STEM_NOISE = 0.1


@torch.no_grad()
def open_generator_side(generator: StyleGAN2, side: int) -> None:
    """Start the block of that side without drawing anything, so that pictures are the coarser ones upsampled."""
    generator.synthesis.block(side).torgb.weight.zero_()


@torch.no_grad()
def open_discriminator_stem(discriminator: Discriminator) -> None:
    """Start the stem as the input layer of half the side applied to 2x2 means, plus a little of its random weights."""
    stem = discriminator.stem
    coarse = getattr(discriminator, f"rgb{discriminator.config.resolution // 2}")
    stem.weight.mul_(STEM_NOISE)
    # pixel_unshuffle puts the four pixels of a colour next to each other.
    mean = coarse.weight[:, :, 0, 0] * (coarse.weight_gain / stem.weight_gain / 4)
    stem.weight[:, :, 1, 1] += mean.repeat_interleave(4, dim=1)
    assert stem.bias is not None
    stem.bias.copy_(coarse.bias)
