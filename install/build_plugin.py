"""Makes the Krita plugin's zip: dist/latentlayers-krita-VERSION.zip, for "Import Python Plugin from File".

    .venv/bin/python install/build_plugin.py [--output DIR] [--cache DIR]

Inside are krita_plugin/, the pure-Python packages of plugin-requirements.txt under the plugin's own prefix
(latentlayers/_vendor), so that other plugins' copies cannot get in their way, and the contract as one
FileDescriptorSet. The same sources give the same bytes. Downloads are kept in --cache; with them no network is needed.

Runs in the environment that bootstrap.py makes: the contract is taken from the daemon's compiled messages.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "krita_plugin"
REQUIREMENTS = ROOT / "install" / "plugin-requirements.txt"
DAEMON = ROOT / "daemon"

VENDOR = "latentlayers/_vendor"
PREFIX = VENDOR.replace("/", ".")
PACKAGES = ("google", "grpclib", "h2", "hpack", "hyperframe", "multidict", "typing_extensions")
SOURCES = (".py", ".svg", ".png", ".json", ".html", ".action", ".desktop")
# In the packages, but not for a client inside Krita: servers, compilers, tests, other implementations.
UNNEEDED = (
    "google/protobuf/compiler/",
    "google/protobuf/internal/testing_refleaks.py",
    "google/protobuf/json_format.py",
    "google/protobuf/proto_json.py",
    "google/protobuf/pyext/",
    "google/protobuf/testdata/",
    "google/protobuf/util/",
    "grpclib/channelz/",
    "grpclib/health/",
    "grpclib/plugin/",
    "grpclib/reflection/",
    "grpclib/server.py",
    "grpclib/testing.py",
)
NEEDED_MESSAGES = ("google/protobuf/descriptor_pb2.py",)
# protobuf looks for compiled implementations of itself anywhere in the process, and in an environment variable.
API_IMPLEMENTATION = '''"""Always the pure-Python implementation. (Replaced when the Latent Layers plugin was built.)"""

_c_module = None


def Type():
  return 'python'


def Version():
  return 2


def IsPythonDefaultSerializationDeterministic():
  return False
'''
REPLACED = {"google/protobuf/internal/api_implementation.py": API_IMPLEMENTATION.encode()}
# Imports that only happen where the module is there, and change nothing that the plugin uses.
OPTIONAL_IMPORTS = {"certifi"}
FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold


class BuildError(Exception):
    """The zip cannot be made; the text says why and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the Krita plugin's zip.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "plugin-wheels", metavar="DIR")
    options = parser.parse_args()
    try:
        built = build(options.output, options.cache)
    except BuildError as error:
        print(f"Stopped: {error}", file=sys.stderr)
        return 1
    print(f"{built} ({built.stat().st_size / 1e3:.0f} kB)")
    return 0


def build(output: Path, cache: Path) -> Path:
    """Writes the zip into the folder `output` and returns its path.

    Raises:
        BuildError: a package cannot be had, or would import something from outside the zip.
    """
    version, contract = contract_of_daemon()
    files = {
        **plugin_files(),
        "latentlayers/LICENSE": (ROOT / "LICENSE").read_bytes(),
        **vendored(wheels(cache)),
        f"{VENDOR}/__init__.py": vendor_init(version).encode(),
        f"{VENDOR}/google/__init__.py": b"",
        f"{VENDOR}/messages.bin": contract,
    }
    require_self_contained(files)
    output.mkdir(parents=True, exist_ok=True)
    target = output / f"latentlayers-krita-{version}.zip"
    write_zip(target, files)
    return target


def plugin_files() -> dict[str, bytes]:
    paths = (path for path in PLUGIN.rglob("*") if path.suffix in SOURCES and "_vendor" not in path.parts)
    return {path.relative_to(PLUGIN).as_posix(): path.read_bytes() for path in paths}


def vendor_init(version: str) -> str:
    docstring = '"""Other people\'s packages under our own prefix; made by install/build_plugin.py."""'
    return f'{docstring}\n\nVERSION = "{version}"\n'


# The contract


def contract_of_daemon() -> tuple[str, bytes]:
    """The daemon's version, and a FileDescriptorSet of the contract with all that it imports, in order of need."""
    sys.path.insert(0, str(DAEMON))
    try:
        import latentlayers
        from google.protobuf import descriptor_pb2
        from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
        from grpc_health.v1 import health_pb2
    except ImportError as error:
        raise BuildError(f"{error}. Run this with the Python of the environment that bootstrap.py makes.") from None
    ours = [
        importlib.import_module(f"latentlayers.v1.{path.stem}")
        for path in sorted((DAEMON / "latentlayers" / "v1").glob("*_pb2.py"))
    ]
    found: dict[str, Any] = {}

    def add(file: Any) -> None:
        for dependency in file.dependencies:
            add(dependency)
        found.setdefault(file.name, file)

    for module in (*ours, health_pb2, error_details_pb2, status_pb2):
        add(module.DESCRIPTOR)
    contract = descriptor_pb2.FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(contract.file.add())
    return latentlayers.__version__, contract.SerializeToString(deterministic=True)


# The packages


def wheels(cache: Path) -> list[Path]:
    """The pinned wheels, from `cache` or downloaded into it; each with the hash that it must have."""
    wanted = re.findall(r"^(\S+)==\S+ --hash=sha256:(\w+)$", REQUIREMENTS.read_text("utf-8"), re.MULTILINE)
    cached = _by_hash(cache)
    if not all(digest in cached for _, digest in wanted):
        download(cache)
        cached = _by_hash(cache)
    missing = [name for name, digest in wanted if digest not in cached]
    if missing:
        raise BuildError(f"pip did not bring the pinned wheels of {', '.join(missing)}. Empty {cache} and try again.")
    return [cached[digest] for _, digest in wanted]


def download(cache: Path) -> None:
    # For no platform in particular; without resolving, because the choice would depend on the Python that runs pip.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version=3.8", "--implementation=py", "--abi=none", "--platform=any"]
    command += ["--require-hashes", f"--requirement={REQUIREMENTS}", f"--dest={cache}"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        last = next((line for line in reversed(result.stderr.splitlines()) if line.startswith("ERROR")), result.stderr)
        raise BuildError(f"pip could not download the plugin's packages: {last.strip()}")


def _by_hash(cache: Path) -> dict[str, Path]:
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(cache.glob("*.whl"))}


def vendored(paths: list[Path]) -> dict[str, bytes]:
    """The packages' Python files with their imports of each other rewritten, and their licences."""
    files: dict[str, bytes] = {}
    for path in paths:
        with zipfile.ZipFile(path) as wheel:
            for name in sorted(wheel.namelist()):
                parts = PurePosixPath(name)
                if ".dist-info" in parts.parts[0]:
                    if "LICENSE" in parts.name.upper():
                        files[f"{VENDOR}/licences/{parts.parts[0].split('-')[0]}.txt"] = wheel.read(name)
                elif parts.suffix == ".py" and not is_unneeded(name):
                    files[f"{VENDOR}/{name}"] = REPLACED.get(name) or rewrite(wheel.read(name).decode("utf-8")).encode()
    return files


def is_unneeded(name: str) -> bool:
    return name.startswith(UNNEEDED) or (name.endswith("_pb2.py") and name not in NEEDED_MESSAGES)


def rewrite(source: str) -> str:
    """`source` with imports of the vendored packages pointing under the plugin's prefix."""
    names = "|".join(PACKAGES)
    source = re.sub(rf"(?m)^(\s*)from ({names})(?=[. ])", rf"\1from {PREFIX}.\2", source)
    source = re.sub(rf"(?m)^(\s*)import ({names})(?=\s|$)", rf"\1from {PREFIX} import \2", source)
    # `import a.b` makes `a` known, which the code then uses as `a.b.c`.
    return re.sub(rf"(?m)^(\s*)import (({names})\.[\w.]+)", rf"\1import {PREFIX}.\2; from {PREFIX} import \3", source)


def require_self_contained(files: Mapping[str, bytes]) -> None:
    """Raises BuildError if a vendored file imports what is neither Python's own nor in the zip."""
    for name, content in files.items():
        if not (name.startswith(VENDOR) and name.endswith(".py")):
            continue
        for module in imported(ast.parse(content, name)):
            top = module.partition(".")[0]
            inside = module.startswith(PREFIX + ".") or module == PREFIX
            if not inside and top not in sys.stdlib_module_names and top not in OPTIONAL_IMPORTS:
                raise BuildError(f"{name} imports {module}, which is not in the zip.")


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


# The zip


def write_zip(target: Path, files: Mapping[str, bytes]) -> None:
    """Sorted, undated, with entries for the folders, which Krita's importer looks for."""
    folders = {f"{parent.as_posix()}/" for name in files for parent in PurePosixPath(name).parents} - {"./"}
    content = {**files, **dict.fromkeys(folders, b"")}
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, FIXED_DATE)
            entry.create_system = 3  # else it would depend on the system that builds
            entry.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content[name])
    temporary.replace(target)


if __name__ == "__main__":
    sys.exit(main())
