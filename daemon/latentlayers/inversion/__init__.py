"""From a picture to its latent code: the objective, its features, the presets and the optimiser."""

from latentlayers.inversion.features import (
    FeatureNetwork,
    PixelPyramid,
    TrunkFeatures,
    VGG16Features,
    load_features,
    save_features,
)
from latentlayers.inversion.objective import Objective
from latentlayers.inversion.optimise import EmbedResult, embed, embed_batch
from latentlayers.inversion.presets import PRESETS, EmbedSettings, Phase, preset
from latentlayers.inversion.progress import Progress
from latentlayers.inversion.verdict import Verdict

__all__ = [
    "PRESETS",
    "EmbedResult",
    "EmbedSettings",
    "FeatureNetwork",
    "Objective",
    "Phase",
    "PixelPyramid",
    "Progress",
    "TrunkFeatures",
    "VGG16Features",
    "Verdict",
    "embed",
    "embed_batch",
    "load_features",
    "preset",
    "save_features",
]
