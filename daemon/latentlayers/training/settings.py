"""Everything that shapes a training run, and the schedules that follow from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TrainSettings:
    """Hyper-parameters of a run. The defaults suit 64 px portraits.

    Attributes:
        batch: pictures per step over all processes; every process gets an equal share.
        generator_rate, discriminator_rate: Adam's step sizes (beta1 = 0, `beta2` below).
        warmup_steps: steps over which the rates rise from 0 after a start without optimiser state.
        decay_share: the rates fall on a half cosine over this last share of the planned time...
        generator_floor, discriminator_floor: ...to these fractions of their start. The discriminator's must not
            fall far: one that learns slower than the generator stops teaching (its logits go to 0).
        r1_gamma: weight of the R1 penalty (Mescheder et al. 2018), `gamma / 2 * E |grad D(x)|^2`, at the full side; at
            smaller sides it shrinks with the number of pixels.
        r1_every: apply it every so many steps, that much stronger (lazy regularisation).
        style_mixing: probability that a sample takes its finer rows from a second w.
        noise: False draws fakes without noise maps, so that w alone decides about every pixel: what the noise adds, an
            embedding cannot take away.
        ema_kimg: half-life of the generator's moving average, in thousands of pictures.
        ema_rampup: the half-life is at most this share of the pictures shown since the start or the seed...
        ema_first_kimg: ...but never below this, so that single steps do not show.
        ada_target: wanted mean sign of D's logits on real pictures; above it the augmentation grows.
        ada_kimg: thousands of pictures for the augmentation probability to move by 1.
        ada_max: its upper bound; from about 0.8 on augmentations leak into the samples (Karras et al. 2020).
        balance: 0 draws pictures uniformly, 1 draws every group (colour x sex) equally often, 0.5 is half-way.
        reconstruct: share of each batch whose fakes are reconstructions of its pictures (`codebook`); 0: none.
        reconstruct_weight: of their error, beside the adversarial loss. Adam divides by the sum of both: where the
            log's `pull` is far above 1, samples stop getting better.
        window, visits: how many pictures have their turn at a time, and how often each is visited.
        grow_kimg: thousands of pictures after which the side doubles; (60, 260) trains 16, 32, then 64 px.
        seed: of every random choice. A resumed run does not repeat an uninterrupted one bit by bit.
    """

    batch: int = 16
    generator_rate: float = 0.0015
    discriminator_rate: float = 0.0025
    beta2: float = 0.99
    warmup_steps: int = 100
    decay_share: float = 0.35
    generator_floor: float = 0.05
    discriminator_floor: float = 0.4
    r1_gamma: float = 0.1
    r1_every: int = 16
    style_mixing: float = 0.5
    noise: bool = True
    ema_kimg: float = 5.0
    ema_rampup: float = 0.05
    ema_first_kimg: float = 1.0
    ada_target: float = 0.6
    ada_kimg: float = 100.0
    ada_max: float = 0.7
    balance: float = 0.5
    reconstruct: float = 0.0
    reconstruct_weight: float = 1.0
    window: int = 128
    visits: float = 40.0
    grow_kimg: tuple[float, ...] = ()
    seed: int = 1

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainSettings:
        """Inverse of `to_json`. Raises TypeError for unknown fields."""
        return cls(**{**data, "grow_kimg": tuple(data.get("grow_kimg", ()))})

    def side_at(self, images: int, resolution: int) -> int:
        """The side in pixels that training works at after `images` pictures."""
        remaining = sum(images < 1000 * kimg for kimg in self.grow_kimg)
        return int(resolution) >> remaining

    def rates_at(self, progress: float, steps: int) -> tuple[float, float]:
        """(generator's, discriminator's) learning rate at `progress` in [0, 1], `steps` after the optimiser's start."""
        late = min(max((progress - (1 - self.decay_share)) / max(self.decay_share, 1e-9), 0.0), 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * late))
        warmth = min(1.0, (steps + 1) / max(self.warmup_steps, 1))

        def rate(start: float, floor: float) -> float:
            return start * warmth * (floor + (1 - floor) * cosine)

        return (
            rate(self.generator_rate, self.generator_floor),
            rate(self.discriminator_rate, self.discriminator_floor),
        )

    def ema_decay(self, images: int) -> float:
        """Factor by which the moving average keeps its old value per step, `images` after the start or the seed."""
        half_life = min(self.ema_kimg * 1000, max(images * self.ema_rampup, self.ema_first_kimg * 1000))
        return float(0.5 ** (self.batch / half_life))

    def next_augment(self, probability: float, real_sign: float) -> float:
        """One step of adaptive augmentation: towards more while D is too sure of the real pictures."""
        direction = (real_sign > self.ada_target) - (real_sign < self.ada_target)
        return min(max(probability + direction * self.batch / (self.ada_kimg * 1000), 0.0), self.ada_max)
