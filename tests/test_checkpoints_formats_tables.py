"""Tables of weights: whose they are is told by the names in them, and where in the file they lie does not matter."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from checkpoint_files import Persistent, equal_weights, nvidia_modules, nvidia_tree, rosinality_state, small_generator
from checkpoint_makers import basicsr_state, genforce_state, openmmlab_state
from latentlayers.checkpoints import load_checkpoint, load_generator
from latentlayers.errors import CorruptCheckpoint, UnsupportedCheckpoint
from latentlayers.generators import StyleGAN2
from torch import Tensor

Maker = Callable[[StyleGAN2], dict[str, Tensor]]
MAKERS: dict[str, Maker] = {
    "rosinality": rosinality_state,
    "basicsr": basicsr_state,
    "openmmlab": openmmlab_state,
    "genforce": genforce_state,
    "nvidia-names": lambda generator: dict(generator.state_dict()),
}


def draws_the_same(a: StyleGAN2, b: StyleGAN2) -> bool:
    ws, z = torch.randn(2, a.num_ws, a.w_dim), torch.randn(2, a.z_dim)
    return torch.allclose(a.synthesize(ws), b.synthesize(ws), atol=1e-5) and torch.equal(a.map(z), b.map(z))


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


@pytest.mark.parametrize("project", MAKERS)
@pytest.mark.parametrize("changes", [{}, {"resolution": 8, "channels": {4: 8, 8: 6}, "mapping_layers": 5}], ids=str)
def test_the_layout_of_every_project_is_read(project, changes, tmp_path):
    generator = small_generator(**changes)
    again, header = load_checkpoint(saved(tmp_path / "g.pth", MAKERS[project](generator)))
    assert header.source_format == project
    assert draws_the_same(generator, again)


@pytest.mark.parametrize("project", MAKERS)
def test_safetensors_of_other_programs_are_read_by_the_names_in_them(project, tmp_path):
    generator = small_generator()
    tensors = {name: tensor.clone().contiguous() for name, tensor in MAKERS[project](generator).items()}
    tensors["latent_avg" if project != "nvidia-names" else "mapping.w_avg"] = generator.w_avg.clone()
    if project == "genforce":
        del tensors["latent_avg"]
    safetensors.torch.save_file(tensors, tmp_path / "g.safetensors")
    again = load_generator(tmp_path / "g.safetensors")
    assert draws_the_same(generator, again)
    assert torch.equal(again.w_avg, generator.w_avg)


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


WRAPPERS: dict[str, tuple[Maker, Callable[[dict[str, Tensor], dict[str, Tensor]], Any], str]] = {
    # the layout; (averaged weights, raw weights) -> what is saved; what is said about it
    "a training snapshot": (rosinality_state, lambda ema, raw: {"g": raw, "d": {}, "g_ema": ema}, ""),
    "without an average": (rosinality_state, lambda ema, raw: {"g": ema, "d": {}}, "no averaged generator"),
    "DataParallel": (rosinality_state, lambda ema, raw: {"g_ema": prefixed("module.", ema)}, ""),
    "nothing around it": (rosinality_state, lambda ema, raw: ema, ""),
    "e4e": (
        rosinality_state,
        lambda ema, raw: {
            "state_dict": prefixed("decoder.", ema) | {"encoder.input_layer.0.weight": torch.zeros(2)},
            "opts": {"device": "cuda:0", "stylegan_size": 16},
        },
        "encoder is left out",
    ),
    "pSp": (
        rosinality_state,
        lambda ema, raw: {
            "state_dict": prefixed("encoder.", {"a": torch.zeros(2)}) | prefixed("decoder.", ema),
            "opts": argparse.Namespace(device="cuda:0"),
        },
        "encoder is left out",
    ),
    "DataParallel around pSp": (
        rosinality_state,
        lambda ema, raw: {"state_dict": prefixed("module.decoder.", ema) | {"module.encoder.a": torch.zeros(2)}},
        "",
    ),
    "Lightning": (
        rosinality_state,
        lambda ema, raw: {"epoch": 3, "state_dict": prefixed("G.", raw) | prefixed("G_ema.", ema)},
        "",
    ),
    "another name": (rosinality_state, lambda ema, raw: {"netG": raw, "netG_ema": ema}, ""),
    "another name, without an average": (rosinality_state, lambda ema, raw: {"netG": ema}, "no averaged generator"),
    "mmgeneration": (
        openmmlab_state,
        lambda ema, raw: {
            "meta": {"env_info": "", "iter": 5},
            "state_dict": prefixed("generator.", raw) | prefixed("generator_ema.", ema),
        },
        "",
    ),
    "mmagic": (
        openmmlab_state,
        lambda ema, raw: {"state_dict": prefixed("generator.", raw) | prefixed("generator_ema.module.", ema)},
        "",
    ),
    "BasicSR": (basicsr_state, lambda ema, raw: {"params": raw, "params_ema": ema}, ""),
    "GenForce": (genforce_state, lambda ema, raw: {"generator": raw, "generator_smooth": ema}, ""),
    "a snapshot of GenForce": (genforce_state, lambda ema, raw: {"models": {"generator_smooth": ema}}, ""),
    "NVIDIA's, bare": (lambda generator: dict(generator.state_dict()), lambda ema, raw: {"G": raw, "G_ema": ema}, ""),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_the_averaged_generator_is_found_in_what_wraps_it(name, tmp_path):
    make, wrap, said = WRAPPERS[name]
    averaged, raw = small_generator(seed=1), small_generator(seed=2)
    again, header = load_checkpoint(saved(tmp_path / "g.pt", wrap(make(averaged), make(raw))))
    assert draws_the_same(averaged, again)
    assert header.provenance.startswith("read from g.pt")
    assert said in header.provenance


@pytest.mark.parametrize("shape", [(12,), (1, 12), (6, 12)])
def test_the_mean_latent_is_read_whether_kept_once_or_for_every_row(shape, tmp_path):
    generator = small_generator()
    mean = generator.w_avg.expand(shape).clone()
    state = {"state_dict": prefixed("decoder.", rosinality_state(generator)), "latent_avg": mean}
    assert torch.equal(load_generator(saved(tmp_path / "g.pt", state)).w_avg, generator.w_avg)


def test_a_mean_latent_that_was_not_kept_is_estimated(tmp_path):
    state = rosinality_state(small_generator())
    with_none = load_generator(saved(tmp_path / "a.pt", {"g_ema": state, "latent_avg": None}))
    assert equal_weights(with_none, load_generator(saved(tmp_path / "b.pt", {"g_ema": state})))


def test_noise_maps_that_the_first_files_lack_are_the_same_draws_each_time(tmp_path):
    generator = small_generator()
    state = {name: array for name, array in rosinality_state(generator).items() if not name.startswith("noises.")}
    again, header = load_checkpoint(saved(tmp_path / "a.pt", {"g_ema": state}))
    assert equal_weights(again, load_generator(saved(tmp_path / "b.pt", {"g_ema": state})))
    assert "noise maps are draws" in header.provenance
    ws = torch.randn(2, generator.num_ws, generator.w_dim)
    assert torch.allclose(again.synthesize(ws, noise="none"), generator.synthesize(ws, noise="none"), atol=1e-5)
    assert abs(float(again.synthesis.b16.conv1.noise_const.std()) - 1) < 0.2


# What trainings keep beside the weights: options, logs, and what numbers of other libraries are made of.
SETTINGS: dict[str, Any] = {
    "a device": torch.device("cuda:0"),
    "a size": torch.Size([1, 2]),
    "a dtype": torch.float16,
    "a path": Path("/x/y"),
    "a default dict": defaultdict(list, {"a": [1]}),
    "numpy's numbers": {"loss": np.float64(2), "array": np.arange(3), "dtype": np.dtype("f4")},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("wrap", [dict, argparse.Namespace])
def test_settings_beside_the_weights_do_no_harm(name, wrap, tmp_path):
    generator = small_generator()
    value = {"g_ema": rosinality_state(generator), "opts": wrap(setting=SETTINGS[name])}
    assert draws_the_same(generator, load_generator(saved(tmp_path / "g.pt", value)))


class HistoryBuffer:
    """OpenMMLab's log of one number, which pickles methods of its class."""

    def __getstate__(self) -> dict[str, Any]:
        return {"history": np.zeros(3), "methods": {"mean": HistoryBuffer.mean}}

    def mean(self) -> None: ...


def test_the_logs_in_openmmlabs_snapshots_do_no_harm(tmp_path, monkeypatch):
    module = ModuleType("mmengine.logging.history_buffer")
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    for name in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(HistoryBuffer, "__module__", module.__name__)
    monkeypatch.setattr(HistoryBuffer.mean, "__module__", module.__name__)
    generator = small_generator()
    value = {
        "message_hub": {"log_scalars": {"loss": HistoryBuffer()}},
        "state_dict": prefixed("generator_ema.module.", openmmlab_state(generator)),
    }
    assert draws_the_same(generator, load_generator(saved(tmp_path / "g.pth", value)))


@pytest.mark.parametrize("key", ["G", "ema", "generator_ema", "model"])
def test_nvidias_module_is_found_under_any_name(key, tmp_path):
    generator = small_generator()
    with nvidia_modules():
        torch.save({key: nvidia_tree(generator), "D": nvidia_tree(small_generator(3)), "epoch": 3}, tmp_path / "g.pt")
    again, header = load_checkpoint(tmp_path / "g.pt")
    assert equal_weights(generator, again)
    assert ("no averaged" in header.provenance) == ("ema" not in key)


def test_the_filter_that_nvidias_unscaled_convolutions_hold_is_of_no_account(tmp_path):
    generator = small_generator(resample_filter=(1.0, 2.0, 1.0))
    state = dict(generator.state_dict())
    state["synthesis.b16.conv1.resample_filter"] = small_generator().synthesis.b8.resample_filter
    assert draws_the_same(generator, load_generator(saved(tmp_path / "g.pt", state)))


STRANGERS: dict[str, tuple[Any, str]] = {
    "InterFaceGAN": (torch.zeros(1, 12), "a direction or a code in latent space, of shape"),
    "GANSpace": ({"comp": torch.zeros(80, 1, 12), "mean": torch.zeros(1, 12), "std": torch.ones(80)}, "GANSpace"),
    "GFPGAN": ({"params_ema": {"stylegan_decoder.style_mlp.1.weight": torch.zeros(2, 2)}}, "face restorer"),
    "lucidrains": ({"GAN": {"S.net.0.weight": torch.zeros(2)}, "version": "1"}, "lucidrains"),
    "an encoder": ({"state_dict": {"encoder.body.0.weight": torch.zeros(2)}}, "encoder without its generator"),
    "a discriminator": ({"d": {"final_linear.0.weight": torch.zeros(2)}}, "discriminator and no generator"),
    "a classifier": ({"fc.weight": torch.zeros(2, 2)}, "a table of fc.weight, and no generator"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_files_that_hold_something_else_are_refused_by_name(name, tmp_path):
    value, said = STRANGERS[name]
    with pytest.raises(UnsupportedCheckpoint, match=said) as refusal:
        load_generator(saved(tmp_path / "x.pt", value))
    assert refusal.value.remedy


def without(name: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.pop(name)


def put(name: str, *shape: int) -> Callable[[dict[str, Tensor]], object]:
    return lambda state: state.update({name: torch.zeros(shape)})


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        (without("style.1.weight"), CorruptCheckpoint, "0 mapping layers"),
        (without("convs.3.conv.weight"), CorruptCheckpoint, "4 convolutions"),
        (without("to_rgbs.1.conv.weight"), CorruptCheckpoint, "2 to RGB"),
        (without("noises.noise_3"), CorruptCheckpoint, "noises.noise_3 is missing"),
        (put("convs.1.conv.weight", 8, 6, 3), CorruptCheckpoint, "b8.conv1.weight has 3 dimensions"),
        (put("convs.1.conv.weight", 2, 6, 6, 3, 3), CorruptCheckpoint, "may be longer than 1"),
        (put("convs.1.noise.weight", 6), CorruptCheckpoint, "may be longer than 1"),
        (put("to_rgb1.bias", 1, 4, 1, 1), CorruptCheckpoint, "b4.torgb.bias"),
        (put("input.input", 1, 8, 4, 2), UnsupportedCheckpoint, "4 rows of 2 pixels"),
        (put("to_rgb1.conv.weight", 1, 1, 8, 1, 1), UnsupportedCheckpoint, "draws 1 channels"),
        (put("embed.weight", 4, 4), UnsupportedCheckpoint, "embed.weight, which StyleGAN2's lacks"),
        (lambda state: state["convs.0.conv.blur.kernel"].copy_(torch.eye(4)), UnsupportedCheckpoint, "separable"),
    ],
)
def test_tables_that_contradict_themselves_are_refused_by_name(change, error, named, tmp_path):
    state = rosinality_state(small_generator())
    change(state)
    with pytest.raises(error) as refusal:
        load_generator(saved(tmp_path / "g.pt", {"g_ema": state}))
    assert named in refusal.value.message


@pytest.mark.parametrize("settings", ["3", "{", '{"synthesis_kwargs": {"conv_clamp": "x"}}'])
def test_settings_that_are_none_are_corrupt(settings, tmp_path):
    tensors = {name: tensor.clone() for name, tensor in small_generator().state_dict().items()}
    safetensors.torch.save_file(tensors, tmp_path / "g.safetensors", {"init_kwargs": settings})
    with pytest.raises(CorruptCheckpoint):
        load_generator(tmp_path / "g.safetensors")


def test_a_module_without_a_generator_in_it_is_refused(tmp_path):
    with nvidia_modules():
        torch.save({"D": Persistent({"_modules": {}, "_parameters": {}, "_buffers": {}})}, tmp_path / "d.pt")
    with pytest.raises(UnsupportedCheckpoint, match="discriminator"):
        load_generator(tmp_path / "d.pt")
