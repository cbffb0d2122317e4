"""Keeping the front small although large pictures pass through it. Only for glibc: others need no help, or get none."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_M_ARENA_MAX = -8  # from malloc.h
_ARENAS = 2


def limit_arenas() -> None:
    """Makes all threads share a few heaps; call it before they start. Else every one of them keeps freed memory."""
    if (glibc := _glibc()) is not None:
        glibc.mallopt(_M_ARENA_MAX, _ARENAS)


def give_back_freed() -> None:
    """Gives the system what was freed; some hundred MB of passed-on pictures would stay with the process."""
    if (glibc := _glibc()) is not None:
        glibc.malloc_trim(0)


def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
