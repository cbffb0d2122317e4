"""StyleGAN generators as frozen torch modules behind one interface."""

from latentlayers.generators.base import Generator, Noise
from latentlayers.generators.stylegan2 import StyleGAN2, StyleGAN2Config

__all__ = ["Generator", "Noise", "StyleGAN2", "StyleGAN2Config"]
