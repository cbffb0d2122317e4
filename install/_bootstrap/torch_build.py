"""Which build of PyTorch suits a machine, and the ways to get it, best first.

PyTorch publishes the same version as several builds. The package index that pip uses by default carries one per
platform: on Linux the CUDA build (2.7 GB with the libraries it pulls in), on Windows and macOS the CPU / Metal
build. The others (on Linux: CPU, 0.2 GB) lie on PyTorch's own index, marked by a suffix: 2.13.0+cpu, 2.13.0+cu130.
Its address is not written here: the installer uv knows it, and for NVIDIA picks the CUDA release by the driver.
"""

from __future__ import annotations

from dataclasses import dataclass

from .failures import BootstrapError
from .machine import Machine

VERSION = "2.13.0"
CPU_GB = (0.2, 0.8)  # to download, on disk (measured: 2.13.0 for Linux x86_64)
CUDA_GB = (2.7, 7.0)

Command = tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """One way to get PyTorch.

    Attributes:
        build: what it brings, for people.
        commands: arguments for the environment's `python -m`, run in this order.
        download_gb, disk_gb: about what it costs, in units of 1e9 bytes.
        notice: what the user should know before it starts, or None.
        optional: any failure leads to the next attempt; otherwise only "no such package" does.
    """

    build: str
    commands: tuple[Command, ...]
    download_gb: float
    disk_gb: float
    notice: str | None = None
    optional: bool = False


def attempts(machine: Machine, wanted: str, index: str | None, python: str) -> tuple[Attempt, ...]:
    """The ways to try, best first; all but the last may fail without harm.

    Args:
        wanted: "auto" (by the machine), "cpu" or "cuda".
        index: address of a package index that carries the wished build, or None.
        python: the environment's interpreter, which uv has to be told.

    Raises:
        BootstrapError: PLATFORM_UNSUPPORTED where PyTorch has no such build.
    """
    if machine.system == "Darwin" and machine.architecture != "arm64":
        raise BootstrapError(
            "PLATFORM_UNSUPPORTED",
            f"PyTorch {VERSION} is not built for Macs with an Intel processor, nor for an Intel Python on a newer Mac.",
            "On a Mac with an Apple processor, run this with a Python built for it (python.org's universal installer).",
        )
    if machine.system == "Darwin" and wanted == "cuda":
        raise BootstrapError("PLATFORM_UNSUPPORTED", "There is no CUDA on macOS.", "Leave out --torch cuda.")

    cuda = wanted == "cuda" or (wanted == "auto" and machine.gpu is not None)
    if index:
        # Reinstall: another build of this version may be there. No dependencies: the index may carry PyTorch alone,
        # and the next step takes them from the usual one.
        command = pip("--force-reinstall", "--no-deps", "--index-url", index, f"torch=={VERSION}")
        return (Attempt("the build from --torch-index", (command,), *(CUDA_GB if cuda else CPU_GB)),)
    if cuda:
        return cuda_attempts(machine, python)
    if machine.system == "Linux":
        return linux_cpu_attempts(python)
    return (Attempt("the platform's default build", (pip(f"torch=={VERSION}"),), *CPU_GB),)


def linux_cpu_attempts(python: str) -> tuple[Attempt, ...]:
    return (
        Attempt("the CPU build, where pip is set up to find it", (pip(f"torch=={VERSION}+cpu"),), *CPU_GB),
        Attempt("the CPU build, from PyTorch's own index", uv("cpu", python), *CPU_GB, optional=True),
        Attempt(
            "the CUDA build (no CPU build was found)",
            (pip(f"torch=={VERSION}"),),
            *CUDA_GB,
            notice="This machine has no NVIDIA GPU, but pip's index carries only the CUDA build for Linux. It runs on "
            "the CPU too, and costs 2.7 GB of download and 7 GB of disk instead of 0.2 and 0.8. To avoid that: "
            "Ctrl-C, look up the CPU build's index address on pytorch.org (Get started; Pip, CPU), and run again "
            "with --torch-index ADDRESS.",
        ),
    )


def cuda_attempts(machine: Machine, python: str) -> tuple[Attempt, ...]:
    by_driver = Attempt("the CUDA build for this driver", uv("auto", python), *CUDA_GB, optional=True)
    # Where a CPU build is at hand too, its suffix would rank it above the plain version: rule it out.
    default = Attempt("the CUDA build", (pip(f"torch=={VERSION},!={VERSION}+cpu"),), *CUDA_GB)
    without_gpu = Attempt(
        "the CPU build (no CUDA build was found)",
        (pip(f"torch=={VERSION}"),),
        *CPU_GB,
        notice="pip's index carries no CUDA build for this machine, so the GPU will not be used. To use it: look up "
        "the CUDA build's index address on pytorch.org (Get started; Pip, CUDA), and run again with "
        "--torch-index ADDRESS.",
    )
    first = (by_driver,) if machine.gpu else ()
    return (*first, without_gpu) if machine.system == "Windows" else (*first, default, without_gpu)


def pip(*arguments: str) -> Command:
    # Python compiles what it imports when it does; compiling all of PyTorch beforehand nearly doubles the time.
    return ("pip", "install", "--no-compile", *arguments)


def uv(backend: str, python: str) -> tuple[Command, ...]:
    options = ("--python", python, "--reinstall", "--no-deps", "--torch-backend", backend)
    return (pip("uv>=0.8"), ("uv", "pip", "install", *options, f"torch=={VERSION}"))
