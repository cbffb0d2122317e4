"""Training pictures: a zip of aligned portraits and a table about them, as one array of bytes."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from latentlayers.errors import InvalidInput

Row = dict[str, str]
MAX_OVERSAMPLING = 4.0


@dataclass(frozen=True)
class Portraits:
    """Pictures with what the table says about them, in the same order.

    Attributes:
        images: [N, 3, R, R] uint8.
        rows: one metadata row per picture; empty dicts without a table.
    """

    images: Tensor
    rows: Sequence[Row]

    def __len__(self) -> int:
        return len(self.images)

    def spread(self, count: int) -> Portraits:
        """`count` of them, evenly chosen, or all if there are fewer."""
        chosen = torch.linspace(0, len(self) - 1, min(count, len(self))).round().long()
        return Portraits(self.images[chosen], [self.rows[i] for i in chosen.tolist()])

    def numbers(self, column: str) -> npt.NDArray[np.float64]:
        """[N] float64 of a numeric column; empty cells are NaN."""
        return np.array([float(row.get(column) or "nan") for row in self.rows])

    @property
    def is_colour(self) -> npt.NDArray[np.bool_]:
        """[N]: the picture is in colour, by the table or, without one, by its pixels."""
        if any(self.rows):
            return np.array([row["kind"] == "colour" for row in self.rows])
        pixels = self.images.float()
        spread: npt.NDArray[np.float32] = (pixels.amax(1) - pixels.amin(1)).mean((1, 2)).numpy()
        return spread > 6.0


def is_clean_photograph(row: Row) -> bool:
    """True for tonal photographs, near enough to frontal and not mostly outside their source picture.

    Leaves out paintings, engravings and halftones, profiles, and crops padded by more than a tenth.
    """
    return (
        row["medium"] == "photo"
        and float(row["tonal_score"] or 1.0) >= 0.6
        and abs(float(row["yaw_jaw"])) <= 0.36
        and float(row["outside_frac"]) <= 0.1
        and float(row["quality"]) >= 0.4
    )


def read_metadata(path: Path) -> dict[str, Row]:
    """Rows of a CSV keyed by its `file` column."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def load_portraits(
    archive: Path, metadata: Path | None, resolution: int, keep: Callable[[Row], bool] | None = None
) -> Portraits:
    """Read every picture of a zip, square and of any side, and resize it to `resolution` by Lanczos.

    Args:
        metadata: CSV with a `file` column naming the members; members without a row are left out.
        keep: which rows to take; None: all. Needs `metadata`.

    Raises:
        InvalidInput: IMAGE_UNREADABLE if the archive or a picture in it cannot be read, IMAGE_EMPTY if none is left.
    """
    table = read_metadata(metadata) if metadata else None
    images: list[npt.NDArray[np.uint8]] = []
    rows: list[Row] = []
    try:
        with zipfile.ZipFile(archive) as members:
            for name in members.namelist():
                row = table.get(name) if table is not None else {}
                if row is None or (keep is not None and not keep(row)):
                    continue
                with Image.open(io.BytesIO(members.read(name))) as picture:
                    resized = picture.convert("RGB").resize((resolution, resolution), Image.Resampling.LANCZOS)
                images.append(np.asarray(resized))
                rows.append(row)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInput(
            "IMAGE_UNREADABLE",
            f"{archive} could not be read as a zip of pictures: {error}.",
            "Give a zip archive that holds JPEG or PNG files only.",
        ) from error
    if not images:
        raise InvalidInput(
            "IMAGE_EMPTY",
            f"{archive} holds no picture that the metadata and the filter let through.",
            "Check that the metadata's `file` column names the archive's members.",
        )
    return Portraits(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), rows)


def sampling_weights(portraits: Portraits, balance: float) -> npt.NDArray[np.float64]:
    """[N] probabilities that draw rare groups (colour x sex) more often: a group of n gets a share ~ n^(1 - balance).

    No picture is drawn more than `MAX_OVERSAMPLING` times as often as under uniform drawing, so that a handful of
    people is not learnt by heart.
    """
    male = np.nan_to_num(portraits.numbers("male_prob"), nan=1.0) >= 0.5
    group = portraits.is_colour * 2 + male
    counts = np.bincount(group, minlength=4)
    weights = counts[group] ** -float(balance)
    weights *= len(weights) / weights.sum()
    weights = np.minimum(weights, MAX_OVERSAMPLING)
    return np.asarray(weights / weights.sum())


class Sampler:
    """Endless random batches, mirrored half of the time."""

    def __init__(self, images: Tensor, weights: npt.NDArray[np.float64], seed: Sequence[int]) -> None:
        self._images, self._cumulative = images, np.cumsum(weights)
        self._random = np.random.default_rng(seed)

    def draw(self, count: int, device: torch.device) -> Tensor:
        """[count, 3, R, R] float32 in [-1, 1]."""
        chosen = np.searchsorted(self._cumulative, self._random.random(count) * self._cumulative[-1], side="right")
        batch = self._images[torch.from_numpy(np.minimum(chosen, len(self._images) - 1))].to(device)
        batch = batch.float().div_(127.5).sub_(1)
        mirror = torch.from_numpy(self._random.random(count) < 0.5).to(device)
        return torch.where(mirror[:, None, None, None], batch.flip(3), batch)
