"""Which files in a folder may be models, and what to call them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from itertools import count
from pathlib import Path

from latentlayers.checkpoints.file_names import LONGEST_NAME, VGG16, plain_name
from latentlayers.checkpoints.header import METADATA_KEY, read_layout
from latentlayers.checkpoints.refusals import open_bounded
from latentlayers.errors import LatentLayersError
from latentlayers.library.model_entry import GENERATOR

SAFETENSORS = ".safetensors"
SUFFIXES = frozenset({".pkl", ".pt", ".pth", SAFETENSORS})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def model_files(folder: Path) -> Iterator[Path]:
    """The generator of every model folder, and every other file that may be a model or a checkpoint; sorted.

    Subfolders are looked through, except hidden ones and those that are links. What cannot be read is left out.
    """
    items: list[Path] = []
    with suppress(OSError):  # the folder is made on first use
        items = sorted(folder.iterdir())
    for item in items:
        with suppress(OSError):
            if item.name.startswith("."):
                continue
            if (item / GENERATOR).is_file():
                yield item / GENERATOR
            elif item.is_dir():
                if not item.is_symlink():
                    yield from model_files(item)
            elif item.suffix.lower() in SUFFIXES and (item.is_file() or item.is_symlink()) and not _is_vgg16(item):
                yield item


def is_checkpoint(file: Path) -> bool:
    """Whether one of the `model_files` is another program's, and has to be converted."""
    if file.suffix.lower() != SAFETENSORS:
        return True
    try:
        with open_bounded(file) as (content, size):
            return METADATA_KEY not in read_layout(content, size).metadata
    except LatentLayersError:  # as one of ours it is listed with this as its problem
        return False


def model_name(file: Path, folder: Path) -> str:
    """What to call the model in one of the `model_files` of `folder`.

    "cats/final.pkl" is "cats-final"; see `plain_name` for names that no model may have.
    """
    named = file.parent if file.name == GENERATOR and file.parent != folder else file.with_suffix("")
    name = "-".join(named.relative_to(folder).parts)
    return name if NAME.fullmatch(name) else plain_name(name)


def free_name(name: str, taken: Collection[str]) -> str:
    """`name`, or with -2, -3, ... if it is taken; names that differ in case only are the same on some systems."""
    folded = {other.casefold() for other in taken}
    numbered = (f"{name[: LONGEST_NAME - 6]}-{number}" for number in count(2))
    return name if name.casefold() not in folded else next(name for name in numbered if name.casefold() not in folded)


def _is_vgg16(file: Path) -> bool:
    """Perceptual networks may lie in the models folder too, where `checkpoints.vgg16` finds them."""
    return any(fnmatch(file.name, pattern) for pattern in VGG16)
