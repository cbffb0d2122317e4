"""From whatever is there to an environment in which Latent Layers runs: nothing, or the missing steps."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from . import torch_build
from .console import Console, duration
from .environment import ROOT, Environment, Record, fingerprint
from .failures import BootstrapError
from .machine import GB, Machine, free_bytes, require_space, this_machine

PACKAGES_GB = 0.6  # on disk, for everything but PyTorch
TORCH = f"PyTorch {torch_build.VERSION}"

# The import is what an incomplete file or a missing system library fails at.
VERIFY = (
    "import json, latentlayers, torch; "
    "print(json.dumps({'torch': torch.__version__, 'cuda': torch.cuda.is_available()}))"
)
INSTALLED_TORCH = """
from importlib import metadata
try: print(metadata.version("torch"))
except metadata.PackageNotFoundError: print("none")
"""


@dataclass(frozen=True)
class Wishes:
    """What the user asks of the installation.

    Attributes:
        extras: optional dependency groups of pyproject.toml that the command needs.
        torch: "auto", "cpu", "cuda", or None to keep what is there.
        torch_index: address of the package index to take PyTorch from, or None.
        disk_needed: units of 1e9 bytes that must be free, 0 not to check, None for our own estimate.
    """

    extras: tuple[str, ...] = ()
    torch: str | None = None
    torch_index: str | None = None
    disk_needed: float | None = None

    @property
    def build(self) -> str | None:
        """What is asked of PyTorch's build this time, None for nothing in particular."""
        return self.torch_index or self.torch

    def attempts(self, machine: Machine, environment: Environment) -> tuple[torch_build.Attempt, ...]:
        python = str(environment.program("python"))
        return torch_build.attempts(machine, self.torch or "auto", self.torch_index, python)

    def require_space(self, environment: Environment, torch_gb: float) -> None:
        needed = PACKAGES_GB + torch_gb if self.disk_needed is None else self.disk_needed
        require_space(environment.folder, needed * GB, "The installation")


def plan(wishes: Wishes, environment: Environment) -> dict[str, object]:
    """What `prepare` would find and try, as JSON-ready values."""
    machine = this_machine()
    return {
        "machine": asdict(machine),
        "environment": {"path": str(environment.folder), "state": environment.state()},
        "up_to_date": environment.is_ready(wishes.extras, wishes.build),
        "extras": wishes.extras,
        "torch": [asdict(attempt) for attempt in wishes.attempts(machine, environment)],
        "disk_free_gb": round(free_bytes(environment.folder) / GB, 1),
    }


def prepare(wishes: Wishes, environment: Environment, console: Console) -> None:
    """Brings the environment up to date; the caller holds its lock.

    Raises:
        BootstrapError: whatever kept it from that.
    """
    if environment.is_ready(wishes.extras, wishes.build):
        console.say(f"{environment} is up to date.")
        return
    started = time.monotonic()
    state = environment.state()
    fresh = state in ("absent", "broken")
    before = (None if fresh else environment.record()) or Record("partial")
    needs_torch = fresh or not has_torch(environment, before, wishes)
    console.plan(3 + fresh + needs_torch)

    with console.step("Looking at this machine"):
        machine = this_machine()
        attempts = wishes.attempts(machine, environment) if needs_torch else ()
        console.note(f"{machine}, {free_bytes(environment.folder) / GB:.0f} GB free")
        wishes.require_space(environment, attempts[0].disk_gb if attempts else 0.0)
    if fresh:
        again = " again (the last run was cut off, or its Python is gone)" if state == "broken" else ""
        with console.step(f"Making the environment {environment}{again}"):
            environment.make()
    if needs_torch:
        with console.step(f"Installing {TORCH}"):
            install_torch(attempts, wishes, environment, console)
    extras = tuple(sorted({*wishes.extras, *before.extras}))
    with_extras = f", with {' and '.join(extras)}" if extras else ""
    with console.step(f"Installing Latent Layers and what it needs{with_extras}"):
        install_package(environment, extras)
    with console.step("Checking that it starts"):
        found = json.loads(environment.ask(VERIFY))
        console.note(f"PyTorch {found['torch']}, on the {'GPU' if found['cuda'] else 'CPU'}")
        if machine.gpu and not found["cuda"] and wishes.torch != "cpu":
            console.note(f"It does not see the {machine.gpu}: the driver may be older than this build needs.")
    done = Record("ready", fingerprint(), extras, wishes.build or before.torch_wanted)
    environment.write(done)
    console.say(f"Ready in {duration(time.monotonic() - started)}. What the installers printed: {environment.log}")


def has_torch(environment: Environment, before: Record, wishes: Wishes) -> bool:
    """Whether the right version is there, and no other build of it is asked for."""
    if wishes.build not in (None, before.torch_wanted):
        return False
    return environment.ask(INSTALLED_TORCH).partition("+")[0] == torch_build.VERSION


def install_torch(
    attempts: Sequence[torch_build.Attempt], wishes: Wishes, environment: Environment, console: Console
) -> None:
    """Makes one attempt after the other until one succeeds."""
    for attempt in attempts:
        console.note(f"{attempt.build}: downloads about {attempt.download_gb:.1f} GB")
        if attempt.notice:
            console.note(attempt.notice)
        wishes.require_space(environment, attempt.disk_gb)
        try:
            environment.install(TORCH, *attempt.commands)
        except BootstrapError as error:
            may_go_on = attempt.optional or error.reason == "PACKAGE_NOT_FOUND"
            if attempt is attempts[-1] or not may_go_on:
                raise
            console.note("not to be had there")
        else:
            # Kept at once, so that a later step's failure does not make the next run ask for another build.
            before = environment.record() or Record("partial")
            environment.write(replace(before, torch_wanted=wishes.build or "auto"))
            return


def install_package(environment: Environment, extras: Sequence[str]) -> None:
    """This checkout, editable; PyTorch is named again so that nothing moves it to another version."""
    # An editable install of a pyproject.toml project needs pip 21.3; an early Python 3.10 brings an older one.
    environment.install("pip", torch_build.pip("pip>=22"))
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    environment.install("Latent Layers", torch_build.pip("--editable", target, f"torch=={torch_build.VERSION}"))
