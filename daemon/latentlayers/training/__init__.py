"""How the shipped portrait model is made: StyleGAN2 training on CPUs or one GPU, export, directions, honest figures.

Nothing of the daemon imports this package; `python -m latentlayers.training --help` is its door.
"""
