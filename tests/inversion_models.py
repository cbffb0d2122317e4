"""A generator small enough to embed into within a second, with a perceptual network of its own."""

from __future__ import annotations

import torch
from latentlayers.generators import StyleGAN2, StyleGAN2Config
from latentlayers.generators.discriminator import DiscriminatorConfig, DiscriminatorTrunk
from latentlayers.inversion import TrunkFeatures
from torch import Tensor

SIDE = 16


def tiny_generator(seed: int = 0, c_dim: int = 0) -> StyleGAN2:
    torch.manual_seed(seed)
    channels = {4: 16, 8: 16, 16: 8}
    generator = StyleGAN2(
        StyleGAN2Config(
            resolution=SIDE, z_dim=12, w_dim=12, channels=channels, mapping_layers=2, lr_multiplier=1.0, c_dim=c_dim
        )
    )
    with torch.no_grad():
        z = torch.randn(2000, generator.z_dim)
        labels = torch.eye(c_dim)[torch.arange(2000) % c_dim] if c_dim else None
        generator.w_avg.copy_(generator.map(z, labels)[:, 0].mean(dim=0))
        for side in generator.synthesis.sides:
            for layer in generator.synthesis.block(side).layers:
                layer.noise_strength.fill_(0.05)
            generator.synthesis.block(side).torgb.weight *= 0.2  # pictures within [-1, 1]
    return generator


def tiny_trunk(seed: int = 0) -> DiscriminatorTrunk:
    torch.manual_seed(seed)
    return DiscriminatorTrunk(DiscriminatorConfig(SIDE, {4: 16, 8: 12}))


def tiny_features() -> TrunkFeatures:
    return TrunkFeatures(tiny_trunk(), "tiny")


def samples(generator: StyleGAN2, count: int, seed: int = 7) -> Tensor:
    """Pictures the generator draws itself, from codes half as far from the mean as usual: [count, 3, R, R]."""
    rng = torch.Generator().manual_seed(seed)
    return generator.synthesize(generator.map(torch.randn(count, generator.z_dim, generator=rng), truncation=0.5))
