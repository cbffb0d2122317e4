"""Which device the worker uses, and how much of its memory."""

from __future__ import annotations

import os

import torch

from latentlayers.errors import Exhausted, InvalidInput, LatentLayersError


def choose_device(wanted: str = "") -> torch.device:
    """The device named ("cpu", "cuda", "cuda:1", "mps"), else the first GPU, else the CPU.

    Raises:
        InvalidInput: the named device does not exist here (DEVICE_UNKNOWN).
    """
    if wanted:
        try:
            device = torch.device(wanted)
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise InvalidInput(
                "DEVICE_UNKNOWN",
                f"The device {wanted!r} cannot be used: {str(error).splitlines()[0]}.",
                "Use cpu, or leave LATENTLAYERS_DEVICE unset to let the daemon choose.",
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def describe(device: torch.device) -> str:
    """ "cpu", or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def memory_in_use(device: torch.device) -> int:
    """Bytes of device memory this process holds; 0 on the CPU, where resident memory says it."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    return 0


def release_cached(device: torch.device) -> None:
    """Gives cached but unused device memory back."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def limit_threads() -> None:
    """Half of the cores, at most eight, for the CPU's part of the work.

    The painter's own program needs the rest. More threads would bring little for small models, and on a busy machine
    they wait for each other longer than they work.
    """
    torch.set_num_threads(max(1, min((os.cpu_count() or 2) // 2, 8)))


def out_of_memory(error: BaseException) -> LatentLayersError | None:
    """A typed error if `error` means that memory ran out, else None."""
    text = str(error).lower()
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in text:
        return Exhausted(
            "OUT_OF_MEMORY",
            "There is not enough memory for this.",
            "Close other programs, unload models that are not needed, or use a smaller model.",
            retry_after=5.0,
        )
    return None
