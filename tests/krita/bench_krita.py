"""Measures the plugin in real Krita: `.venv/bin/python tests/krita/bench_krita.py`; prints a Markdown table.

The picture is one of the demo's photographs, enlarged to 1024x1024; daemon and model are those that painters get.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from PIL import Image  # noqa: E402
from plugin_process import ROOT  # noqa: E402
from rig import Rig  # noqa: E402
from running_daemon import RunningDaemon  # noqa: E402

PHOTO = ROOT / "daemon" / "latentlayers" / "demo" / "photos" / "eileen-collins.jpg"
SIDE = 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        build = [sys.executable, str(ROOT / "install" / "build_plugin.py"), "--output", name]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        with zipfile.ZipFile(next(work.glob("*.zip"))) as archive:
            archive.extractall(work / "pykrita")
        Image.open(PHOTO).resize((SIDE, SIDE)).save(work / "large.png")
        daemon = RunningDaemon(work / "home")
        try:
            environ = {"LATENTLAYERS_HOME": str(daemon.home)}
            outcome = Rig(work / "pykrita", work).run(
                "scenarios/bench.py", environ=environ, timeout=500, large=work / "large.png"
            )
            assert outcome.ok, outcome.report()
        finally:
            daemon.close()
    said = outcome.result
    print("| figure | median | p95 | worst |\n| --- | --- | --- | --- |")
    for stage, values in said["round trip"].items():
        row(f"round trip of a 1024² layer: {stage}", values)
    row("between two previews while a slider moves", said["preview"])
    row("between two ticks of a 5 ms timer, during an embedding", said["embedding"])
    row("cancel, as the painter sees it", said["cancel"])
    for state in ("visible", "hidden"):
        print(f"| idle, docker {state}: share of one processor | {said[f'idle, docker {state}'][0]:.1%} | | |")


def row(what: str, values: list[float]) -> None:
    """One line of the table, from milliseconds."""
    p95 = sorted(values)[int(0.95 * (len(values) - 1))]
    print(f"| {what} | {statistics.median(values):.1f} ms | {p95:.1f} ms | {max(values):.1f} ms |")


if __name__ == "__main__":
    main()
