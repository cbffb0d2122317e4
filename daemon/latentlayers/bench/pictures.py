"""Pictures to measure with, as the model takes them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from latentlayers.demo.sources import photos
from latentlayers.errors import InvalidInput
from latentlayers.imaging import Frame, crop, decode

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def targets(source: Path | None, count: int, resolution: int) -> tuple[list[str], Tensor]:
    """(names, [N, 3, R, R] in [-1, 1]): up to `count` pictures, spread evenly over what there is, in order of name.

    Args:
        source: a folder or zip of aligned portraits; None: the demo's photographs with their frames.

    Raises:
        InvalidInput: PICTURES_MISSING.
    """
    if source is None:
        found = [
            (p.path.name, crop(decode(p.path.read_bytes()), Frame.rectangle(*p.frame), resolution)) for p in photos()
        ]
        chosen = found[:count]
    else:
        files = sorted(_files(source))
        step = max(1, len(files) // count)
        chosen = []
        for name, data in files[::step][:count]:
            picture = decode(data)
            chosen.append((name, crop(picture, Frame.whole(*picture.size), resolution)))
    if not chosen:
        raise InvalidInput(
            "PICTURES_MISSING", f"There are no pictures in {source}.", "Name a folder or zip of portraits."
        )
    return [name for name, _ in chosen], torch.stack([torch.from_numpy(rgb) for _, (rgb, _) in chosen])


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in source.iterdir():
            if path.suffix.lower() in SUFFIXES:
                yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in archive.namelist():
            if name.lower().endswith(SUFFIXES):
                yield name, archive.read(name)
