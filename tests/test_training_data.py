"""Portraits to train on: which are taken, and how often each is drawn."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import InvalidInput
from latentlayers.training.data import (
    MAX_OVERSAMPLING,
    Portraits,
    Sampler,
    is_clean_photograph,
    load_portraits,
    sampling_weights,
)
from training_samples import CPU, SIDE, png, write_data


def test_only_clean_photographs_are_taken_and_resized(tmp_path: Path) -> None:
    rows = [{}, {"medium": "painting"}, {"yaw_jaw": "-0.44"}, {"outside_frac": "0.12"}, {"tonal_score": "0.55"}, {}]
    archive, table = write_data(tmp_path, rows)
    portraits = load_portraits(archive, table, SIDE, is_clean_photograph)
    assert [row["file"] for row in portraits.rows] == ["0.png", "5.png"]
    assert portraits.images.shape == (2, 3, SIDE, SIDE)
    assert portraits.images[1, :, 0, 0].tolist() == [35, 17, 0]


def test_without_metadata_every_picture_counts_and_colour_is_seen_in_the_pixels(tmp_path: Path) -> None:
    archive, _ = write_data(tmp_path, [{}] * 5)
    portraits = load_portraits(archive, None, SIDE)
    assert len(portraits) == 5
    assert portraits.is_colour.tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"GIF89a"])
def test_an_archive_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        load_portraits(tmp_path / "data.zip", None, SIDE)
    assert caught.value.reason == "IMAGE_UNREADABLE"


def test_an_archive_with_a_broken_picture_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("a.png", png(9)[:60])
    with pytest.raises(InvalidInput) as caught:
        load_portraits(tmp_path / "data.zip", None, SIDE)
    assert caught.value.reason == "IMAGE_UNREADABLE"


def test_a_filter_that_leaves_nothing_is_an_error(tmp_path: Path) -> None:
    archive, table = write_data(tmp_path, [{}])
    with pytest.raises(InvalidInput) as caught:
        load_portraits(archive, table, SIDE, lambda row: False)
    assert caught.value.reason == "IMAGE_EMPTY"


def labelled(colour_men: int, colour_women: int, mono_men: int, mono_women: int) -> Portraits:
    counts = {
        ("colour", "0.9"): colour_men,
        ("colour", "0.1"): colour_women,
        ("mono", "0.9"): mono_men,
        ("mono", "0.1"): mono_women,
    }
    rows = [{"kind": kind, "male_prob": male} for (kind, male), n in counts.items() for _ in range(n)]
    return Portraits(torch.zeros(len(rows), 3, 1, 1, dtype=torch.uint8), rows)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 200), min_size=4, max_size=4), st.floats(0, 1))
def test_rare_groups_are_drawn_more_often_but_never_too_often(counts: list[int], balance: float) -> None:
    weights = sampling_weights(labelled(*counts), balance)
    assert weights.sum() == pytest.approx(1)
    assert weights.max() / weights.min() <= max(counts) / min(counts) + 1e-6
    assert weights.max() <= MAX_OVERSAMPLING * weights.min() * len(weights)
    by_group = dict(zip(counts, np.split(weights, np.cumsum(counts)[:-1]), strict=False))
    rarest, commonest = by_group[min(counts)][0], by_group[max(counts)][0]
    assert rarest >= commonest - 1e-12


def test_balance_0_draws_uniformly() -> None:
    weights = sampling_weights(labelled(10, 2, 30, 1), 0.0)
    np.testing.assert_allclose(weights, 1 / 43)


def test_the_sampler_follows_the_weights_and_mirrors_half() -> None:
    images = torch.zeros(2, 3, 1, 2, dtype=torch.uint8)
    images[1, :, :, 0] = 255
    batch = Sampler(images, np.array([0.25, 0.75]), (1,)).draw(4000, CPU)
    assert (batch.amax(dim=(1, 2, 3)) == 1).float().mean() == pytest.approx(0.75, abs=0.03)
    assert (batch[:, 0, 0, 1] == 1).float().mean() == pytest.approx(0.375, abs=0.03)
