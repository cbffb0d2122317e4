"""Whether an embedding is any good, said plainly."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


# Measured with the seed model on development portraits and on pictures that are none: see docs/benchmarks.md.
GOOD_PERCEPTUAL = 0.1
FAIR_PERCEPTUAL = 0.25
FAR = 3.0


def judge(psnr: float, perceptual: float, distance: float) -> tuple[Verdict, str]:
    """The verdict and a sentence for it.

    Args:
        psnr: decibels.
        perceptual: sum of the feature terms, in multiples of what the pixels of two random samples differ by.
        distance: of the code from the mean, in multiples of that of the model's own samples.
    """
    figures = f"{psnr:.1f} dB, {distance:.1f} times as far from the mean as the model's own pictures"
    if perceptual > FAIR_PERCEPTUAL or distance > FAR:
        return Verdict.POOR, f"Poor: this does not look like what the model was trained on ({figures})."
    if perceptual > GOOD_PERCEPTUAL:
        return Verdict.FAIR, f"Fair: recognisable, but details differ ({figures})."
    return Verdict.GOOD, f"Good: the model reproduces this picture closely ({figures})."
