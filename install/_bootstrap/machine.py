"""What this computer is, as far as it decides what to install."""

from __future__ import annotations

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .failures import BootstrapError

GB = 1e9


@dataclass(frozen=True)
class Machine:
    """Attributes:

    system: "Linux", "Darwin" (macOS) or "Windows".
    architecture: as the Python that runs was built for, lower case: "x86_64", "amd64", "arm64", "aarch64".
    python: "3.11.7".
    gpu: name of the first NVIDIA GPU, None without one.
    """

    system: str
    architecture: str
    python: str
    gpu: str | None

    def __str__(self) -> str:
        system = "macOS" if self.system == "Darwin" else self.system
        return f"{system} {self.architecture}, Python {self.python}, {self.gpu or 'no NVIDIA GPU'}"


def this_machine() -> Machine:
    return Machine(platform.system(), platform.machine().lower(), platform.python_version(), nvidia_gpu())


def nvidia_gpu() -> str | None:
    """Asks NVIDIA's own tool; where that is missing (some containers), the kernel driver's file tells."""
    tool = shutil.which("nvidia-smi")
    if tool:
        try:
            listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            listing = ""
        for line in listing.splitlines():
            if line.startswith("GPU "):
                return line.partition(":")[2].partition("(UUID")[0].strip() or "NVIDIA GPU"
    return "NVIDIA GPU" if Path("/proc/driver/nvidia/version").exists() else None


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that holds `folder`, or would hold it."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, needed: float, what: str) -> None:
    """Raises DISK_FULL before anything is downloaded when `needed` bytes for `what` are not there."""
    free = free_bytes(folder)
    if free < needed:
        raise BootstrapError(
            "DISK_FULL",
            f"{what} needs about {needed / GB:.1f} GB, and {free / GB:.1f} GB are free where {folder} lies.",
            "Free some space, or put the environment on another disk with --venv FOLDER "
            "(--disk-needed 0 skips this check).",
        )
