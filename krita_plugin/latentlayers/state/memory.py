"""What the document itself remembers: each layer's latent code, and what was done. Pure; the host stores the bytes.

Stored as JSON under one annotation, so that a .kra opened on another machine goes on without embedding again. Layers
are known by Krita's id, and a code counts only while the layer's pixels are those it was found for.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from dataclasses import dataclass, replace
from typing import Any, Mapping

from ..values import Bounds, Square, View
from .operations import Operation, operation_from_json

KEY = "latentlayers"
VERSION = 1
MOST_BYTES = 4 << 20
OVERHEAD = 64  # of what is around the entries
MOST_HISTORY = 200


@dataclass(frozen=True)
class Code:
    """A layer's latent code and where it came from.

    Attributes:
        key: what it is remembered by: the layer's id, see Operation.code_key.
        values: rows * width little-endian float32 numbers.
        digest: sha256 of the model's file; model: its name, for people.
        view, fingerprint: the pixels that were embedded; the code is stale once they differ.
        square: where the model's picture lies in the document.
        extent: where the layer showed something; as long as it does, the square stays where it is.
        verdict: "good", "fair", "poor" or "", and `verdict_text` says why.
    """

    key: str
    model: str
    digest: str
    rows: int
    width: int
    values: bytes
    square: Square
    extent: Bounds
    view: View
    fingerprint: str
    psnr: float = 0.0
    verdict: str = ""
    verdict_text: str = ""

    def to_json(self) -> dict[str, Any]:
        fields = dict(vars(self), values=base64.b64encode(self.values).decode("ascii"))
        fields["square"], fields["extent"] = self.square.to_floats(), list(self.extent)
        fields["view"] = [*self.view.bounds, self.view.width, self.view.height]
        return fields

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Code:
        """Raises ValueError, TypeError or KeyError for anything that `to_json` did not make."""
        fields = _of_their_types(cls, data)
        fields["values"] = base64.b64decode(data["values"], validate=True)
        fields["square"] = Square(*map(float, data["square"]))
        fields["extent"] = Bounds(*map(int, data["extent"]))
        x, y, w, h, width, height = map(int, data["view"])
        fields["view"] = View(Bounds(x, y, w, h), width, height)
        code = cls(**fields)
        if min(code.rows, code.width, w, h, width, height) < 1 or len(code.values) != 4 * code.rows * code.width:
            raise ValueError("a code of the wrong size")
        if not all(map(math.isfinite, (*code.square.to_floats(), code.psnr))):
            raise ValueError("a square that is nowhere")
        return code


@dataclass(frozen=True)
class Deed:
    """One edit that was done, for the history.

    Attributes:
        layer: what was edited; result: id of the layer or group it made.
        thumbnail: PNG.
        when: seconds since 1970.
    """

    id: str
    layer: str
    result: str
    title: str
    operation: Operation
    model: str
    when: float
    thumbnail: bytes = b""
    starred: bool = False

    def to_json(self) -> dict[str, Any]:
        thumbnail = base64.b64encode(self.thumbnail).decode("ascii")
        return dict(vars(self), operation=self.operation.to_json(), thumbnail=thumbnail)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Deed:
        """Raises as `Code.from_json`."""
        fields = _of_their_types(cls, data)
        fields["thumbnail"] = base64.b64decode(data["thumbnail"], validate=True)
        fields["operation"] = operation_from_json(data["operation"])
        return cls(**fields)


class Memory:
    """The codes and the history of one document."""

    def __init__(self) -> None:
        self._codes: dict[str, Code] = {}
        self.history: list[Deed] = []

    def code(self, key: str, digest: str = "") -> Code | None:
        """The code remembered by `key`, if it is one of the model with that digest (empty: of any model)."""
        found = self._codes.get(key)
        return found if found is not None and (not digest or found.digest == digest) else None

    def remember(self, code: Code) -> None:
        """Keeps a code instead of the one that had its key."""
        self._codes.pop(code.key, None)
        self._codes[code.key] = code

    def add(self, deed: Deed) -> None:
        """Puts an edit first in the history; the oldest without a star makes room."""
        self.history.insert(0, deed)
        plain = [old for old in self.history if not old.starred]
        for old in plain[MOST_HISTORY:]:
            self.history.remove(old)

    def star(self, deed: str, starred: bool) -> None:
        self.history = [replace(old, starred=starred) if old.id == deed else old for old in self.history]

    def forget(self, deed: str) -> None:
        self.history = [old for old in self.history if old.id != deed]

    def to_bytes(self) -> bytes:
        """At most `MOST_BYTES`: old edits go first, those with a star last, then the oldest codes."""
        codes = [_packed(code) for code in self._codes.values()]
        history = [_packed(deed) for deed in self.history]
        oldest_first = sorted(range(len(history)), key=lambda index: (self.history[index].starred, -index))
        surplus = sum(len(entry) + 1 for entry in codes + history) + OVERHEAD - MOST_BYTES
        for entries, order in ((history, oldest_first), (codes, range(len(codes)))):
            for index in order:
                if surplus > 0:
                    surplus -= len(entries[index]) + 1
                    entries[index] = ""
        parts = (",".join(filter(None, entries)) for entries in (codes, history))
        return ('{"version":%d,"codes":[%s],"history":[%s]}' % (VERSION, *parts)).encode("ascii")

    @classmethod
    def from_bytes(cls, data: bytes) -> Memory:
        """What `to_bytes` made; entries that are damaged or of a newer plugin are left out, never an error."""
        memory = cls()
        try:
            stored = json.loads(data.decode("utf-8")) if data else {}
            codes, history = stored.get("codes", []), stored.get("history", [])
        except (ValueError, AttributeError, RecursionError):
            return memory
        for code in _readable(Code, codes):
            memory.remember(code)
        memory.history = _readable(Deed, history)[: 2 * MOST_HISTORY]
        return memory


def _packed(entry: Any) -> str:
    return json.dumps(entry.to_json(), separators=(",", ":"))


def _of_their_types(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass that are numbers, texts or booleans, as such; what else there is, is left out."""
    simple = {"str": str, "int": int, "float": float, "bool": bool}
    known = {field.name: simple[field.type] for field in dataclasses.fields(kind) if field.type in simple}
    return {name: convert(data[name]) for name, convert in known.items() if name in data}


def _readable(kind: Any, entries: Any) -> list[Any]:
    found = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            found.append(kind.from_json(entry))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue
    return found
