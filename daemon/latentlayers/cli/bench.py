"""`latentlayers bench`: measured comparisons, listed and run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.output import print_json, table, to_json
from latentlayers.errors import NotFound

if TYPE_CHECKING:
    from latentlayers.bench import Table


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Without it, the names are listed.")] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", metavar="DIR|ZIP", help="Aligned portraits; else the demo's photographs."),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, metavar="N", help="Most pictures or repetitions.")] = 10,
    model: opt.Model = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.json", help="Write the figures as JSON.")
    ] = None,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Run a measured comparison and print its table."""
    from latentlayers.bench import BENCHMARKS, BenchOptions
    from latentlayers.client.address import ADDRESS_VARIABLE
    from latentlayers.client.files import check_writable, write_file

    if name is None:
        if json:
            print_json({"benchmarks": {entry.name: entry.summary for entry in BENCHMARKS.values()}})
        else:
            print(table([(entry.name, entry.summary) for entry in BENCHMARKS.values()]))
        return
    if name not in BENCHMARKS:
        known = ", ".join(sorted(BENCHMARKS))
        raise NotFound("BENCHMARK_UNKNOWN", f"There is no benchmark {name!r:.60}.", f"Use one of: {known}.")
    if output is not None:
        check_writable(output)
    if address:
        os.environ[ADDRESS_VARIABLE] = address
    log: Callable[[str], None] = _silent if json else _log
    found = BENCHMARKS[name].run(BenchOptions(pictures, count, model, log))
    document = {"benchmark": name, **found.to_json()}
    if output is not None:
        write_file(output, to_json(document).encode())
    if json:
        print_json(document)
    else:
        _print(found)
        if output is not None:
            print(f"Wrote {output}")


def _print(found: Table) -> None:
    print(found.title)
    print(table([found.columns, *found.rows]))
    for note in found.notes:
        print(note)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(_: str) -> None:
    pass
