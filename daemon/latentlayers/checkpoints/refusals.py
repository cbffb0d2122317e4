"""How this package says no: one wording and one reason code per cause. Standard library only."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from latentlayers.errors import CorruptCheckpoint, InvalidInput, LatentLayersError, NotFound, UnsupportedCheckpoint

MAX_FILE_BYTES = 8 << 30  # a 1024 px training snapshot with both optimisers is below 1 GiB
USABLE = "Use a StyleGAN file of NVIDIA (PyTorch or TensorFlow), of rosinality, or one that Latent Layers wrote."


def shown(value: object) -> str:
    """`repr(value)`, short, and quick whatever a file made of it: tuples in tuples can be of exponential length."""
    return reprlib.repr(value)[:100]


def corrupt(what: str) -> CorruptCheckpoint:
    """The file is damaged or contradicts itself; `what` is a clause saying how."""
    message = f"The checkpoint is damaged: {_printable(what)}."
    return CorruptCheckpoint("FILE_CORRUPT", message, "Download or export it again and compare its size.")


def unsupported(what: str, remedy: str = USABLE) -> UnsupportedCheckpoint:
    """The file is whole but not one we read; `what` is a full clause naming what was found."""
    return UnsupportedCheckpoint("FORMAT_UNSUPPORTED", f"This checkpoint cannot be used: {_printable(what)}.", remedy)


def _printable(text: str) -> str:
    """`text` without what a file's names may do to a terminal or an encoder: control characters, lone surrogates."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


@contextmanager
def open_bounded(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file for reading and yield it with its size in bytes.

    Raises:
        NotFound: there is no such file. InvalidInput: it cannot be opened. CorruptCheckpoint: it is empty.
        UnsupportedCheckpoint: not a regular file, or larger than `MAX_FILE_BYTES`.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would block
            raise unsupported(f"{path} is not a file", "Name the checkpoint file itself.")
        file = path.open("rb")
    except FileNotFoundError:
        raise NotFound("MODEL_UNKNOWN", f"There is no file {path}.", "Check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: there is a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput("FILE_UNREADABLE", f"{path} cannot be opened: {reason}.", "Check its permissions.") from None
    with file:
        size = file.seek(0, 2)
        file.seek(0)
        if size == 0:
            raise corrupt("the file is empty")
        if size > MAX_FILE_BYTES:
            raise unsupported(f"it has {size} bytes, more than any StyleGAN checkpoint")
        yield file, size


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever goes wrong while a file is decoded into CorruptCheckpoint; our own errors pass.

    Every exception is caught on purpose: a damaged file can make zipfile, pickletools, numpy and torch raise almost
    anything, and the cause stays attached.
    """
    try:
        yield
    except LatentLayersError:
        raise
    except MemoryError:
        raise corrupt("it asks for more memory than there is") from None
    except RecursionError:
        raise corrupt("it is nested too deeply") from None
    except Exception as error:
        raise corrupt(f"{type(error).__name__}: {error!s:.200}") from error
