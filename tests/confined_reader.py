"""Run as a process: reads every file in a folder with `load_generator`, while it is watched and confined.

    python confined_reader.py FOLDER WARM_UP_FILE...

Prints one JSON document: file name -> [exception's class or "Generator", reason code, message, forbidden acts].
Address space is limited to what the process needs anyhow and `SPARE_BYTES`; processor time to `CPU_SECONDS` in all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from latentlayers.checkpoints import load_generator

SPARE_BYTES = 640 << 20
CPU_SECONDS = 120
FORBIDDEN = (
    "exec",
    "compile",
    "import",
    "os.",
    "subprocess.",
    "socket.",
    "shutil.",
    "ctypes.",
    "pickle.",
    "code.",
    "pty.",
)
HARMLESS = ("os.listxattr", "os.scandir", "os.listdir")

acts: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    writes = event == "open" and (set(str(arguments[1])) & set("wax+") or (arguments[2] or 0) & 3)
    if writes or (event.startswith(FORBIDDEN) and event not in HARMLESS):
        acts.append(f"{event} {arguments!r:.200}")


def confine() -> None:
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def outcome(path: Path) -> list[Any]:
    acts.clear()
    try:
        generator = load_generator(path)
    except Exception as error:
        found = [type(error).__name__, getattr(error, "reason", ""), str(error)]
    else:
        finite = torch.isfinite(generator.w_avg).all()
        found = ["Generator", "" if finite else "NOT_FINITE", ""]
    return [*found, list(acts)]


if __name__ == "__main__":
    for name in sys.argv[2:]:  # so that nothing is left to import for an honest file
        load_generator(name)
    "".encode("cp437")  # in which archives may name their parts
    paths = sorted(Path(sys.argv[1]).iterdir())
    torch.set_num_threads(1)
    confine()
    sys.addaudithook(watch)
    results = {path.name: outcome(path) for path in paths}
    json.dump(results, sys.stdout)
