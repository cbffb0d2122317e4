"""Bad usage, help, exit codes and the shape of every error, without a daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import Run, run_process, runner
from PIL import Image

NOBODY = "127.0.0.1:1"
COMMANDS = [
    ["serve"],
    ["status"],
    ["stop"],
    ["embed"],
    ["morph"],
    ["crossover"],
    ["expression"],
    ["direction"],
    ["render"],
    ["models", "list"],
    ["models", "show"],
    ["models", "add"],
    ["models", "remove"],
    ["models", "export"],
    ["embeddings", "list"],
    ["embeddings", "show"],
    ["embeddings", "export"],
    ["embeddings", "import"],
    ["embeddings", "delete"],
    ["doctor"],
    ["bench"],
]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Commands of a user who has no daemon, in an empty folder."""
    monkeypatch.setenv("LATENTLAYERS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LATENTLAYERS_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    return runner(capsys)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "anna.png"
    Image.new("RGB", (32, 32), "gray").save(path)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_takes_json_and_an_address(run, command: list[str]) -> None:
    help_text = run(*command, "--help")
    assert help_text.code == 0
    assert "--json" in help_text.out
    assert "--address" in help_text.out


def test_without_a_command_the_help_is_shown(run) -> None:
    nothing = run()
    assert nothing.code == 0
    for command in COMMANDS:
        assert command[0] in nothing.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["embed"],
        ["morph", "a.png", "b.png"],
        ["morph", "a.png", "-o", "x"],
        ["embed", "a.png", "--preset", "slow"],
        ["embed", "a.png", "--space", "w--"],
        ["embed", "a.png", "--frame", "1,2,3"],
        ["embed", "a.png", "--frame", "face"],
        ["embed", "a.png", "--frame", "auto", "--frame", "whole"],
        ["embed", "a.png", "--mask", "m.png", "--mask", "n.png"],
        ["embed", "a.png", "b.png", "-o", "out.png"],
        ["embed", "a.png", "--seed", "x"],
        ["embed", "a.png", "--steps", "-1"],
        ["morph", "a.png", "b.png", "-o", "x", "--frames", "0"],
        ["morph", "a.png", "b.png", "-o", "x", "--frames", "3", "--weights", "0,1"],
        ["morph", "a.png", "b.png", "-o", "x", "--weights", "0,half"],
        ["expression", "a", "b", "c", "-o", "x.png", "--strength", ""],
        ["direction", "a.png", "-o", "x.png"],
        ["render", "a.png", "-o", "x.png", "--paste", "over"],
        ["models"],
        ["models", "show"],
        ["embeddings", "delete"],
        ["status", "--address", "bogus"],
        ["status", "--what"],
    ],
    ids=" ".join,
)
def test_bad_usage_ends_with_2_and_says_what_is_wrong(run, arguments: list[str]) -> None:
    plain = run(*arguments)
    assert plain.code == 2
    assert not plain.out
    assert plain.err.startswith("Error: ")
    assert "Traceback" not in plain.err
    as_json = run(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.error["reason"] in ("USAGE", "ADDRESS_INVALID")


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["embed", "anna.png"],
        ["models", "list"],
        ["embeddings", "list"],
        ["morph", "anna.png", "3f2a9c81d0e4", "-o", "out"],
    ],
    ids=" ".join,
)
def test_no_daemon_at_the_address_ends_with_4(run, picture: Path, arguments: list[str]) -> None:
    failed = run(*arguments, "--address", NOBODY, "--json")
    assert failed.code == 4
    assert failed.error["reason"] == "DAEMON_UNREACHABLE"
    plain = run(*arguments, "--address", NOBODY)
    assert (plain.code, plain.out) == (4, "")
    assert len(plain.err.splitlines()) == 2


def test_status_and_stop_do_not_start_a_daemon(run, tmp_path: Path) -> None:
    assert run("status", "--json").error["reason"] == "DAEMON_NOT_RUNNING"
    assert run("status").code == 4
    assert run("stop", "--json").document == {"stopped": False}
    assert run("stop").out == "No daemon is running.\n"
    assert not (tmp_path / "home").exists()


def refused(result: Run, reason: str) -> None:
    assert result.code == 3
    assert result.error["reason"] == reason


def test_what_is_neither_file_nor_id_is_refused_before_anything_starts(run, picture: Path, tmp_path: Path) -> None:
    for source in ("nobody.jpg", "nobody", "some/folder/x"):
        refused(run("morph", picture, source, "-o", "out", "--json"), "SOURCE_UNKNOWN")
        refused(run("render", source, "-o", "out.png", "--json"), "SOURCE_UNKNOWN")
    assert not (tmp_path / "home").exists()


def test_an_input_is_never_overwritten(run, picture: Path, tmp_path: Path) -> None:
    before = picture.read_bytes()
    alias = tmp_path / "alias.png"
    alias.symlink_to(picture)
    refused(run("embed", picture, "-o", picture, "--json"), "OUTPUT_IS_INPUT")
    refused(run("embed", picture, "-o", tmp_path, "--json"), "OUTPUT_IS_INPUT")
    refused(run("render", picture, "-o", alias, "--json"), "OUTPUT_IS_INPUT")
    refused(run("crossover", picture, picture, "--mask", picture, "-o", "anna.png", "--json"), "OUTPUT_IS_INPUT")
    morphed = tmp_path / "morph-03.png"
    morphed.write_bytes(before)
    refused(run("morph", picture, morphed, "-o", tmp_path, "--json"), "OUTPUT_IS_INPUT")
    assert picture.read_bytes() == morphed.read_bytes() == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_found_out_at_once(run, picture: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    refused(run("render", picture, "-o", locked / "x.png", "--json"), "OUTPUT_NOT_WRITABLE")


def test_an_output_that_cannot_be_is_found_out_at_once(run, picture: Path, tmp_path: Path) -> None:
    refused(run("render", picture, "-o", picture / "x.png", "--json"), "OUTPUT_NOT_WRITABLE")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    refused(run("render", picture, "-o", folder, "--json"), "OUTPUT_NOT_WRITABLE")
    refused(run("render", picture, "-o", tmp_path / "x.xcf", "--json"), "FORMAT_UNSUPPORTED")
    refused(run("embeddings", "export", "3f2a9c81d0e4", "-o", "x.zip", "--json"), "FORMAT_UNSUPPORTED")
    assert not (tmp_path / "home").exists()


def test_help_is_quick_and_loads_neither_torch_nor_numpy_nor_grpc() -> None:
    program = (
        "import sys; from latentlayers.cli import main; main(['--help']);"
        "print(*{'torch', 'numpy', 'grpc', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_module_is_the_command(tmp_path: Path) -> None:
    home = {"LATENTLAYERS_HOME": tmp_path, "LATENTLAYERS_ADDRESS": ""}
    assert run_process("--help", **home).code == 0
    assert run_process("status", **home).code == 4
    failed = run_process("status", "--address", NOBODY, "--json", **home)
    assert failed.code == 4
    assert failed.error["reason"] == "DAEMON_UNREACHABLE"
    assert run_process("frobnicate", "--json", **home).error["reason"] == "USAGE"
