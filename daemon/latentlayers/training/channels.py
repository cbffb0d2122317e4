"""Which channels of a trunk tell what people see, learnt from comparisons that need nobody's judgement.

A discriminator's channels are made for telling pictures from drawings. Summed up as they are, differences of their
activations find a portrait in another light less like it than another person's portrait of the same squared error. As
LPIPS does (Zhang et al., CVPR 2018, its "lin" variant), activations are brought to equal length at every place, and
every channel gets a weight of at least 0,

    d(a, b) = sum_j 1 / (C_j H_j W_j) sum_c w_jc ||F_jc(a) - F_jc(b)||^2,

learnt by logistic regression on log(d(far) / d(near)) of `comparisons`, where LPIPS has people's votes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlayers.generators.discriminator import DiscriminatorTrunk
from latentlayers.inversion.features import TRUNK_TAPS, equal_length, tap_widths
from latentlayers.training.comparisons import measured, nearest_others

STEPS, RATE = 400, 0.05
SHARPNESS = 3.0  # logits per unit of log(d(far) / d(near))
LEAST = 0.2  # of the mean weight: no channel is blind
# Who embeds a portrait wants its colours back: weights that were taught to overlook casts, too, lost 0.8 dB of colour
# portraits, and tinted their eyes.
UNTAUGHT = ("cast", "contrast")
PARTS_OF_A_FACE = ("eyes", "mouth")
BATCH = 25


@torch.no_grad()
def learn_channels(
    trunk: DiscriminatorTrunk,
    images: Tensor,
    groups: Tensor,
    show: Callable[[str], None] = lambda line: None,
) -> list[Tensor]:
    """Weights [C_j] of the channels of the first `TRUNK_TAPS` taps, from portraits [N, 3, R, R] in [-1, 1].

    They leave each tap's variance over the portraits as it is: how much a tap counts is not learnt, as the daemon
    balances taps itself.

    Args:
        groups: [N] only pictures of the same group (colour, mono) are compared with each other.
    """
    variance = torch.cat([tap.var(dim=0).mean(dim=(1, 2)) for tap in _taps(trunk, images)])
    others = images[nearest_others(images, groups, 1)[:, 0]]
    fars, nears, kinds = [], [], []
    for chosen in torch.split(torch.arange(len(images)), BATCH):
        part = images[chosen]
        goals = _taps(trunk, part)

        def differences(pictures: Tensor, goals: list[Tensor] = goals) -> Tensor:
            taps = zip(_taps(trunk, pictures), goals, strict=True)
            return torch.cat([(tap - goal).square().mean(dim=(2, 3)) for tap, goal in taps], dim=1)

        for comparison, far, near in measured(differences, part, others[chosen]):
            if comparison.subject in UNTAUGHT:
                continue
            fars.append(far)
            nears.append(near)
            kinds += [(comparison.subject, comparison.kind)] * len(far)
        show(f"compared {int(chosen[-1]) + 1} of {len(images)} portraits")
    return fitted(torch.cat(fars), torch.cat(nears), shares_of(kinds), variance, tap_widths(trunk), show)


def shares_of(kinds: Sequence[tuple[str, str]]) -> Tensor:
    """[n] how much each comparison counts, by its (subject, kind); summing to 1.

    Eyes count as much as the mouth, and as everything else together; within each, every kind as much as another,
    however many portraits it could be made of.
    """
    counts = Counter(kinds)
    topics = Counter(_topic(subject) for subject, _ in counts)
    return torch.tensor([1 / (counts[kind] * topics[_topic(kind[0])] * len(topics)) for kind in kinds])


def _topic(subject: str) -> str:
    return subject if subject in PARTS_OF_A_FACE else "all else"


def fitted(
    far: Tensor,
    near: Tensor,
    shares: Tensor,
    variance: Tensor,
    widths: Sequence[int],
    show: Callable[[str], None] = lambda line: None,
) -> list[Tensor]:
    """The weights that make `far` farther than `near`.

    Args:
        far, near: [n, C] mean squared differences by channel, C the sum of `widths`.
        shares: [n], how much each counts; summing to 1.
        variance: [C] of each channel. The weights of a tap keep the sum of its channels'.
    """
    tap = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths))
    totals = torch.zeros(len(widths)).index_add(0, tap, variance)

    def weights(raw: Tensor) -> Tensor:
        weight = F.softplus(raw)
        weight = weight * (totals / torch.zeros(len(widths)).index_add(0, tap, weight * variance))[tap]
        return LEAST + (1 - LEAST) * weight

    raw = torch.zeros(len(variance), requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=RATE)
    with torch.enable_grad():
        for step in range(STEPS):
            # Per tap relative to its size, as the daemon will weigh it.
            scaled = weights(raw) / totals[tap]
            margin = (far @ scaled).clamp_min(1e-12).log() - (near @ scaled).clamp_min(1e-12).log()
            loss = (F.softplus(-SHARPNESS * margin) * shares).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            if step in (0, STEPS - 1):
                right = float(((margin > 0) * shares).sum())
                show(f"{right:.1%} of the comparisons are right {'as it is' if step == 0 else 'with learnt weights'}")
    return list(torch.split(weights(raw.detach()), list(widths)))


def _taps(trunk: DiscriminatorTrunk, pictures: Tensor) -> list[Tensor]:
    return [equal_length(tap) for tap in trunk.features(pictures)[:TRUNK_TAPS]]
