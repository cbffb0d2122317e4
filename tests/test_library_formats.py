"""Latents in other tools' files: read, written, and refused."""

from __future__ import annotations

import functools
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import LatentLayersError
from latentlayers.library import Format, Latent, described_as
from latentlayers.library.formats import MAX_LATENTS, read_latents, write_latent
from latentlayers.library.npy import read_npy, write_npy
from latentlayers.library.tensor_file import read_embedding, write_embedding
from library_samples import ROWS, WIDTH, embedding, latent
from safetensors.numpy import load, save

WRITABLE: tuple[Format, ...] = ("safetensors", "npz", "npy")


def numbers(found: Latent) -> np.ndarray:
    return np.frombuffer(found.values, "<f4").reshape(found.rows, found.width)


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pt(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def refused(data: bytes, form: Format | None = None) -> str:
    with pytest.raises(LatentLayersError) as caught:
        read_latents(data, ROWS, WIDTH, form)
    assert caught.value.message
    assert caught.value.remedy
    return caught.value.reason


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(WRITABLE), st.integers(1, 18), st.integers(1, 40), st.data())
def test_a_written_latent_is_read_back_bit_for_bit(form: Format, rows: int, width: int, data: st.DataObject) -> None:
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
    values = data.draw(st.lists(floats, min_size=rows * width, max_size=rows * width))
    ws = Latent(np.array(values, "<f4").tobytes(), rows, width)
    written = write_latent(embedding(ws=ws), form)
    (found,) = read_latents(written.data, rows, width)
    assert found.latent == ws
    assert written.file_name.endswith(f".{form}")


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]),
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.booleans(),
)
def test_numpy_arrays_of_every_type_and_order_are_read_as_numpy_reads_them(
    dtype: str, shape: tuple[int, ...], fortran: bool
) -> None:
    array = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = read_npy(npy(np.array(array, order="F" if fortran else "C")))
    assert found.shape == shape
    assert found.float32() == np.ascontiguousarray(array).astype("<f4").tobytes()


def test_numpy_reads_our_npy_and_npz() -> None:
    sample = embedding(3)
    whole = np.load(io.BytesIO(write_latent(sample, "npz").data), allow_pickle=False)
    assert whole.files == ["w"]
    assert whole["w"].shape == (1, ROWS, WIDTH)
    assert whole["w"].dtype == np.float32
    np.testing.assert_array_equal(whole["w"][0], numbers(sample.ws))
    rows = np.load(io.BytesIO(write_latent(sample, "npy").data), allow_pickle=False)
    np.testing.assert_array_equal(rows, numbers(sample.ws))
    assert write_npy(sample.ws.values, (ROWS, WIDTH)) == npy(numbers(sample.ws))


def test_the_safetensors_package_reads_our_files_and_we_read_its() -> None:
    sample = embedding(4)
    tensors = load(write_latent(sample, "safetensors").data)
    np.testing.assert_array_equal(tensors["ws"][0], numbers(sample.ws))
    assert tensors["thumbnail"].tobytes() == sample.thumbnail
    (found,) = read_latents(save({"ws": numbers(sample.ws).astype("f8")}), ROWS, WIDTH)
    assert found.latent == sample.ws
    assert found.info is None


def test_our_safetensors_file_describes_its_latent() -> None:
    sample = embedding(5, psnr=float("inf"), objective=float("nan"))
    info = described_as(write_embedding(sample))
    assert info is not None
    assert (info.name, info.model_digest, info.frame) == (sample.name, sample.model_digest, sample.frame)
    assert (info.psnr, info.objective) == (None, None)
    assert described_as(npz(w=numbers(sample.ws))) is None


@pytest.mark.parametrize("shape", [(WIDTH,), (1, WIDTH), (1, 1, WIDTH), (3, 1, WIDTH)])
def test_a_single_w_stands_for_every_row(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).standard_normal(shape, "f4")
    found = read_latents(npy(array), ROWS, WIDTH)
    for item, w in zip(found, array.reshape(-1, WIDTH), strict=True):
        assert item.space == "w"
        np.testing.assert_array_equal(numbers(item.latent), np.broadcast_to(w, (ROWS, WIDTH)))


def test_a_file_of_several_latents_gives_each_of_them() -> None:
    array = np.random.default_rng(2).standard_normal((4, ROWS, WIDTH), "f4")
    found = read_latents(npz(w=array, other=np.zeros(3, "f4"), names=np.array(["a"])), ROWS, WIDTH)
    assert [item.space for item in found] == ["w_plus"] * 4
    np.testing.assert_array_equal([numbers(item.latent) for item in found], array)


@pytest.mark.parametrize("shape", [(ROWS + 1, WIDTH), (1, ROWS, WIDTH + 1), (0, ROWS, WIDTH), (), (2, 2, ROWS, WIDTH)])
def test_shapes_of_other_models_are_refused(shape: tuple[int, ...]) -> None:
    assert refused(npy(np.zeros(shape, "f4"))) == "LATENT_SHAPE"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_in_float32_are_refused(bad: float) -> None:
    array = np.zeros((ROWS, WIDTH))
    array[3, 5] = bad
    assert refused(npy(array)) == "LATENT_NOT_FINITE"


def test_more_latents_than_the_limit_are_refused() -> None:
    assert refused(npy(np.zeros((MAX_LATENTS + 1, 1, WIDTH), "f2"))) == "FILE_TOO_LARGE"


def test_rosinality_projector_files_give_a_latent_per_picture() -> None:
    w, wide = torch.randn(WIDTH), torch.randn(ROWS, WIDTH)
    noise = [torch.randn(1, 1, 4, 4)]
    content = {
        "in/anna.png": {"img": torch.randn(3, 8, 8), "latent": w, "noise": noise},
        "C:\\in\\bob.jpg": {"img": torch.randn(3, 8, 8), "latent": wide, "noise": noise},
    }
    anna, bob = read_latents(pt(content), ROWS, WIDTH)
    assert (anna.name, anna.space, bob.name, bob.space) == ("anna", "w", "bob", "w_plus")
    np.testing.assert_array_equal(numbers(anna.latent), w.expand(ROWS, WIDTH))
    np.testing.assert_array_equal(numbers(bob.latent), wide)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_bare_tensors_of_any_layout_are_read_as_torch_reads_them(dtype: torch.dtype) -> None:
    base = torch.randn(2, 3, WIDTH, ROWS, dtype=torch.float64).to(dtype)
    for tensor in (
        base[1, :, :, :].transpose(1, 2),  # strided, with an offset
        base[:1, 0].transpose(1, 2).contiguous(),
        torch.nn.Parameter(base[0].transpose(1, 2)),
        base[0, 0, :, 0].expand(1, ROWS, WIDTH),  # stride 0
        base[0, 0, :, 2],
        [base[0, 0].t(), base[0, 1].t()],
        {"latent": base[0, 0].t(), "loss": torch.zeros(()), "step": 7},
    ):
        content = tensor
        expected = content if isinstance(content, torch.Tensor) else None
        found = read_latents(pt(content), ROWS, WIDTH)
        if expected is not None:
            for item, want in zip(found, expected.detach().float().reshape(len(found), -1, WIDTH), strict=True):
                np.testing.assert_array_equal(numbers(item.latent), want.expand(ROWS, WIDTH))
        else:
            np.testing.assert_array_equal(numbers(found[0].latent), base[0, 0].t().float())


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"echo executed > {self.marker}",)


def test_nothing_in_a_hostile_file_is_executed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hostile = Hostile(marker)
    for content in (hostile, {"a.png": {"latent": hostile}}, [torch.zeros(WIDTH), hostile]):
        assert refused(pt(content)) == "FORMAT_UNSUPPORTED"
        assert refused(pt(content, _use_new_zipfile_serialization=False)) == "FORMAT_UNSUPPORTED"
        assert refused(pickle.dumps(content)) == "FORMAT_UNSUPPORTED"
    objects = npy(np.array([hostile], object), allow_pickle=True)
    assert refused(objects) == "FORMAT_UNSUPPORTED"
    buffer = io.BytesIO()
    np.savez(buffer, w=np.array([hostile], object))
    assert refused(buffer.getvalue()) == "FORMAT_UNSUPPORTED"
    assert not marker.exists()


def test_old_pytorch_files_are_refused_with_what_to_do() -> None:
    with pytest.raises(LatentLayersError) as caught:
        read_latents(pt(torch.zeros(WIDTH), _use_new_zipfile_serialization=False), ROWS, WIDTH)
    assert caught.value.reason == "FORMAT_UNSUPPORTED"
    assert "save it again" in caught.value.remedy


def test_unknown_content_and_wrong_claims_are_refused() -> None:
    assert refused(b"") == "FORMAT_UNSUPPORTED"
    assert refused(b"\x89PNG\r\n\x1a\n" + bytes(100)) == "FORMAT_UNSUPPORTED"
    assert refused(npy(np.zeros((ROWS, WIDTH), "f4")), "npz") == "FORMAT_UNSUPPORTED"
    assert refused(npy(np.zeros((ROWS, WIDTH), "i4"))) == "FORMAT_UNSUPPORTED"
    assert refused(npz(first=np.zeros((ROWS, WIDTH), "f4"), second=np.zeros(3, "f4"))) == "FORMAT_UNSUPPORTED"
    assert refused(pt({"g_ema": {"weight": torch.zeros(3)}, "latent_avg": torch.zeros(3)})) == "LATENT_SHAPE"
    assert refused(pt({"step": 3})) == "FORMAT_UNSUPPORTED"
    with pytest.raises(LatentLayersError, match="FORMAT_UNSUPPORTED"):
        write_latent(embedding(), "pt")


def test_archives_that_claim_too_much_are_refused_before_they_are_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("w.npy", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert len(buffer.getvalue()) < 1 << 20
    assert refused(buffer.getvalue()) == "FILE_CORRUPT"
    header = write_npy(b"", (10**6, ROWS, WIDTH))
    assert refused(header) == "FILE_CORRUPT"
    assert refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(50)) == "FILE_CORRUPT"


@functools.cache  # made once: ids and times would make their lengths differ from one example to the next
def undamaged_files() -> list[bytes]:
    sample = embedding(6)
    return [
        *(write_latent(sample, form).data for form in WRITABLE),
        pt({"a.png": {"latent": torch.zeros(ROWS, WIDTH)}}),
    ]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_files_are_refused_or_read_but_never_crash(data: st.DataObject) -> None:
    content = bytearray(undamaged_files()[data.draw(st.integers(0, len(WRITABLE)))])
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    reason = ""
    try:
        read_latents(bytes(content), ROWS, WIDTH)
    except LatentLayersError as error:
        reason = error.reason
    assert reason in {"", "FILE_CORRUPT", "FORMAT_UNSUPPORTED", "LATENT_SHAPE", "LATENT_NOT_FINITE"}


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_library_file_with_one_changed_byte_never_passes_as_another_latent(where: int, change: int) -> None:
    written = write_embedding(embedding(7, id="0123456789ab"))
    damaged = bytearray(written)
    damaged[where % len(written)] ^= change
    outcome: object
    try:
        outcome = read_embedding(bytes(damaged)).ws
    except LatentLayersError as error:
        outcome = error.reason
    assert outcome in ("FILE_CORRUPT", latent(7))
