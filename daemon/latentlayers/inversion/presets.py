"""The named ways to embed, and every number they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from latentlayers.errors import InvalidInput

Space = Literal["w+", "w", "z"]
Start = Literal["mean", "uniform", "domain"]
Optimiser = Literal["adam", "lbfgs"]
Schedule = Literal["constant", "projector"]

PIXEL_WEIGHT = 6.0  # of our presets: nearer than at 1 by most of a decibel, and the features hardly fit worse


@dataclass(frozen=True)
class Phase:
    """A stretch of the optimisation: `share` of its steps with the generator stopped at `most_side` pixels.

    A generator that cannot stop there, or is no larger, runs the phase in full.
    """

    share: float
    most_side: int | None = None


@dataclass(frozen=True)
class EmbedSettings:
    """How to search for the code of a picture.

    Attributes:
        name: the preset's.
        space: "w+" (one row per layer), "w" (one for all) or "z" (the mapping network's input).
        start: "mean" is w_avg; "uniform" is U[-1, 1] in every component; "domain" is the mean unless
            the picture is not of the domain (`Domain.strangeness`), then uniform. In "z", the best of some draws.
        optimiser: "adam", or "lbfgs" in the coordinates of `calibrate`.
        max_steps: evaluations of the objective with its gradient.
        seed: of the uniform start, the draws in "z" and `w_noise`.
        pixel_weight, feature_weight: lambda_mse, and lambda_1 = .. = lambda_4.
        prior: what a code costs, beyond the objective, that is as far from the mean as the model's samples are
            on average; it grows with the square of the distance.
        phases: coarse to fine; their shares are of `max_steps`.
        learning_rate, betas, epsilon, schedule: Adam's.
        w_noise, w_noise_ramp: the projector's exploration: deviation at the start as a share of that of w, and the
            share of the run over which it falls to 0.
        history: pairs that L-BFGS remembers.
    """

    name: str
    space: Space = "w+"
    start: Start = "mean"
    optimiser: Optimiser = "adam"
    max_steps: int = 5000
    seed: int = 0
    pixel_weight: float = 1.0
    feature_weight: float = 1.0
    prior: float = 0.0
    phases: tuple[Phase, ...] = (Phase(1.0),)
    learning_rate: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    schedule: Schedule = "constant"
    w_noise: float = 0.0
    w_noise_ramp: float = 0.75
    history: int = 50

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise InvalidInput("STEPS_INVALID", f"{self.max_steps} steps are too few.", "Ask for at least one step.")


# Image2StyleGAN, section 3: Adam at 0.01 with its usual constants, 5000 steps, all lambdas 1, the mean latent for
# the model's own domain and a uniform one for everything else.
PAPER = EmbedSettings(name="paper", start="domain")

# The StyleGAN2 projector (Karras et al., CVPR 2020, appendix D): W, perceptual distance only, 1000 steps at up to 0.1.
# It also optimises the noise maps, under a regulariser, and then returns w alone, which renders another picture
# than the one it optimised. A code has to mean one picture here, so the maps stay the model's constants.
PROJECTOR = EmbedSettings(
    name="projector",
    space="w",
    max_steps=1000,
    pixel_weight=0.0,
    learning_rate=0.1,
    schedule="projector",
    w_noise=0.05,
)

# Ours: L-BFGS in coordinates that even out how strongly each direction of w+ moves the picture.
FAST = EmbedSettings(
    name="fast",
    optimiser="lbfgs",
    max_steps=300,
    pixel_weight=PIXEL_WEIGHT,
    prior=0.02,
    phases=(Phase(0.8, 256), Phase(0.2)),
)
BEST = EmbedSettings(
    name="best",
    optimiser="lbfgs",
    max_steps=800,
    pixel_weight=PIXEL_WEIGHT,
    prior=0.006,
    phases=(Phase(0.5, 256), Phase(0.5)),
)

PRESETS = MappingProxyType({settings.name: settings for settings in (FAST, BEST, PAPER, PROJECTOR)})


def preset(name: str) -> EmbedSettings:
    """The settings of that name. Raises InvalidInput: PRESET_UNKNOWN."""
    if name not in PRESETS:
        raise InvalidInput("PRESET_UNKNOWN", f"There is no preset {name!r:.40}.", f"Use one of: {', '.join(PRESETS)}.")
    return PRESETS[name]
