"""Embedding: the search for the latent code whose picture is like a given one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from latentlayers.errors import PreconditionFailed
from latentlayers.generators import Generator
from latentlayers.generators.settled import settled
from latentlayers.inversion import calibrate, lbfgs
from latentlayers.inversion.features import FeatureNetwork
from latentlayers.inversion.objective import Objective
from latentlayers.inversion.presets import EmbedSettings
from latentlayers.inversion.progress import Estimate, OnProgress, Progress
from latentlayers.inversion.start import Variables, starting_point
from latentlayers.inversion.verdict import STRANGE, Verdict, judge


@dataclass(frozen=True)
class EmbedResult:
    """A picture's code and how well it renders, with the model's constant noise maps and at full size.

    Attributes:
        ws: [num_ws, w_dim] float32, on the generator's device.
        objective: Image2StyleGAN's with all lambdas 1, whatever was optimised, so that presets can be compared.
        psnr: decibels, over what the mask shows.
        perceptual: the objective's feature terms.
        distance_from_mean: ||ws - w_avg||.
        steps: evaluations of the objective with its gradient.
        seconds: of the call; in a batch, of the whole batch.
    """

    ws: Tensor
    objective: float
    psnr: float
    perceptual: float
    distance_from_mean: float
    steps: int
    seconds: float
    verdict: Verdict
    verdict_text: str


def embed(
    generator: Generator,
    target: Tensor,
    weight: Tensor | None,
    settings: EmbedSettings,
    features: FeatureNetwork,
    on_progress: OnProgress | None = None,
    near: Tensor | None = None,
) -> EmbedResult:
    """Search for the code of one picture.

    The same arguments give the same bits on the same machine with the same number of threads.

    Args:
        target: [3, R, R] in [-1, 1], R the generator's resolution.
        weight: [1, R, R] in 0..1, 0 where the picture does not count at all; None where all of it does.
        on_progress: called at every evaluation of the objective. What it raises ends the search.
        near: [num_ws, w_dim], the code of a similar picture: the search begins there, whatever the settings say, and
            the prior holds it there. Two pictures of one person then get codes whose difference is what differs
            between them; found independently, they lie apart in ways that no picture shows. Not for space "z".

    Raises:
        InvalidInput: IMAGE_NOT_FINITE, MASK_INVALID.
        PreconditionFailed: OBJECTIVE_NOT_FINITE, the model or the settings make the objective overflow.
        ValueError: wrong shapes.
    """
    weights = None if weight is None else weight[None]
    starts = None if near is None else near[None]
    return embed_batch(
        generator, target[None], settings, features, weights=weights, on_progress=on_progress, near=starts
    )[0]


def embed_batch(
    generator: Generator,
    targets: Tensor,
    settings: EmbedSettings,
    features: FeatureNetwork,
    *,
    weights: Tensor | None = None,
    on_progress: OnProgress | None = None,
    near: Tensor | None = None,
) -> list[EmbedResult]:
    """`embed` for [N, 3, R, R] at once (weights [N, 1, R, R], near [N, num_ws, w_dim]).

    Pictures do not influence each other. Memory grows with N; split a large set into parts. A seed gives each picture
    of a batch its own random numbers.
    """
    count, side = len(targets), generator.resolution
    if targets.shape != (count, 3, side, side):
        raise ValueError(f"targets must have shape [N, 3, {side}, {side}], not {list(targets.shape)}")
    if weights is not None and weights.shape != (count, 1, side, side):
        raise ValueError(f"weights must have shape [{count}, 1, {side}, {side}], not {list(weights.shape)}")
    if near is not None and near.shape != (count, generator.num_ws, generator.w_dim):
        raise ValueError(
            f"near must have shape [{count}, {generator.num_ws}, {generator.w_dim}], not {list(near.shape)}"
        )
    with settled(generator, features):
        return _Search(generator, targets, weights, settings, features, on_progress or (lambda _: None), near).run()


class _Search:
    """One call of `embed_batch`."""

    def __init__(
        self,
        generator: Generator,
        targets: Tensor,
        weights: Tensor | None,
        settings: EmbedSettings,
        features: FeatureNetwork,
        on_progress: OnProgress,
        near: Tensor | None,
    ) -> None:
        device = generator.w_avg.device
        self.generator, self.settings, self.on_progress = generator, settings, on_progress
        self.stages = _stages(generator, settings)
        self.estimate = Estimate([float(side**2) for side, steps in self.stages for _ in range(steps)])
        self.steps = 0
        scales = calibrate.scales(generator, features, self._preparing)
        self.scales = scales
        weights = None if weights is None else weights.to(device, torch.float32)
        self.whole = Objective(features, targets.to(device, torch.float32), weights, scales.gains)
        self.strangeness = None if scales.domain is None else self.whole.strangeness(scales.domain)
        self.rng = torch.Generator().manual_seed(settings.seed)
        metric = None
        if settings.optimiser == "lbfgs" and settings.space != "z":
            metric = calibrate.coordinates(generator, features, self._preparing)
        near = None if near is None else near.to(device, torch.float32)
        self.centre = generator.w_avg if near is None else near
        strange = torch.zeros(len(targets), device=device) if self.strangeness is None else self.strangeness
        self.variables: Variables = starting_point(
            generator, self.whole, settings, self.rng, metric, strange > STRANGE, self._preparing, near
        )
        self.lambdas = torch.full([1 + len(scales.gains)], settings.feature_weight, device=device)
        self.lambdas[0] = settings.pixel_weight

    def run(self) -> list[EmbedResult]:
        self.estimate = Estimate([float(side**2) for side, steps in self.stages for _ in range(steps)])
        x = self.variables.start
        if self.settings.optimiser == "lbfgs":
            for side, steps in self.stages:
                x = lbfgs.minimise(self._evaluator(side), x, steps, self.settings.history)
        else:
            x = self._adam(x)
        return self._results(self.variables.decode(x))

    def _adam(self, start: Tensor) -> Tensor:
        settings = self.settings
        x = start.clone()
        adam = torch.optim.Adam([x], settings.learning_rate, settings.betas, settings.epsilon)
        for side, steps in self.stages:
            evaluate = self._evaluator(side)
            for _ in range(steps):
                adam.param_groups[0]["lr"] = settings.learning_rate * _rate(settings, self.steps)
                _, x.grad = evaluate(x)
                adam.step()
        return x

    def _evaluator(self, side: int) -> lbfgs.Evaluate:
        objective = self.whole if side == self.generator.resolution else self.whole.reduced(side)

        def evaluate(x: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                x = x.detach().requires_grad_(True)
                ws = self.variables.decode(x)
                pictures = self.generator.synthesize(self._explored(ws), resolution=side)
                terms = objective(pictures)
                values = terms @ self.lambdas
                if self.settings.prior:
                    strayed = (ws - self.centre).square().sum(dim=(1, 2))
                    values = values + strayed * (self.settings.prior / self.scales.spread**2)
                (gradient,) = torch.autograd.grad(values.sum(), x)
            values, terms = values.detach(), terms.detach()
            finite = bool(values.isfinite().all())
            if not finite and (self.settings.optimiser == "adam" or self.steps == 0):
                raise _not_finite(self.steps)
            self.steps += 1
            self.on_progress(
                Progress(
                    phase="optimising",
                    step=self.steps,
                    total=self.settings.max_steps,
                    eta_seconds=self.estimate.after(self.steps),
                    objective=float(terms.sum(dim=1).mean()),
                    psnr=float(objective.psnr(pictures.detach()).mean()),
                    rendered=pictures[0].detach(),
                )
            )
            return values, gradient

        return evaluate

    def _explored(self, ws: Tensor) -> Tensor:
        """The projector's jitter, which dies away: N(0, (w_noise * std(w) * max(0, 1 - t / ramp)^2)^2)."""
        settings = self.settings
        left = max(0.0, 1 - self.steps / settings.max_steps / settings.w_noise_ramp)
        if not settings.w_noise or not left:
            return ws
        rows = ws.shape[1] if settings.space == "w+" else 1
        deviation = settings.w_noise * self.scales.spread / math.sqrt(ws.shape[1]) * left**2
        jitter = torch.randn(ws.shape[0], rows, ws.shape[2], generator=self.rng)
        return ws + jitter.to(ws.device) * deviation

    def _preparing(self) -> None:
        nothing = math.nan
        self.on_progress(Progress("preparing", self.steps, self.settings.max_steps, nothing, nothing, nothing))

    @torch.no_grad()
    def _results(self, ws: Tensor) -> list[EmbedResult]:
        ws = ws.detach()
        pictures = self.generator.synthesize(ws)
        terms, psnr = self.whole(pictures), self.whole.psnr(pictures)
        distances = (ws - self.generator.w_avg).norm(dim=(1, 2))
        seconds = self.estimate.elapsed
        if not bool(ws.isfinite().all() & terms.isfinite().all()):
            raise _not_finite(self.steps)
        results = []
        strangeness = [None] * len(ws) if self.strangeness is None else self.strangeness.tolist()
        for code, term, decibels, distance, strange in zip(
            ws, terms, psnr.tolist(), distances.tolist(), strangeness, strict=True
        ):
            perceptual = float(term[1:].sum())
            unlikeness, strayed = perceptual / self.scales.perceptual, distance / self.scales.spread
            verdict, text = judge(decibels, unlikeness, strayed, strange)
            results.append(
                EmbedResult(
                    ws=code.clone(),
                    objective=float(term.sum()),
                    psnr=decibels,
                    perceptual=perceptual,
                    distance_from_mean=distance,
                    steps=self.steps,
                    seconds=seconds,
                    verdict=verdict,
                    verdict_text=text,
                )
            )
        return results


def _stages(generator: Generator, settings: EmbedSettings) -> list[tuple[int, int]]:
    """(side at which the generator stops, steps) of each phase that has any."""
    ends = [round(share * settings.max_steps) for share in accumulate(phase.share for phase in settings.phases)]
    ends[-1] = settings.max_steps
    stages: list[tuple[int, int]] = []
    for phase, begin, end in zip(settings.phases, [0, *ends], ends, strict=False):
        within = [side for side in generator.resolutions if phase.most_side is None or side <= phase.most_side]
        side = within[-1] if within else generator.resolution
        if stages and stages[-1][0] == side:
            stages[-1] = (side, stages[-1][1] + end - begin)
        elif end > begin:
            stages.append((side, end - begin))
    return stages


def _rate(settings: EmbedSettings, step: int) -> float:
    """Factor of the learning rate; "projector" rises over 5 % and falls on a cosine over the last 25 %."""
    if settings.schedule == "constant":
        return 1.0
    t = step / settings.max_steps
    falling = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / 0.25))
    return falling * min(1.0, t / 0.05)


def _not_finite(step: int) -> PreconditionFailed:
    return PreconditionFailed(
        "OBJECTIVE_NOT_FINITE",
        f"The objective was not a finite number at step {step}.",
        "Check that the model renders (`latentlayers models show`), or use a smaller learning rate.",
    )
