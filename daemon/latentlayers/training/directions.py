"""Learning a labelled direction in `w+`, such as a smile, that changes the mouth and little else.

After "On the steerability of GANs" (Jahanian, Chai & Isola, ICLR 2020): one vector d is optimised so that `G(w + d)`
differs from `G(w)` in the wanted way for all w. The wanted way is read by a probe fitted to labelled portraits; what
lies outside the lower face is to stay as it is. The usual mean difference between embedded smiling and neutral
portraits was tried first: with these few portraits it hardly told held-out ones apart, nor moved the mouth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.base import Generator
from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.training.data import Portraits
from latentlayers.training.grids import to_signed
from latentlayers.training.probe import Probe, choose_examples, fit_probe, held_out_evidence, lower_face, mouth_pixels

TRUNCATION = 0.85
KEEP = 100.0  # weight of the squared change outside the lower face
TEST_SAMPLES = 256


@dataclass(frozen=True)
class LearntDirection:
    """A direction and what is known about it.

    Attributes:
        direction: [num_ws, w_dim] float32; adding it once is strength 1.
        evidence: JSON-ready figures.
    """

    direction: Tensor
    evidence: dict[str, Any]


def outside_lower_face(side: int) -> Tensor:
    """[side, side]: 0 around mouth and cheeks of an aligned face, 1 elsewhere, with a soft edge."""
    mask = torch.ones(1, 1, side, side)
    mask[..., side // 2 : side * 29 // 32, side * 7 // 32 : side * 25 // 32] = 0
    size = 2 * (side // 20) + 1
    return F.avg_pool2d(mask, size, stride=1, padding=size // 2, count_include_pad=False)[0, 0]


def steer(
    generator: Generator,
    trunk: DiscriminatorTrunk,
    probe: Probe,
    *,
    gain: float,
    steps: int = 150,
    batch: int = 16,
    rate: float = 0.03,
    dtype: torch.dtype = torch.bfloat16,
    seed: int = 0,
) -> Tensor:
    """Minimise over d [num_ws, w_dim], for random w:

    `(probe(G(w + d)) - probe(G(w)) - gain)^2 + KEEP * mean over the outside of |G(w + d) - G(w)|^2`.
    """
    random = torch.Generator().manual_seed(seed)
    outside = outside_lower_face(generator.resolution)
    direction = torch.zeros(generator.num_ws, generator.w_dim, requires_grad=True)
    optimiser = torch.optim.Adam([direction], lr=rate)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        with torch.no_grad():
            ws = generator.map(torch.randn(batch, generator.z_dim, generator=random), truncation=TRUNCATION)
            before = generator.synthesize(ws, dtype=dtype)
            wanted = probe.score(lower_face(trunk, before, dtype)) + gain
        after = generator.synthesize(ws + direction, dtype=dtype)
        missed = (probe.score(lower_face(trunk, after, dtype)) - wanted).square().mean()
        spilt = (outside * (after - before).square().mean(dim=1)).mean()
        optimiser.zero_grad()
        torch.autograd.backward(missed + KEEP * spilt)
        optimiser.step()
    return direction.detach()


def chroma(images: Tensor) -> Tensor:
    """[N] mean over pixels of max(r, g, b) - min(r, g, b), for pictures [N, 3, R, R] in [-1, 1]; 0 is grey."""
    return (images.amax(dim=1) - images.amin(dim=1)).mean(dim=(1, 2))


@torch.no_grad()
def effect(generator: Generator, direction: Tensor, witness: Probe, seed: int = 1) -> dict[str, float]:
    """What a step of strength 1 does to fresh samples.

    `witness_gain`: change of the score of a probe on mouth pixels that the direction was not learnt from (neutral
    and happy portraits are 2 apart). `chroma_change`: mean change of `chroma`, as a share of its mean.
    `rms_outside`, `rms_lower_face`: change of the pixels in grey levels of 255.
    """
    random = torch.Generator().manual_seed(seed)
    ws = generator.map(torch.randn(TEST_SAMPLES, generator.z_dim, generator=random), truncation=TRUNCATION)
    before, after = (
        torch.cat([generator.synthesize(part).clamp(-1, 1) for part in torch.split(codes, 32)])
        for codes in (ws, ws + direction)
    )
    outside = outside_lower_face(generator.resolution)
    change = (after - before).square().mean(dim=(0, 1))

    def levels(mask: Tensor) -> float:
        return round(math.sqrt(float((change * mask).sum() / mask.sum())) * 127.5, 2)

    gained = witness.score(mouth_pixels(after)) - witness.score(mouth_pixels(before))
    return {
        "witness_gain": round(float(gained.mean()), 3),
        "witness_gain_p10": round(float(gained.quantile(0.1)), 3),
        "chroma_change": round(float((chroma(after).mean() - chroma(before).mean()) / chroma(before).mean()), 3),
        "rms_outside": levels(outside),
        "rms_lower_face": levels(1 - outside),
    }


def learn_direction(
    generator: Generator,
    trunk: DiscriminatorTrunk,
    portraits: Portraits,
    positive: str,
    negative: str,
    *,
    gain: float = 1.5,
    steps: int = 150,
) -> LearntDirection:
    """Fit the probes, learn the direction, measure it.

    Args:
        trunk: calibrated features of pictures like the generator's.
        positive, negative: expression columns of the portraits' metadata.
        gain: what strength 1 adds to the probe's score; negatives and positives are 2 apart.

    Raises:
        InvalidInput: ROWS_INVALID, see `choose_examples`.
    """
    examples = choose_examples(portraits, positive, negative)
    images = to_signed(portraits.images[torch.from_numpy(examples.index)])
    with torch.no_grad():
        features = torch.cat([lower_face(trunk, part) for part in torch.split(images, 64)])
    pixels = mouth_pixels(images)
    probe, witness = (fit_probe(rows, examples.positive, examples.colour) for rows in (features, pixels))
    direction = steer(generator, trunk, probe, gain=gain, steps=steps)
    return LearntDirection(
        direction,
        {
            "labels": f"{positive} and {negative}, each above 0.9 by a classifier",
            "probe_held_out": held_out_evidence(features, examples.positive, examples.colour),
            "witness_held_out": held_out_evidence(pixels, examples.positive, examples.colour),
            "gain": gain,
            "norm": round(float(direction.square().sum().sqrt()), 2),
            "effect_of_strength_1": effect(generator, direction, witness),
        },
    )
