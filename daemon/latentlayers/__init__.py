"""Latent Layers: embed pictures into a StyleGAN's latent space and edit them there."""

__version__ = "0.1.0"
