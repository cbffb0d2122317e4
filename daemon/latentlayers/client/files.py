"""Files on the caller's side: read within limits, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from latentlayers.atomic import atomic_writer, disk_full, write_atomic
from latentlayers.errors import Exhausted, InvalidInput, LatentLayersError, PreconditionFailed


def read_file(path: Path, limit: int, what: str = "picture") -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        InvalidInput: FILE_NOT_FOUND, FILE_UNREADABLE. Exhausted: IMAGE_TOO_LARGE.
    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InvalidInput("FILE_UNREADABLE", f"{path} is not a file.", f"Give the path of a {what} file.")
        if size > limit:
            raise too_large(str(path), size, limit)
        return path.read_bytes()
    except FileNotFoundError:
        raise InvalidInput("FILE_NOT_FOUND", f"There is no file {path}.", "Check the path.") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def too_large(name: str, size: int, limit: int) -> Exhausted:
    """IMAGE_TOO_LARGE with both sizes."""
    return Exhausted(
        "IMAGE_TOO_LARGE",
        f"{name} has {megabytes(size)}; the daemon accepts at most {megabytes(limit)} in one call.",
        "Make the picture smaller, or save it in a compressed format.",
    )


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def write_file(path: Path, data: bytes) -> None:
    """Puts `data` at `path`; whoever looks sees the old file or the whole new one.

    Raises:
        Exhausted: DISK_FULL. PreconditionFailed: OUTPUT_NOT_WRITABLE.
    """
    write_atomic(path, data, private=False, failure=write_error)


def copy_file(source: Path, path: Path) -> None:
    """As `write_file`, with the content of another file.

    Raises:
        InvalidInput: FILE_UNREADABLE for the source. Exhausted, PreconditionFailed: as `write_file`.
    """
    try:
        content = source.open("rb")
    except OSError as error:
        raise _unreadable(source, error) from None
    with content, atomic_writer(path, private=False, failure=write_error) as file:
        shutil.copyfileobj(content, file, 1 << 20)


def check_writable(path: Path) -> None:
    """Makes sure, before a long job, that `write_file(path, …)` can work; makes missing parent folders.

    Raises:
        PreconditionFailed: OUTPUT_NOT_WRITABLE.
    """
    if path.is_dir():
        raise PreconditionFailed("OUTPUT_NOT_WRITABLE", f"{path} is a folder.", "Give the name of a file.")
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Makes the folder if it is missing, and makes sure that files can be written into it.

    Raises:
        PreconditionFailed: OUTPUT_NOT_WRITABLE.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise write_error(folder, error) from None


def write_error(path: Path, error: OSError) -> LatentLayersError:
    """DISK_FULL or OUTPUT_NOT_WRITABLE, whichever `error` means."""
    return disk_full(path, error) or PreconditionFailed(
        "OUTPUT_NOT_WRITABLE",
        f"{path} cannot be written: {error.strerror or type(error).__name__}.",
        "Choose another place with -o, or make the folder writable for you.",
    )


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    reason = error.strerror or type(error).__name__
    return InvalidInput("FILE_UNREADABLE", f"{path} cannot be read: {reason}.", "Check that you may read the file.")
