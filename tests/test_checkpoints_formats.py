"""Foreign checkpoints: recognised by what is in them, read exactly, and refused by name where we cannot."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_files import (
    REFERENCES,
    Persistent,
    equal_weights,
    nvidia_modules,
    nvidia_tree,
    reference_family,
    reference_file,
    reference_outputs,
    rosinality_state,
    small_generator,
    tf_network,
    tf_pickle,
    write_nvidia,
)
from latentlayers.checkpoints import load_checkpoint, load_generator, load_generator_native, save_generator
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint

FORMATS = {"sg1tf": "nvidia-tf", "sg2tf": "nvidia-tf", "ros": "rosinality"} | dict.fromkeys(
    ("sg2ada", "sg3t", "sg3r", "sg3repo"), "nvidia-torch"
)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_format_is_told_by_content_not_by_name(name, tmp_path):
    odd = tmp_path / "holiday.jpeg"
    shutil.copyfile(reference_file(name), odd)
    _, header = load_checkpoint(odd)
    assert header.source_format == FORMATS[name.partition("_")[0]]
    assert header.source_sha256 == hashlib.sha256(odd.read_bytes()).hexdigest()
    assert (header.name, header.family, header.licence) == ("holiday", reference_family(name), "unknown")


@pytest.mark.parametrize("name", REFERENCES)
def test_a_foreign_checkpoint_survives_conversion_to_our_format(name, tmp_path):
    generator, header = load_checkpoint(reference_file(name))
    save_generator(tmp_path / "ours", generator, header)
    again, described = load_generator_native(tmp_path / "ours")
    assert described == header
    assert equal_weights(generator, again)


@pytest.mark.parametrize("name", REFERENCES)
def test_loading_makes_no_use_of_global_random_numbers(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = load_generator(reference_file(name)), load_generator(reference_file(name))
    assert torch.equal(torch.get_rng_state(), before)
    assert equal_weights(first, second)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"c_dim": 3},
    {"c_dim": 2, "embed_features": 5, "layer_features": 7, "mapping_layers": 4},
    {"architecture": "resnet", "conv_clamp": 2.0},
    {"architecture": "orig"},
    {"resample_filter": (1.0, 2.0, 1.0)},
    {"resample_filter": tuple(float(n) for n in (1, 2, 3, 4, 4, 3, 2, 1))},
    {"use_noise": False},
    {"mapping_layers": 1, "lr_multiplier": 0.1},
    {"resolution": 8, "channels": {4: 8, 8: 6}},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("protocol", [2, 4])
def test_every_layout_of_nvidias_pytorch_pickles_is_read(variant, protocol, tmp_path):
    generator = small_generator(**variant)
    again = load_generator(write_nvidia(tmp_path / "g.pkl", nvidia_tree(generator), protocol=protocol))
    z = torch.randn(2, generator.z_dim)
    c = torch.eye(generator.c_dim)[:2] if generator.c_dim else None
    assert torch.equal(generator.map(z, c, 0.5), again.map(z, c, 0.5))
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    torch.testing.assert_close(generator.synthesize(ws), again.synthesize(ws), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_bare_module_that_torch_saved_is_read(zipped, tmp_path):
    """As pivotal tuning (PTI) writes its tuned generators."""
    generator = small_generator()
    with nvidia_modules():
        torch.save(nvidia_tree(generator), tmp_path / "tuned.pt", _use_new_zipfile_serialization=zipped)
    assert equal_weights(generator, load_generator(tmp_path / "tuned.pt"))


@pytest.mark.parametrize("conditional", [False, True])
def test_a_missing_mean_is_estimated(conditional, tmp_path):
    generator = small_generator(c_dim=3 if conditional else 0)
    tree = nvidia_tree(generator, drop=("mapping.w_avg",))
    again = load_generator(write_nvidia(tmp_path / "g.pkl", tree))
    c = torch.eye(3)[torch.arange(60_000) % 3] if conditional else None
    w = again.map(torch.randn(60_000, again.z_dim), c)[:, 0]
    assert bool(((again.w_avg - w.mean(dim=0)).abs() < 6 * w.std(dim=0) / 64).all())


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_rosinalitys_layouts_are_read(zipped, training, tmp_path):
    generator = small_generator(lr_multiplier=0.01)
    value: dict[str, Any] = {"g_ema": rosinality_state(generator), "latent_avg": generator.w_avg.clone()}
    if training:
        del value["latent_avg"]
        value |= {"g": {}, "d": {}, "g_optim": {"state": {0: {"step": 1}}}, "args": argparse.Namespace(size=16)}
    torch.save(value, tmp_path / "g.pt", _use_new_zipfile_serialization=zipped)
    again, header = load_checkpoint(tmp_path / "g.pt")
    assert header.source_format == "rosinality"
    if training:
        again.w_avg.copy_(generator.w_avg)
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    torch.testing.assert_close(generator.synthesize(ws), again.synthesize(ws), rtol=1e-5, atol=1e-5)
    z = torch.randn(2, generator.z_dim)
    torch.testing.assert_close(generator.map(z, None, 0.3), again.map(z, None, 0.3))


def test_the_kept_numbers_decide_not_the_devices_they_were_on(tmp_path):
    """Storages tagged cuda:0 are read on a machine without a GPU."""
    generator = small_generator(lr_multiplier=0.01)
    torch.save({"g_ema": rosinality_state(generator)}, tmp_path / "g.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "g.pt").read_bytes()
    cpu, cuda = b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
    assert cpu in data
    (tmp_path / "g.pt").write_bytes(data.replace(cpu, cuda))
    assert load_generator(tmp_path / "g.pt").resolution == 16


def test_half_precision_and_strided_tensors_are_read(tmp_path):
    generator = small_generator()
    tree = nvidia_tree(generator)
    mapping = tree.state["_modules"]["mapping"].state["_modules"]["fc0"].state["_parameters"]
    mapping["weight"] = generator.mapping.fc0.weight.detach().t().contiguous().t()
    half = tree.state["_modules"]["mapping"].state["_modules"]["fc1"].state["_parameters"]
    half["bias"] = generator.mapping.fc1.bias.detach().half()
    again = load_generator(write_nvidia(tmp_path / "g.pkl", tree))
    assert torch.equal(again.mapping.fc0.weight, generator.mapping.fc0.weight)
    assert again.mapping.fc1.bias.dtype == torch.float32


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ["sg1tf_16_fused", "sg2tf_16"])
def test_tensorflow_pickles_of_every_python_are_read(name, protocol, tmp_path):
    """Python 3.8 writes them with protocol 5, in which arrays are made by another function from byte arrays."""
    network = tf_network(reference_file(name))
    variables = network.components["synthesis"].variables
    variables[:] = [(key, np.asfortranarray(value) if key == "4x4/Conv/weight" else value) for key, value in variables]
    again = load_generator(tf_pickle(tmp_path / "g.pkl", network, protocol=protocol))
    assert equal_weights(again, load_generator(reference_file(name)))


def test_tensorflow_defaults_are_overridden_by_the_files_keyword_arguments(tmp_path):
    parts = tf_network(reference_file("sg2tf_16"))
    plain = load_generator(reference_file("sg2tf_16"))
    changed = {"resample_kernel": [1, 2, 1], "mapping_lrmul": 0.02, "conv_clamp": 3, "nonlinearity": "lrelu"}
    parts.static_kwargs |= changed
    cfg = load_generator(tf_pickle(tmp_path / "g.pkl", parts)).config
    assert (cfg.lr_multiplier, cfg.conv_clamp) == (0.02, 3)
    assert tuple(cfg.resample_filter) == (1, 2, 1)
    assert (plain.config.lr_multiplier, plain.config.conv_clamp) == (0.01, None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda net: net.static_kwargs.update(normalize_latents=False), "normalize_latents"),
        (lambda net: net.static_kwargs.update(nonlinearity="relu"), "nonlinearity"),
        (lambda net: net.components.clear(), "no mapping"),
    ],
)
def test_tensorflow_networks_that_we_do_not_draw_are_refused_by_name(change, named, tmp_path):
    network = tf_network(reference_file("sg2tf_16"))
    change(network)
    with pytest.raises(UnsupportedCheckpoint, match=named):
        load_generator(tf_pickle(tmp_path / "g.pkl", network))


@pytest.mark.parametrize("value", [{}, [], (1, 2, 3), {"state_dict": {}}, {"G": 1}, "text", None, 3.5], ids=repr)
def test_pickles_without_a_generator_are_refused(value, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, protocol=4))
    torch.save(value, tmp_path / "x.pt")
    for path in tmp_path.iterdir():
        with pytest.raises(UnsupportedCheckpoint, match="no generator"):
            load_generator(path)


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0 a JPEG", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"hello, world"])
def test_files_of_other_kinds_are_refused(data, tmp_path):
    (tmp_path / "x.pkl").write_bytes(data * 10)
    with pytest.raises(UnsupportedCheckpoint, match="first bytes"):
        load_generator(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS"),
    ],
)
def test_what_downloads_leave_instead_of_a_checkpoint_is_named(data, what, tmp_path):
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(UnsupportedCheckpoint, match=what):
        load_generator(tmp_path / "x.pkl")


def test_zip_archives_that_torch_did_not_write_are_refused(tmp_path):
    shutil.make_archive(str(tmp_path / "x"), "zip", Path(__file__).parent / "data" / "checkpoints")
    with pytest.raises(UnsupportedCheckpoint, match="zip"):
        load_generator(tmp_path / "x.zip")


def test_an_empty_file_is_corrupt(tmp_path):
    (tmp_path / "x.pkl").touch()
    with pytest.raises(CorruptCheckpoint, match="empty"):
        load_generator(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (lambda root: root.state.update(img_resolution=32), CorruptCheckpoint, "b32"),
        (lambda root: root.state.update(img_resolution="16"), CorruptCheckpoint, "img_resolution"),
        (lambda root: root.state.update(z_dim=11), CorruptCheckpoint, "mapping.fc0.weight"),
        (lambda root: root.state.update(w_dim=10**12), CorruptCheckpoint, "w_dim"),
        (lambda root: root.state.update(img_channels=1), UnsupportedCheckpoint, "1 channels"),
        (lambda root: module(root, "mapping").pop("num_layers"), CorruptCheckpoint, "num_layers"),
        (lambda root: module(root, "mapping")["_modules"].pop("fc0"), CorruptCheckpoint, "fc0"),
        (lambda root: module(root, "mapping.fc0").update(activation="relu"), UnsupportedCheckpoint, "activation"),
        (lambda root: module(root, "synthesis.b16.conv1").update(conv_clamp=-1), CorruptCheckpoint, "conv_clamp"),
        (lambda root: module(root, "synthesis.b16").update(architecture="vgg"), CorruptCheckpoint, "architecture"),
        (lambda root: poison(module(root, "synthesis.b8.conv0")), CorruptCheckpoint, "b8.conv0.weight"),
        (lambda root: add(module(root, "synthesis.b8.conv0")), UnsupportedCheckpoint, "b8.conv0.surprise"),
        (lambda root: narrow(module(root, "synthesis.b4")), UnsupportedCheckpoint, "4 rows of 2 pixels"),
        (lambda root: one_tap(module(root, "synthesis.b8.conv0")), UnsupportedCheckpoint, "a filter of [1, 1]"),
        (lambda root: skew(module(root, "synthesis.b8.conv0")), UnsupportedCheckpoint, "resample_filter"),
    ],
)
def test_networks_that_contradict_themselves_are_refused_by_name(change, error, named, tmp_path):
    tree = nvidia_tree(small_generator())
    change(tree)
    with pytest.raises(error) as refusal:
        load_generator(write_nvidia(tmp_path / "g.pkl", tree))
    assert named in refusal.value.message


def narrow(block: dict[str, Any]) -> None:
    """As those who draw whole people have it."""
    block["_parameters"]["const"] = torch.zeros(8, 4, 2)


def one_tap(layer: dict[str, Any]) -> None:
    layer["_buffers"]["resample_filter"] = torch.ones(1, 1)


def module(root: Persistent, path: str) -> dict[str, Any]:
    for name in path.split("."):
        root = root.state["_modules"][name]
    return root.state


def poison(conv: dict[str, Any]) -> None:
    weight = conv["_parameters"]["weight"].detach().clone()
    weight[0, 0, 0, 0] = float("nan")
    conv["_parameters"]["weight"] = weight


def add(conv: dict[str, Any]) -> None:
    conv["_parameters"]["surprise"] = torch.zeros(3)


def skew(conv: dict[str, Any]) -> None:
    conv["_buffers"]["resample_filter"] = torch.eye(4) / 4


def test_a_network_of_another_size_than_its_weights_is_refused_before_it_is_built(tmp_path):
    state = rosinality_state(small_generator())
    huge = torch.zeros(1).expand(1, 60_000, 60_000, 3, 3)
    state["convs.0.conv.weight"] = huge
    torch.save({"g_ema": OrderedDict(state)}, tmp_path / "g.pt")
    with pytest.raises(CorruptCheckpoint, match="does not fit its storage"):
        load_generator(tmp_path / "g.pt")


def test_references_state_what_they_were_made_with():
    for name in REFERENCES:
        _, meta = reference_outputs(name)
        assert meta["checkpoint"] == reference_file(name).name
        assert meta["checkpoint_sha256"] == hashlib.sha256(reference_file(name).read_bytes()).hexdigest()
