"""NumPy's .npy and .npz files of floating-point arrays, without numpy.

The .npy format is a magic string, a version, and a Python dict literal giving type, order and shape:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. An .npz is a zip of those.
Object arrays, which are pickles, are refused by their type.
"""

from __future__ import annotations

import ast
import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from latentlayers.checkpoints.pickles.archive import directory
from latentlayers.errors import CorruptCheckpoint, InvalidInput
from latentlayers.library.arrays import ITEM_SIZE, Float, FloatArray, column_major, damaged, row_major

MAGIC = b"\x93NUMPY"
MAX_MEMBER_BYTES = 256 << 20
MAX_MEMBERS = 4096

_MAX_HEADER = 10_000  # numpy's own limit for headers it passes to literal_eval
_DESCR = re.compile(r"([<>=|]?)(f[248])")


def read_npy(data: bytes) -> FloatArray:
    """The array in a .npy file.

    Raises:
        InvalidInput: FILE_CORRUPT, or FORMAT_UNSUPPORTED for anything but half, single and double precision.
    """
    if data[:6] != MAGIC or len(data) < 12 or data[6] not in (1, 2, 3):
        raise damaged("it has no NumPy header")
    width = 2 if data[6] == 1 else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > min(_MAX_HEADER, len(data) - start):
        raise damaged(f"its header claims {length} bytes")
    try:
        header = ast.literal_eval(data[start : start + length].decode("latin1").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise damaged("its header is not a Python dict") from None
    match header:
        case {"descr": descr, "fortran_order": bool(fortran), "shape": tuple(shape)} if all(
            type(n) is int and n >= 0 for n in shape
        ):
            order, dtype = _float_type(descr)
        case _:
            raise damaged("its header lacks type, order or shape")
    body = data[start + length :]
    if len(body) != math.prod(shape) * ITEM_SIZE[dtype]:
        raise damaged(f"it has {len(body)} bytes for shape {list(shape)} of {dtype}")
    strides = column_major(shape) if fortran else row_major(shape)
    return FloatArray(body, dtype, shape, strides, big_endian=order == ">")


def write_npy(float32: bytes, shape: tuple[int, ...]) -> bytes:
    """A version 1.0 .npy file of packed little-endian float32 values in C order."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = -(len(MAGIC) + 4 + len(header) + 1) % 64  # numpy aligns the numbers to 64 bytes
    text = header.encode() + b" " * padding + b"\n"
    return MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text + float32


def read_npz(data: bytes) -> Mapping[str, FloatArray]:
    """The floating-point arrays in a .npz file by name; arrays of other types are left out.

    Raises:
        InvalidInput: FILE_CORRUPT.
    """
    arrays = {}
    for path, member in zip_members(data).items():
        if path.endswith(".npy"):
            try:
                arrays[path.removesuffix(".npy")] = read_npy(member)
            except InvalidInput as error:
                if error.reason != "FORMAT_UNSUPPORTED":
                    raise
    return arrays


def write_npz(arrays: Mapping[str, bytes]) -> bytes:
    """What `numpy.savez` writes: an uncompressed zip of the given .npy files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in arrays.items():
            # A fixed date: the same latent is the same file.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content)
    return buffer.getvalue()


def zip_names(data: bytes) -> list[str]:
    """Names of the members of a zip. Raises InvalidInput (FILE_CORRUPT) if it is damaged."""
    with _zip_errors():
        return [info.filename for info in directory(io.BytesIO(data))[0]]


def zip_members(data: bytes) -> dict[str, bytes]:
    """Contents of a zip's members, bounded before anything is unpacked.

    Raises:
        InvalidInput: FILE_CORRUPT; damaged, encrypted, or unpacking to more than `MAX_MEMBER_BYTES` in all.
    """
    with _zip_errors():
        members = directory(io.BytesIO(data))[0]
        if len(members) > MAX_MEMBERS or sum(info.file_size for info in members) > MAX_MEMBER_BYTES:
            raise damaged(f"it would unpack to more than {MAX_MEMBERS} files or {MAX_MEMBER_BYTES >> 20} MiB")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {info.filename: _unpacked(archive, info) for info in members}


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:  # `archive.read` would unpack all there is, whatever size was announced
        return member.read(info.file_size)


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except CorruptCheckpoint as error:
        raise damaged(error.message) from None
    # RuntimeError: a password is asked for; NotImplementedError: a rare compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise damaged(f"its zip archive cannot be read ({error!s:.200})") from None


def _float_type(descr: object) -> tuple[str, Float]:
    found = _DESCR.fullmatch(descr) if isinstance(descr, str) else None
    if found is None:
        raise InvalidInput(
            "FORMAT_UNSUPPORTED",
            f"The array is of type {descr!r:.80}, not floating-point numbers.",
            "Save the latent as float32.",
        )
    dtypes: dict[str, Float] = {"f2": "f2", "f4": "f4", "f8": "f8"}
    return found[1], dtypes[found[2]]
