"""Our own model files: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from checkpoint_files import equal_weights, small_generator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints import (
    ModelHeader,
    digest,
    load_checkpoint,
    load_generator,
    load_generator_native,
    read_header,
    save_generator,
)
from latentlayers.checkpoints.header import FORMAT_VERSION, METADATA_KEY
from latentlayers.errors import (
    CorruptCheckpoint,
    Exhausted,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    UnsupportedCheckpoint,
)
from latentlayers.generators import StyleGAN2


def header_of(generator: StyleGAN2, **changes: Any) -> ModelHeader:
    fields = {"name": "tiny", "family": "stylegan2", "config": generator.config.to_json(), "licence": "CC0-1.0"}
    return ModelHeader(**(fields | changes))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, StyleGAN2, ModelHeader]:
    generator = small_generator()
    header = header_of(generator, provenance="made by a test – «ü»", domain="portraits", source_sha256="0" * 64)
    save_generator(tmp_path / "model.safetensors", generator, header)
    return tmp_path / "model.safetensors", generator, header


def rewrite(path: Path, change: Any) -> None:
    """Apply `change(table)` to the JSON header of a safetensors file, leaving the data as it is."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    table = json.loads(data[8 : 8 + length])
    change(table)
    text = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def rewrite_description(path: Path, **changes: Any) -> None:
    def change(table: dict[str, Any]) -> None:
        description = json.loads(table["__metadata__"][METADATA_KEY]) | changes
        table["__metadata__"][METADATA_KEY] = json.dumps(description)

    rewrite(path, change)


CONFIGS = [
    {},
    {"c_dim": 3, "label_mode": "concat"},
    {"c_dim": 2, "embed_features": 5, "layer_features": 7},
    {"architecture": "resnet", "conv_clamp": 2.5},
    {"architecture": "orig", "resample_filter": (1.0, 2.0, 1.0)},
    {"use_noise": False, "mapping_layers": 1},
]


@pytest.mark.parametrize("config", CONFIGS, ids=[", ".join(c) or "plain" for c in CONFIGS])
def test_a_saved_generator_comes_back_equal(tmp_path, config):
    generator = small_generator(**config)
    header = header_of(generator)
    save_generator(tmp_path / "model", generator, header)
    again, described = load_generator_native(tmp_path / "model")
    assert described == header
    assert equal_weights(generator, again)
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    assert torch.equal(generator.synthesize(ws), again.synthesize(ws))
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_a_loaded_model_can_be_saved_again_under_its_own_header(saved):
    path, *_ = saved
    again, header = load_generator_native(path)
    save_generator(path.with_name("copy"), again, header)
    assert path.with_name("copy").read_bytes() == path.read_bytes()


def test_the_general_door_reads_it_too_whatever_it_is_called(saved):
    path, generator, header = saved
    odd = path.rename(path.with_name("model.pkl"))
    assert equal_weights(generator, load_generator(odd))
    assert load_checkpoint(odd)[1] == header


def test_other_safetensors_readers_understand_the_file(saved):
    path, generator, _ = saved
    tensors = safetensors.torch.load_file(path)
    assert torch.equal(tensors["mapping.w_avg"], generator.w_avg)
    assert not any("resample_filter" in name for name in tensors)


def test_half_precision_is_smaller_and_close(saved):
    path, generator, header = saved
    half = path.with_name("half")
    save_generator(half, generator, header, half=True)
    assert half.stat().st_size < 0.75 * path.stat().st_size
    again, _ = load_generator_native(half)
    assert torch.equal(again.w_avg, generator.w_avg)
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    difference = again.synthesize(ws) - generator.synthesize(ws)
    assert float(difference.std() / generator.synthesize(ws).std()) < 0.01


def test_numbers_that_half_precision_or_the_format_cannot_hold_are_refused(saved):
    path, generator, header = saved
    before = path.read_bytes()
    generator.mapping.get_parameter("fc0.weight")[0, 0] = 1e6
    with pytest.raises(ValueError, match="float16"):
        save_generator(path, generator, header, half=True)
    generator.mapping.get_parameter("fc0.weight")[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"mapping\.fc0\.weight"):
        save_generator(path, generator, header)
    with pytest.raises(ValueError, match="another network"):
        save_generator(path, small_generator(c_dim=1), header)
    assert path.read_bytes() == before


def test_the_header_is_read_without_torch(saved):
    path, _, header = saved
    code = "import sys; from latentlayers.checkpoints import digest, read_header; h = read_header(sys.argv[1]);"
    code += "print(h.to_json()); print(digest(sys.argv[1])); sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, env=environment())
    assert run.returncode == 0, run.stderr
    text, sha = run.stdout.splitlines()
    assert ModelHeader.from_json(text) == header
    assert sha == digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def environment() -> dict[str, str]:
    import latentlayers

    return os.environ | {"PYTHONPATH": str(Path(latentlayers.__file__).parents[1])}


def test_a_full_disk_leaves_the_old_file_and_no_litter(saved, monkeypatch):
    path, generator, header = saved
    before = path.read_bytes()

    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(Exhausted) as refusal:
        save_generator(path, generator, header)
    assert refusal.value.reason == "DISK_FULL"
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(saved):
    _, generator, header = saved
    with pytest.raises(PreconditionFailed, match="nowhere"):
        save_generator("/nowhere/model", generator, header)


def test_missing_files_and_folders_are_named(tmp_path):
    for door in (load_generator, read_header, digest, load_generator_native):
        with pytest.raises(NotFound, match="absent"):
            door(tmp_path / "absent")
        with pytest.raises(InvalidInput, match="is not a file"):
            door(tmp_path)


def test_a_newer_version_says_which_side_to_update(saved):
    path, *_ = saved
    rewrite_description(path, format_version=FORMAT_VERSION + 1)
    for door in (read_header, load_generator):
        with pytest.raises(UnsupportedCheckpoint) as refusal:
            door(path)
        assert "Update Latent Layers" in refusal.value.remedy


def test_another_programs_safetensors_are_refused(tmp_path):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(UnsupportedCheckpoint, match="no generator"):
        load_generator(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {"config": None},
        {"config": {"resolution": 16}},
        {"name": 7},
        {"provenance": "x" * 30_000},
        {"format_version": 0},
        {"format_version": True},
        {"format_version": "1"},
        {"surprise": 1},
    ],
)
def test_a_description_that_is_not_one_is_corrupt(saved, changes):
    path, *_ = saved
    rewrite_description(path, **changes)
    with pytest.raises(CorruptCheckpoint):
        load_generator(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 1 << 20},
        {"resolution": 15},
        {"z_dim": -1},
        {"z_dim": 1.5},
        {"w_dim": 10**9},
        {"c_dim": 4},
        {"mapping_layers": 10**9},
        {"mapping_layers": 3},
        {"channels": {}},
        {"channels": {"4": 8, "8": 6, "16": 10**9}},
        {"channels": {"4": 8, "8": 6, "16": 50_000}},
        {"channels": [8, 6, 5]},
        {"architecture": "vgg"},
        {"conv_clamp": 0},
        {"conv_clamp": "256"},
        {"lr_multiplier": 0},
        {"use_noise": 1},
        {"use_noise": False},
        {"resample_filter": []},
        {"resample_filter": [1, -1]},
        {"resample_filter": [1] * 1000},
        {"label_mode": "none"},
        {"unknown": 1},
    ],
)
def test_a_config_that_does_not_fit_is_corrupt(saved, changes):
    path, generator, _ = saved
    rewrite_description(path, config=generator.config.to_json() | changes)
    with pytest.raises(CorruptCheckpoint):
        load_generator(path)


def test_pictures_of_other_than_three_channels_are_unsupported(saved):
    path, generator, _ = saved
    rewrite_description(path, config=generator.config.to_json() | {"img_channels": 1})
    with pytest.raises(UnsupportedCheckpoint, match="1 channels"):
        load_generator(path)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_named(saved, poison):
    path, _, header = saved
    name = "synthesis.b8.conv0.weight"
    tensors = safetensors.torch.load_file(path)
    tensors[name][1, 2, 0, 0] = poison
    path.write_bytes(safetensors.torch.save(tensors, {METADATA_KEY: header.to_json()}))
    with pytest.raises(CorruptCheckpoint, match=name.replace(".", r"\.")):
        load_generator(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.pop("mapping.fc1.bias"), "mapping.fc1.bias is missing"),
        (lambda t: t.pop("mapping.w_avg"), "mapping.w_avg is missing"),
        (lambda t: t.update({"synthesis.b4.const": torch.zeros(4, 4, 8)}), "synthesis.b4.const has shape"),
        (lambda t: t.update({"synthesis.b8.conv2.bias": torch.zeros(6)}), "synthesis.b8.conv2.bias has no place"),
        (lambda t: t.update({"mapping.fc0.bias": torch.zeros(12, dtype=torch.int32)}), "mapping.fc0.bias holds I32"),
    ],
)
def test_tensors_that_do_not_fit_are_named(saved, change, named):
    path, _, header = saved
    tensors = safetensors.torch.load_file(path)
    change(tensors)
    path.write_bytes(safetensors.torch.save(tensors, {METADATA_KEY: header.to_json()}))
    with pytest.raises(CorruptCheckpoint) as refusal:
        load_generator(path)
    assert named in refusal.value.message


def first_tensor(table: dict[str, Any]) -> dict[str, Any]:
    return next(entry for name, entry in sorted(table.items()) if name.startswith("mapping"))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: first_tensor(t).update(data_offsets=[0, 1 << 60]),
        lambda t: first_tensor(t).update(data_offsets=[-4, 44]),
        lambda t: first_tensor(t).update(data_offsets=[1.0, 2.0]),
        lambda t: first_tensor(t).update(data_offsets=first_tensor(t)["data_offsets"][::-1]),
        lambda t: first_tensor(t).update(data_offsets=[n + 4 for n in first_tensor(t)["data_offsets"]]),
        lambda t: first_tensor(t).update(shape=[1 << 40, 1 << 40]),
        lambda t: first_tensor(t).update(shape=[-12]),
        lambda t: first_tensor(t).update(shape=[True] * 9),
        lambda t: first_tensor(t).update(dtype="F128"),
        lambda t: first_tensor(t).pop("dtype"),
        lambda t: t.update(extra={"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}),
        lambda t: t.update(extra=[]),
        lambda t: t.update(__metadata__=[]),
        lambda t: t["__metadata__"].update({METADATA_KEY: 3}),
        lambda t: t["__metadata__"].update({METADATA_KEY: "{"}),
        lambda t: t["__metadata__"].update({METADATA_KEY: "[" * 100_000}),
        lambda t: t["__metadata__"].update({METADATA_KEY: "[]"}),
    ],
)
def test_offsets_and_entries_that_lie_are_corrupt(saved, change):
    path, *_ = saved
    rewrite(path, change)
    for door in (read_header, load_generator):
        with pytest.raises(CorruptCheckpoint):
            door(path)


@pytest.mark.parametrize("length", [0, 1, 7, 1 << 20, 1 << 40, (1 << 64) - 1])
def test_header_lengths_that_lie_are_corrupt(saved, length):
    path, *_ = saved
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    with pytest.raises(CorruptCheckpoint):
        read_header(path)
    with pytest.raises((CorruptCheckpoint, UnsupportedCheckpoint)):
        load_generator(path)


def test_repeated_keys_and_numbers_outside_json_are_corrupt(tmp_path):
    for text in (b'{"a":1,"a":2}', b'{"a":NaN}', b"[1]", b"\xff\xfe{}", b'{"a"', b"{" * 50_000):
        path = tmp_path / "model"
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        with pytest.raises(CorruptCheckpoint):
            read_header(path)


def test_a_file_cut_anywhere_is_corrupt(saved):
    path, *_ = saved
    data = path.read_bytes()
    for sixteenth in range(16):
        path.write_bytes(data[: len(data) * sixteenth // 16])
        with pytest.raises((CorruptCheckpoint, UnsupportedCheckpoint)):
            load_generator(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CorruptCheckpoint):
        load_generator(path)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_end_in_a_typed_refusal_or_a_model(saved, changes):
    path, *_ = saved
    data = bytearray(path.read_bytes())
    for position, value in changes:
        data[position] = value
    mutant = path.with_name("mutant")
    mutant.write_bytes(data)
    try:
        assert load_generator(mutant).num_ws > 0
    except (CorruptCheckpoint, UnsupportedCheckpoint) as refusal:
        assert refusal.reason in ("FILE_CORRUPT", "FORMAT_UNSUPPORTED")  # noqa: PT017


def test_a_file_from_before_a_field_of_its_config_existed_can_be_saved_again(tmp_path):
    generator = small_generator()
    config = {name: value for name, value in generator.config.to_json().items() if name != "lod"}
    header = ModelHeader(name="old", family="stylegan2", config=config)
    save_generator(tmp_path / "old", generator, header)
    again, described = load_generator_native(tmp_path / "old")
    save_generator(tmp_path / "new", again, described)
    assert load_generator_native(tmp_path / "new")[1] == header
