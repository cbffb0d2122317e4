"""What commands print: one JSON document, or short aligned lines."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from latentlayers.errors import LatentLayersError


def print_json(document: Mapping[str, object]) -> None:
    """The command's one document on standard output."""
    print(to_json(document))


def to_json(document: Mapping[str, object]) -> str:
    return json.dumps(jsonable(document), indent=2, allow_nan=False)


def jsonable(value: Any) -> Any:
    """Dataclasses, tuples and paths as JSON has them; numbers JSON lacks (NaN, infinities) become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def error_document(error: LatentLayersError) -> dict[str, object]:
    fields: dict[str, object] = {"reason": error.reason, "message": error.message, "remedy": error.remedy}
    if error.retry_after is not None:
        fields["retry_after"] = error.retry_after
    return fields


def print_error(error: LatentLayersError, as_json: bool, *, about: str = "") -> None:
    """The error as the one document, or as two lines on standard error, with the file it is `about` if it has one."""
    if as_json:
        print_json({"error": error_document(error)})
    elif error.reason == "CANCELLED":
        print("Cancelled.", file=sys.stderr)
    else:
        place = f"{about}: " if about and about not in error.message else ""
        print(f"Error: {place}{error.message} [{error.reason}]\n  {error.remedy}", file=sys.stderr)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as aligned lines; the last column is left as long as it is."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def memory(size: int) -> str:
    """Bytes for people: "27 kB", "41 MB", "1.6 GB"."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def duration(seconds: float) -> str:
    """Seconds for people: "0.4 s", "12 s", "3 min 20 s", "5 h 12 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """A time for people, local: "2026-11-22 18:55"."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M") if seconds else ""
