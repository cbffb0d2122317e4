"""Regenerates the Python stubs in daemon/latentlayers/v1 from protos/ (developers only: needs grpcio-tools).

python install/generate_protos.py [OUTPUT_FOLDER]
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(output: Path) -> None:
    """Writes `latentlayers/v1/*_pb2.py`, `*_pb2.pyi` and `*_pb2_grpc.py` under `output`."""
    protos = ROOT / "protos"
    files = sorted(str(p.relative_to(protos)) for p in protos.rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{protos}", f"-I{well_known}"]
    arguments += [f"--{kind}={output}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main([*arguments, *files]) != 0:
        raise SystemExit("protoc failed: see its message above")
    # protoc writes a service stub for every file; those without a service are empty shells.
    for stub in (output / "latentlayers" / "v1").glob("*_pb2_grpc.py"):
        if "Servicer" not in stub.read_text():
            stub.unlink()


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "daemon")
