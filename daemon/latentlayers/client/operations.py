"""The editing calls as values: what to do with which sources. `Client.run` and `Client.stream` take them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from google.protobuf.message import Message

from latentlayers.client.options import (
    EMBED_DEFAULTS,
    NOISE_MODES,
    OUTPUT_DEFAULTS,
    EmbedOptions,
    NoiseMode,
    OutputOptions,
    in_range,
    lookup,
)
from latentlayers.client.pictures import PictureLike, PictureSource, picture_to_wire
from latentlayers.client.sources import SourceLike, picture_source, source_to_wire
from latentlayers.errors import InvalidInput
from latentlayers.v1 import editing_service_pb2 as pb

DEFAULT_FRAMES = 7
_FRAMES = range(1, 1001)


@dataclass(frozen=True)
class Embed:
    """Finds the latent code of a picture; the picture of the result is its reconstruction."""

    rpc: ClassVar[str] = "Embed"
    picture: PictureLike | PictureSource
    options: EmbedOptions = EMBED_DEFAULTS
    output: OutputOptions = OUTPUT_DEFAULTS

    def to_wire(self, limit: int) -> Message:
        return pb.EmbedRequest(
            source=picture_source(self.picture).to_wire(limit),
            options=self.options.to_wire(),
            output=self.output.to_wire(limit),
        )


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What all operations on sources can be told.

    Attributes:
        options: how sources that are pictures are embedded.
        latest_wins_key: a newer call with the same key ends this one with `Superseded`; for sliders.
    """

    options: EmbedOptions = EMBED_DEFAULTS
    output: OutputOptions = OUTPUT_DEFAULTS
    latest_wins_key: str = ""


@dataclass(frozen=True)
class Morph(Edit):
    """`w = lambda*w1 + (1-lambda)*w2` with w1 of `a` and w2 of `b`.

    Attributes:
        weights: lambda of each picture; empty: `frames` pictures evenly from a (lambda 1) to b (lambda 0).
    """

    rpc: ClassVar[str] = "Morph"
    a: SourceLike
    b: SourceLike
    weights: Sequence[float] = ()
    frames: int = DEFAULT_FRAMES

    def to_wire(self, limit: int) -> Message:
        return pb.MorphRequest(
            a=source_to_wire(self.a, limit),
            b=source_to_wire(self.b, limit),
            weights=pb.Weights(values=_numbers("weights", self.weights)) if self.weights else None,
            frames=None if self.weights else in_range("frames", self.frames, _FRAMES),
            embed=self.options.to_wire(),
            output=self.output.to_wire(limit),
            latest_wins_key=self.latest_wins_key,
        )


@dataclass(frozen=True)
class Crossover(Edit):
    """Rows of `w+` from two codes.

    Attributes:
        rows: what comes from the style, e.g. "coarse", "5-11", "split:6", "fine:0.5"; "" is the upper half. A
            sequence of numbers is one weight in 0..1 per row.
        mask: where the crossover applies (white), in the frame's square.
    """

    rpc: ClassVar[str] = "Crossover"
    content: SourceLike
    style: SourceLike
    rows: str | Sequence[float] = ""
    mask: PictureLike | None = None

    def to_wire(self, limit: int) -> Message:
        names, weights = (self.rows, ()) if isinstance(self.rows, str) else ("", self.rows)
        return pb.CrossoverRequest(
            content=source_to_wire(self.content, limit),
            style=source_to_wire(self.style, limit),
            rows=names,
            row_weights=_numbers("rows", weights),
            mask=None if self.mask is None else picture_to_wire(self.mask, limit),
            embed=self.options.to_wire(),
            output=self.output.to_wire(limit),
            latest_wins_key=self.latest_wins_key,
        )


@dataclass(frozen=True)
class TransferExpression(Edit):
    """`w = w1 + lambda*(w3 - w2)` with w1 of `target`, w2 of `neutral`, w3 of `expressive`.

    Attributes:
        strengths: lambda of each picture.
        rows: as in `Crossover`, by name; "" is all.
        noise_threshold: rows of w3 - w2 whose norm is below this are left out; None is the model's default.
    """

    rpc: ClassVar[str] = "TransferExpression"
    target: SourceLike
    neutral: SourceLike
    expressive: SourceLike
    strengths: Sequence[float] = (1.0,)
    rows: str = ""
    noise_threshold: float | None = None

    def to_wire(self, limit: int) -> Message:
        return pb.TransferExpressionRequest(
            target=source_to_wire(self.target, limit),
            neutral=source_to_wire(self.neutral, limit),
            expressive=source_to_wire(self.expressive, limit),
            strengths=_numbers("strengths", self.strengths),
            rows=self.rows,
            noise_threshold=self.noise_threshold,
            embed=self.options.to_wire(),
            output=self.output.to_wire(limit),
            latest_wins_key=self.latest_wins_key,
        )


@dataclass(frozen=True)
class ApplyDirection(Edit):
    """`w = w1 + lambda*direction`.

    Attributes:
        direction: a name from `ModelInfo.directions`, or "sefa-K" / "pca-K" (K from 1).
        strengths: lambda of each picture.
    """

    rpc: ClassVar[str] = "ApplyDirection"
    source: SourceLike
    direction: str
    strengths: Sequence[float] = (1.0,)
    rows: str = ""

    def to_wire(self, limit: int) -> Message:
        return pb.ApplyDirectionRequest(
            source=source_to_wire(self.source, limit),
            direction=self.direction,
            strengths=_numbers("strengths", self.strengths),
            rows=self.rows,
            embed=self.options.to_wire(),
            output=self.output.to_wire(limit),
            latest_wins_key=self.latest_wins_key,
        )


@dataclass(frozen=True)
class Render(Edit):
    """A latent code to pixels.

    Attributes:
        truncation: psi; 1 leaves the code as it is, 0 is the model's mean.
        noise_mode: "const" (default), "none" or "random".
    """

    rpc: ClassVar[str] = "Render"
    source: SourceLike
    truncation: float = 1.0
    noise_mode: NoiseMode = "const"

    def to_wire(self, limit: int) -> Message:
        return pb.RenderRequest(
            source=source_to_wire(self.source, limit),
            truncation=_numbers("truncation", [self.truncation])[0],
            noise_mode=lookup("noise_mode", NOISE_MODES, self.noise_mode),
            embed=self.options.to_wire(),
            output=self.output.to_wire(limit),
            latest_wins_key=self.latest_wins_key,
        )


Operation = Embed | Morph | Crossover | TransferExpression | ApplyDirection | Render


def _numbers(what: str, values: Iterable[float]) -> list[float]:
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        raise InvalidInput(
            "WEIGHT_INVALID", f"{what} holds something that is not a number.", "Give finite numbers."
        ) from None
