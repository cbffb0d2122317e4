"""Whether an embedding is any good, said plainly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True)
class Limits:
    """Up to where a figure is still what its name says."""

    psnr: float
    unlikeness: float
    distance: float


# With portraits-128, `fast` reaches 24.7 dB or more (median 28.6), an unlikeness of up to 0.08 (median 0.05) and a
# distance of up to 1.3 on sixteen development portraits: 4 good, 12 fair. None of 200 is stranger than 1.14;
# of those on their side 84 % are above the limit, of inverted ones 79 %, of ones shifted by 40 px 92 %, of upside-down
# ones 41 %, and noise is at 1.16.
GOOD = Limits(psnr=24.0, unlikeness=0.03, distance=2.5)
FAIR = Limits(psnr=17.0, unlikeness=0.1, distance=3.5)
STRANGE = 1.15


def judge(psnr: float, unlikeness: float, distance: float, strangeness: float | None) -> tuple[Verdict, str]:
    """The verdict and a sentence for it.

    Args:
        psnr: decibels.
        unlikeness: the feature terms, relative to those between a sample of the model and its mean picture.
        distance: of the code from the mean, in multiples of that of the model's own samples.
        strangeness: see `Domain.strangeness`; None if the features cannot tell.
    """
    figures = f"{psnr:.1f} dB; {distance:.1f} times as far from the mean as the model's own pictures"
    far = _beyond(FAIR, psnr, unlikeness, distance)
    if strangeness is not None and strangeness > STRANGE:
        unlike = "this does not look like what the model was trained on"
        if far:
            return Verdict.POOR, f"Poor: {unlike} ({figures})."
        return Verdict.FAIR, f"Fair: like the picture, but {unlike}, so edits may look odd ({figures})."
    if far:
        return Verdict.POOR, (
            f"Poor: the model does not get near this picture ({figures}); either it does not look like what the model "
            "was trained on, or the search was too short."
        )
    if _beyond(GOOD, psnr, unlikeness, distance):
        return Verdict.FAIR, f"Fair: like the picture, but details are lost or edits may look odd ({figures})."
    return Verdict.GOOD, f"Good: the model reproduces this picture closely ({figures})."


def _beyond(limits: Limits, psnr: float, unlikeness: float, distance: float) -> bool:
    return psnr < limits.psnr or unlikeness > limits.unlikeness or distance > limits.distance
