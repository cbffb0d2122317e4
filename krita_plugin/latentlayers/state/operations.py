"""What a painter can ask for: which layers it takes, what it is called, and the request that asks the daemon.

Pure values, so that they can be compared, kept in the document's history, and asked for again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Callable, ClassVar, Mapping, Tuple

from ..values import Refused

Sources = Mapping[str, Any]  # role -> a pb.Source
Weights = Tuple[float, ...]


def _percent(value: float) -> str:
    return "%d %%" % round(100 * value)


def _signed(value: float) -> str:
    return "%+.4g" % value


def _range(text: Callable[[float], str], values: Weights) -> str:
    """The one value, or the first and the last of several."""
    return text(values[0]) if len(values) == 1 else f"{text(values[0])} to {text(values[-1])}"


@dataclass(frozen=True)
class Operation:
    """One way to change a layer. The layer itself takes the role `main`, other layers the other roles.

    Attributes:
        kind: its name in the document's history.
        method: the RPC of EditingService.
        main: the role of the layer that is changed, and whose picture the result is pasted into.
        drawn_by_the_model: the result shows the model's pixels, however results are put in otherwise: as a difference
            from its own drawing there would be nothing to see.
        fills_selection: the selection is what the model makes up, and not where its picture lies.
        near: role -> the role whose code its own is sought near, so that it is not the layer's usual code.
    """

    kind: ClassVar[str]
    method: ClassVar[str]
    main: ClassVar[str]
    drawn_by_the_model: ClassVar[bool] = False
    fills_selection: ClassVar[bool] = False
    near: ClassVar[Mapping[str, str]] = {}

    @property
    def others(self) -> dict[str, str]:
        """Role -> id of every other layer it needs."""
        return {}

    def layers(self, layer: str) -> dict[str, str]:
        """Role -> id of every layer, `layer` being the one that is changed."""
        return {self.main: layer, **self.others}

    def code_key(self, role: str, layer: str) -> str:
        """What the code of a role is remembered by."""
        layers = self.layers(layer)
        return f"{layers[role]} near {layers[self.near[role]]}" if role in self.near else layers[role]

    @property
    def weights(self) -> Weights:
        """lambda of each picture that comes back."""
        return (1.0,)

    def require_different_layers(self, layer: str) -> None:
        """Raises Refused where nothing would come of it because two of its layers are the same."""
        if layer in self.others.values():
            raise Refused("A layer cannot be edited with itself.", "Choose another layer.")

    def title(self, name: str, names: Mapping[str, str]) -> str:
        """What the result's layer is called, from the layer's name and, by role, those of the others."""
        raise NotImplementedError

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        """The RPC's request message."""
        raise NotImplementedError

    def steps(self, names: Mapping[str, str]) -> list[str]:
        """What the layer of each picture is called, if there are several."""
        return [_percent(weight) for weight in self.weights]

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict that `operation_from_json` reads back."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Embed(Operation):
    """The layer as the model draws it."""

    kind: ClassVar[str] = "embed"
    method: ClassVar[str] = "Embed"
    main: ClassVar[str] = "source"
    drawn_by_the_model: ClassVar[bool] = True

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return f"{name} (embedded)"

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        return pb.EmbedRequest(source=sources["source"].picture, options=embed, output=output)


@dataclass(frozen=True)
class Inpaint(Embed):
    """The selection painted anew: it does not count when the layer is embedded, so the model makes it up."""

    kind: ClassVar[str] = "inpaint"
    fills_selection: ClassVar[bool] = True

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return f"{name} (inpainted)"


@dataclass(frozen=True)
class Render(Operation):
    """The layer's code drawn again, moved towards the model's mean by 1 - truncation: w = w_avg + psi (w - w_avg)."""

    kind: ClassVar[str] = "render"
    method: ClassVar[str] = "Render"
    main: ClassVar[str] = "source"
    drawn_by_the_model: ClassVar[bool] = True

    truncation: float = 1.0

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return f"{name} (drawn by the model)"

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        return pb.RenderRequest(source=sources["source"], truncation=self.truncation, embed=embed, output=output)


@dataclass(frozen=True)
class Morph(Operation):
    """w = lambda w1 + (1 - lambda) w2. `amounts` say how much of the other layer shows: 1 - lambda."""

    kind: ClassVar[str] = "morph"
    method: ClassVar[str] = "Morph"
    main: ClassVar[str] = "a"

    other: str
    amounts: Weights = (0.5,)

    @property
    def others(self) -> dict[str, str]:
        return {"b": self.other}

    @property
    def weights(self) -> Weights:
        return tuple(1 - amount for amount in self.amounts)

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return "{} → {} {}".format(name, names["b"], _range(_percent, self.amounts))

    def steps(self, names: Mapping[str, str]) -> list[str]:
        return ["{} {}".format(names["b"], _percent(amount)) for amount in self.amounts]

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        weights = pb.Weights(values=self.weights)
        return pb.MorphRequest(a=sources["a"], b=sources["b"], weights=weights, embed=embed, output=output)


@dataclass(frozen=True)
class Crossover(Operation):
    """Rows of w+ taken from the style layer; `strength` in 0..1 blends them with the layer's own."""

    kind: ClassVar[str] = "crossover"
    method: ClassVar[str] = "Crossover"
    main: ClassVar[str] = "content"

    style: str
    rows: str = ""
    strength: float = 1.0

    @property
    def others(self) -> dict[str, str]:
        return {"style": self.style}

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return "{} × {} ({})".format(name, names["style"], self.rows or "style")

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        # A weight belongs to a group of rows; the daemon's own choice of rows, "", has none.
        rows = "+".join(f"{part}:{self.strength:g}" for part in self.rows.split("+")) if self.rows else ""
        return pb.CrossoverRequest(
            content=sources["content"], style=sources["style"], rows=rows, embed=embed, output=output
        )


@dataclass(frozen=True)
class Expression(Operation):
    """w = w1 + lambda (w3 - w2): what distinguishes the expressive layer from the neutral one."""

    kind: ClassVar[str] = "expression"
    method: ClassVar[str] = "TransferExpression"
    main: ClassVar[str] = "target"
    near: ClassVar[Mapping[str, str]] = {"expressive": "neutral"}

    neutral: str
    expressive: str
    strengths: Weights = (1.0,)

    @property
    def others(self) -> dict[str, str]:
        return {"neutral": self.neutral, "expressive": self.expressive}

    @property
    def weights(self) -> Weights:
        return self.strengths

    def require_different_layers(self, layer: str) -> None:
        if self.neutral == self.expressive:  # the layer itself may well be one of the two
            raise Refused(
                "The neutral and the expressive face are the same layer.", "Choose two pictures of the same person."
            )

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return "{} + expression of {} {}".format(name, names["expressive"], _range(_percent, self.strengths))

    def steps(self, names: Mapping[str, str]) -> list[str]:
        return ["{} {}".format(names["expressive"], _percent(strength)) for strength in self.strengths]

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        return pb.TransferExpressionRequest(
            target=sources["target"],
            neutral=sources["neutral"],
            expressive=sources["expressive"],
            strengths=self.strengths,
            embed=embed,
            output=output,
        )


@dataclass(frozen=True)
class Direction(Operation):
    """w = w1 + lambda d, d a named direction of the model."""

    kind: ClassVar[str] = "direction"
    method: ClassVar[str] = "ApplyDirection"
    main: ClassVar[str] = "source"

    name: str
    strengths: Weights = (1.0,)

    @property
    def weights(self) -> Weights:
        return self.strengths

    def title(self, name: str, names: Mapping[str, str]) -> str:
        return f"{name}, {self.name} {_range(_signed, self.strengths)}"

    def steps(self, names: Mapping[str, str]) -> list[str]:
        return [f"{self.name} {_signed(strength)}" for strength in self.strengths]

    def request(self, pb: Any, sources: Sources, embed: Any, output: Any) -> Any:
        return pb.ApplyDirectionRequest(
            source=sources["source"], direction=self.name, strengths=self.strengths, embed=embed, output=output
        )


KINDS: dict[str, type[Operation]] = {
    cls.kind: cls for cls in (Embed, Inpaint, Render, Morph, Crossover, Expression, Direction)
}


def operation_from_json(data: Mapping[str, Any]) -> Operation:
    """Inverse of `Operation.to_json`. Raises ValueError for anything else."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    try:
        return KINDS[fields.pop("kind")](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an operation of this plugin: {error}") from None


def strip(first: float, last: float, count: int) -> Weights:
    """`count` weights evenly from `first` to `last`, both included."""
    if count == 1:
        return (last,)
    shares = [index / (count - 1) for index in range(count)]
    # Not first + share * (last - first), which may miss `last` by a rounding error.
    return tuple((1 - share) * first + share * last for share in shares)
