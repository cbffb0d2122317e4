"""StyleGAN generators as frozen torch modules behind one interface."""

from latentlayers.generators.base import Generator, GeneratorConfig, Noise
from latentlayers.generators.stylegan1 import StyleGAN1, StyleGAN1Config
from latentlayers.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from latentlayers.generators.stylegan3 import StyleGAN3, StyleGAN3Config, StyleGAN3Layer

__all__ = [
    "Generator",
    "GeneratorConfig",
    "Noise",
    "StyleGAN1",
    "StyleGAN1Config",
    "StyleGAN2",
    "StyleGAN2Config",
    "StyleGAN3",
    "StyleGAN3Config",
    "StyleGAN3Layer",
]
