"""`latentlayers doctor`: what is installed, what runs, what is wrong."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlayers.cli import options as opt
from latentlayers.cli.exits import FAILED
from latentlayers.cli.output import print_json, table

if TYPE_CHECKING:
    from latentlayers.cli.checks import Finding

MARKS = {"ok": "", "note": "note: ", "problem": "PROBLEM: "}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE.zip", help="Write report and logs for a bug report, without your data."),
    ] = None,
    json: opt.JsonFlag = False,
    address: opt.Address = None,
) -> None:
    """Say what is installed, running and wrong.

    The exit code is 1 if there is a problem.
    """
    from latentlayers.cli.bundle import write_bundle
    from latentlayers.cli.checks import all_findings
    from latentlayers.client.files import check_writable
    from latentlayers.paths import Paths

    if bundle is not None:
        check_writable(bundle)
    findings = list(all_findings(address))
    healthy = all(finding.verdict != "problem" for finding in findings)
    report: dict[str, object] = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
    if bundle is not None:
        write_bundle(bundle, report, Paths.default())
    if json:
        print_json({**report, "bundle": bundle})
    else:
        print(table([(finding.subject, _sentence(finding)) for finding in findings]))
        if bundle is not None:
            print(f"Wrote {bundle}; look through it before you send it.")
    if not healthy:
        raise typer.Exit(FAILED)


def _sentence(finding: Finding) -> str:
    remedy = f". {finding.remedy}" if finding.remedy else ""
    return f"{MARKS[finding.verdict]}{finding.text.rstrip('.')}{remedy}"
