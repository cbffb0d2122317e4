"""`index.html` and `report.json`: what the demo measured, for people and for programs."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Section:
    """One sheet of the page."""

    picture: str
    title: str
    text: str


@dataclass
class Report:
    """What `report.json` says.

    Attributes:
        embeddings: one entry per embedded picture: source, psnr (dB), perceptual, seconds, steps, likeness.
        operations: seconds and number of pictures of each editing call, by name.
        daemon: address, device, versions, memory, and how long the front took to answer.
    """

    embeddings: list[dict[str, Any]] = field(default_factory=list)
    operations: dict[str, Any] = field(default_factory=dict)
    daemon: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes `report.json`."""
        data = {"embeddings": self.embeddings, "operations": self.operations, "daemon": self.daemon}
        (folder / "report.json").write_text(json.dumps(data, indent=2, allow_nan=False) + "\n", "utf-8")


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #202020; background: #fafaf8; max-width: 76rem;
       margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; border: 1px solid #ddd; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem 1rem .2rem 0; text-align: left }
td.n { text-align: right; font-variant-numeric: tabular-nums } h2 { margin-top: 2.5rem }
"""


def write_page(folder: Path, sections: list[Section], report: Report) -> None:
    """Writes `index.html`, which shows the sheets in `folder` with their numbers and needs nothing else."""
    rows = "\n".join(
        f"<tr><td>{html.escape(e['source'])}</td><td class=n>{e['psnr']:.1f} dB</td>"
        f"<td class=n>{e['perceptual']:.3f}</td><td class=n>{e['steps']}</td><td class=n>{e['seconds']:.1f} s</td>"
        f"<td>{html.escape(e['likeness'])}</td></tr>"
        for e in report.embeddings
    )
    calls = "\n".join(
        f"<tr><td>{html.escape(name)}</td><td class=n>{o['pictures']}</td><td class=n>{o['seconds']:.2f} s</td></tr>"
        for name, o in report.operations.items()
    )
    daemon = "\n".join(
        f"<tr><td>{html.escape(key.replace('_', ' '))}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in report.daemon.items()
    )
    body = "\n".join(
        f"<h2>{title}</h2><p>{html.escape(section.text)}</p><img src='{section.picture}' alt='{title}'>"
        for section, title in ((section, html.escape(section.title)) for section in sections)
    )
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Latent Layers: demo</title><style>{STYLE}</style>
<h1>Latent Layers: your first portraits</h1>
<p>Everything below was made on this machine a moment ago, by the daemon, over gRPC.</p>
{body}
<h2>Numbers</h2>
<table><tr><th>embedded</th><th>PSNR</th><th>perceptual</th><th>steps</th><th>time</th><th>likeness</th></tr>{rows}</table>
<table><tr><th>operation</th><th>pictures</th><th>time</th></tr>{calls}</table>
<table><tr><th colspan="2">daemon</th></tr>{daemon}</table>
</html>
"""
    (folder / "index.html").write_text(page, "utf-8")
