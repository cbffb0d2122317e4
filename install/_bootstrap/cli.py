"""The commands of install/bootstrap.py."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import krita
from .console import Console
from .environment import ROOT, Environment
from .failures import BootstrapError
from .preparation import Wishes, plan, prepare

EXTRAS: dict[str, tuple[str, ...]] = {
    "demo": (),
    "install": (),
    "krita": (),
    "test": ("test",),
    "lint": ("dev", "test"),
}
CACHES = ("build", "dist", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")
CHECKS: dict[str, tuple[str, ...]] = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "mypy, install": ("mypy", "--strict", "install/bootstrap.py", "install/_bootstrap"),
}


def main(arguments: Sequence[str]) -> int:
    """Runs a command.

    Returns:
        0 done; 1 could not be installed; 2 bad usage; 130 interrupted; else what the command itself returned.
    """
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what we started must end with us
    console = Console(sys.stdout, verbose=options.verbose)
    environment = Environment(options.venv.expanduser().absolute(), console)
    try:
        if options.command == "clean":
            return clean(environment, console)
        if options.command == "krita" and options.uninstall:
            krita.uninstall(console)
            return 0
        wishes = Wishes(EXTRAS[options.command], options.torch, options.torch_index, options.disk_needed)
        if options.dry_run:
            console.say(json.dumps(plan(wishes, environment), indent=2))
            return 0
        with environment.lock():
            prepare(wishes, environment, console)
        run = {"demo": demo, "install": install, "krita": install_plugin, "test": test, "lint": lint}[options.command]
        return run(options, environment, console)
    except BootstrapError as error:
        console.say(f"\nStopped: {error.message} [{error.reason}]\nWhat to do: {error.remedy}")
        if environment.log.exists():
            console.say(f"Log: {environment.log}")
        return 1
    except KeyboardInterrupt:
        console.say("\nInterrupted. Running the same command again is safe.")
        return 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment (default: .venv)")
    common.add_argument("--torch", choices=("auto", "cpu", "cuda"), help="build of PyTorch (default: by the machine)")
    common.add_argument("--torch-index", metavar="URL", help="package index to take PyTorch from")
    common.add_argument("--disk-needed", type=float, metavar="GB", help="free space to insist on; 0: do not check")
    common.add_argument("--verbose", action="store_true", help="show what the installers print")
    common.add_argument("--dry-run", action="store_true", help="print what would be done, as JSON, and do nothing")

    parser = argparse.ArgumentParser(prog="bootstrap.py", description="Installs and runs Latent Layers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        # Abbreviations would swallow arguments that are meant for pytest.
        return commands.add_parser(name, parents=[common], help=text, description=text, allow_abbrev=False)

    run_demo = command("demo", "install, then run the demo")
    run_demo.add_argument("--output", type=Path, default=Path("demo-out"), metavar="DIR", help="default: ./demo-out")
    command("test", "install with the test tools, then run the tests; further arguments go to pytest")
    command("lint", "install with the developers' tools, then check style and types")
    command("install", "install only")
    plugin = command("krita", "install, then put the plugin into Krita and start the daemon")
    plugin.add_argument("--uninstall", action="store_true", help="take the plugin out of Krita again")
    command("clean", "remove the environment and caches")
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "test":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.pytest_arguments = rest
    return options


def run_module(environment: Environment, *arguments: str, folder: Path | None = None) -> int:
    """Hands over to a module in the environment: its output, its exit status."""
    status = subprocess.call([str(environment.program("python")), "-m", *arguments], cwd=folder)
    return status if status >= 0 else 128 - status


def demo(options: argparse.Namespace, environment: Environment, console: Console) -> int:
    output = options.output.expanduser().absolute()
    console.say(f"Running the demo into {output}")
    status = run_module(environment, "latentlayers.demo", "--output", str(output))
    if status == 0:
        console.say(f"Open {output / 'index.html'} to see it.")
    return status


def test(options: argparse.Namespace, environment: Environment, console: Console) -> int:
    return run_module(environment, "pytest", *options.pytest_arguments, folder=ROOT)


def lint(options: argparse.Namespace, environment: Environment, console: Console) -> int:
    failed = []
    for name, arguments in CHECKS.items():
        console.say(f"{name}:")
        if run_module(environment, *arguments, folder=ROOT) != 0:
            failed.append(name)
    console.say(f"Not clean: {'; '.join(failed)}." if failed else "Style and types are clean.")
    return 1 if failed else 0


def install(options: argparse.Namespace, environment: Environment, console: Console) -> int:
    console.say(f"The command: {environment.program('latentlayers')}")
    return 0


def install_plugin(options: argparse.Namespace, environment: Environment, console: Console) -> int:
    krita.install(environment, console)
    return 0


def clean(environment: Environment, console: Console) -> int:
    """Removes the environment and what builds and checks left behind.

    Raises:
        BootstrapError: BUSY, FOLDER_NOT_OURS.
    """
    if environment.folder.exists():
        with environment.lock():
            pass  # nobody is at work in it, and it is an environment
        shutil.rmtree(environment.folder)
        console.say(f"Removed {environment.folder}")
    for leftover in (*(ROOT / name for name in CACHES), *(ROOT / "daemon").glob("*.egg-info")):
        if leftover.is_dir():
            shutil.rmtree(leftover)
            console.say(f"Removed {leftover}")
    console.say("Kept: what the demo wrote, and Latent Layers' own data and settings in your user folders.")
    return 0
