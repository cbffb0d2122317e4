"""Files that mean harm: nothing in them runs, and each ends soon in a typed refusal that names what was found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_files import nvidia_tree, reference_file, rosinality_state, small_generator, write_nvidia
from hostile_containers import false_arrays, false_containers
from hostile_files import Refusal
from hostile_pickles import attempts_to_run, bombs
from latentlayers.checkpoints import load_generator
from latentlayers.checkpoints.vgg16 import load_vgg16
from latentlayers.errors import CorruptCheckpoint, InvalidInput, NotFound, UnsupportedCheckpoint

SMALL = ["sg2tf_16", "ros_16_conv", "sg2ada_16_resnet"]
READER = Path(__file__).with_name("confined_reader.py")
MARK = "hostile-mark"
CORPUS = attempts_to_run(MARK) | bombs() | false_arrays() | false_containers()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What became of every file of the corpus in a process that is watched, and short of memory and time."""
    folder = tmp_path_factory.mktemp("hostile")
    for number, (data, _) in enumerate(CORPUS.values()):
        (folder / f"{number:04}").write_bytes(data)
    warm_up = [str(reference_file(name)) for name in SMALL]
    work = tmp_path_factory.mktemp("work")
    run = subprocess.run([sys.executable, READER, folder, *warm_up], cwd=work, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not list(work.iterdir())
    return dict(zip(CORPUS, (outcome for _, outcome in sorted(json.loads(run.stdout).items())), strict=True))


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_file_is_refused_by_name_and_runs_nothing(name, outcomes):
    kind, reason, message, acts = outcomes[name]
    assert (kind, reason) in {("CorruptCheckpoint", "FILE_CORRUPT"), ("UnsupportedCheckpoint", "FORMAT_UNSUPPORTED")}
    assert re.search(CORPUS[name][1], message)
    assert message.isprintable()
    assert "memory" not in message  # the limit was not what stopped it
    assert acts == []


WATCHED_ACTS = """
import os, sys, confined_reader
sys.addaudithook(confined_reader.watch)
os.system("exit 0")
open("mark", "w").close()
eval("1")
import this, json
print(json.dumps(confined_reader.acts))
"""


def test_the_watch_would_notice_an_act(tmp_path):
    """Otherwise the test above would prove nothing."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(READER.parent), *sys.path])}
    run = subprocess.run(
        [sys.executable, "-c", WATCHED_ACTS], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    acts = {act.split()[0] for act in json.loads(run.stdout.splitlines()[-1])}
    assert {"os.system", "open", "compile", "exec", "import"} <= acts


def test_a_forbidden_global_is_not_called_by_the_reader_of_vgg16_either(tmp_path):
    data, found = attempts_to_run(str(tmp_path / MARK))["in a torch zip"]
    (tmp_path / "bad.pt").write_bytes(data)
    with pytest.raises(UnsupportedCheckpoint, match=found):
        load_vgg16(tmp_path / "bad.pt")
    assert not (tmp_path / MARK).exists()


def test_source_code_inside_a_module_is_not_executed(tmp_path):
    """The modules made for these tests carry `raise SystemExit` where NVIDIA's carry their source."""
    assert b"raise SystemExit" in write_nvidia(tmp_path / "g.pkl", nvidia_tree(small_generator())).read_bytes()
    assert load_generator(tmp_path / "g.pkl").resolution == 16


@pytest.mark.parametrize("name", SMALL)
def test_no_module_is_imported_on_behalf_of_a_file(name):
    load_generator(reference_file(name))
    before = set(sys.modules)
    load_generator(reference_file(name))
    assert set(sys.modules) == before
    assert not {module.partition(".")[0] for module in before} & {"dnnlib", "torch_utils", "training"}


# --- what is not a file of bytes ----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="named pipes and links")
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.mkdir(), UnsupportedCheckpoint),
        (os.mkfifo, UnsupportedCheckpoint),
        (lambda path: path.symlink_to("/dev/zero"), UnsupportedCheckpoint),
        (lambda path: path.symlink_to(path), InvalidInput),
        (lambda path: path.symlink_to("nowhere"), NotFound),
        (lambda path: path.write_bytes(b""), CorruptCheckpoint),
    ],
)
def test_what_is_not_a_file_is_refused_without_waiting(make: Callable[[Path], Any], error, tmp_path):
    make(tmp_path / "it")
    with pytest.raises(error) as caught:
        load_generator(tmp_path / "it")
    assert caught.value.remedy


def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    (tmp_path / "it").write_bytes(b"x")
    (tmp_path / "it").chmod(0)
    if os.access(tmp_path / "it", os.R_OK):
        pytest.skip("nothing is forbidden to this user")
    with pytest.raises(InvalidInput, match="cannot be opened"):
        load_generator(tmp_path / "it")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000])
def test_a_path_that_cannot_be_is_refused(name, tmp_path):
    with pytest.raises(InvalidInput, match="cannot be opened"):
        load_generator(tmp_path / name)


# --- networks that contradict themselves --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["convs.0.conv.weight", "style.1.bias", "noises.noise_1", "input.input"])
def test_weights_that_are_not_finite_are_corrupt(name, number, tmp_path):
    state = rosinality_state(small_generator())
    state[name].view(-1)[-1] = number
    torch.save({"g_ema": state}, tmp_path / "g.pt")
    with pytest.raises(CorruptCheckpoint, match="finite"):
        load_generator(tmp_path / "g.pt")


@pytest.mark.parametrize("name", [name for name in rosinality_state(small_generator()) if "kernel" not in name])
def test_a_shape_that_goes_with_no_other_is_refused(name, tmp_path):
    state = rosinality_state(small_generator())
    state[name] = torch.zeros([n + 1 for n in state[name].shape])
    torch.save({"g_ema": state}, tmp_path / "g.pt")
    with pytest.raises(Refusal):
        load_generator(tmp_path / "g.pt")


@pytest.mark.parametrize("field", ["z_dim", "c_dim", "w_dim", "img_resolution", "img_channels"])
@pytest.mark.parametrize("number", [-1, 0, 7, 1 << 16, 1 << 40, 1 << 600, 0.5, float("nan"), None, "16", True])
def test_sizes_that_go_with_no_weights_are_refused(field, number, tmp_path):
    path = write_nvidia(tmp_path / "g.pkl", nvidia_tree(small_generator(), extra={field: number}))
    if (field, number) == ("c_dim", 0):
        assert load_generator(path).c_dim == 0
    else:
        with pytest.raises(Refusal):
            load_generator(path)
