"""`models add` and `models catalogue` as people type them, against a web server on this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkpoint_files import reference_file
from cli_process import COMMAND, PATIENCE_S, Run, runner
from file_server import FileServer, file_server
from running_daemon import RunningDaemon, eventually

FILE = reference_file("sg2ada_16_clamp").read_bytes()
ENTRY, NAME = "brecahad.pkl", "brecahad-512"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        running.serve(f"/{ENTRY}", FILE)
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], daemon: RunningDaemon) -> Iterator[Callable[..., Run]]:
    """Runs commands; the shared daemon has only its shipped models afterwards."""
    run = runner(capsys, daemon.address)
    yield run
    for model in run("models", "list", "--json").document["models"]:
        if not model["shipped"]:
            run("models", "remove", model["name"])


def test_the_catalogue_lists_names_with_what_they_draw(run: Callable[..., Run]) -> None:
    entries = {entry["name"]: entry for entry in run("models", "catalogue", "--json").document["entries"]}
    assert entries["ffhq-1024"]["resolution"] == 1024
    assert entries["vgg16"]["kind"] == "features"
    plain = run("models", "catalogue").out
    for name, entry in entries.items():
        assert re.search(rf"^ +{name} .*{re.escape(entry['licence'])}$", plain, re.MULTILINE)


def test_a_name_of_the_catalogue_is_added_and_then_marked(run: Callable[..., Run], server: FileServer) -> None:
    document = run("models", "add", NAME, "--accept-licence", "--mirror", server.root, "--json").document
    assert (document["model"]["name"], document["model"]["family"]) == (NAME, "stylegan2")
    assert "non-commercial" in document["model"]["licence"]
    entries = run("models", "catalogue", "--json").document["entries"]
    assert [entry["name"] for entry in entries if entry["installed"]] == [NAME]
    assert re.search(rf"^\* +{NAME} ", run("models", "catalogue").out, re.MULTILINE)
    again = run("models", "add", NAME, "--accept-licence", "--mirror", server.root, "--json")
    assert (again.code, again.error["reason"]) == (3, "MODEL_EXISTS")


def test_a_file_is_called_as_if_it_lay_in_the_models_folder(run: Callable[..., Run], tmp_path: Path) -> None:
    file = tmp_path / "my model (1).pkl"
    file.write_bytes(FILE)
    assert run("models", "add", str(file), "--json").document["model"]["name"] == "my-model-1"


def test_a_folder_is_no_file(run: Callable[..., Run], tmp_path: Path) -> None:
    error = run("models", "add", str(tmp_path), "--json").error
    assert (error["reason"], error["message"]) == ("FILE_NOT_FOUND", f"{tmp_path} is not a file.")


def test_people_see_how_far_it_is_and_what_became_of_it(run: Callable[..., Run], server: FileServer) -> None:
    added = run("models", "add", f"{server.root}/{ENTRY}", "--name", "tissue")
    assert added.code == 0
    assert added.out == "Added tissue: stylegan2, 16 px, licence unknown\n"
    for words in ("Connecting", "Downloading", "Checking", "Converting", "sha256"):
        assert words in added.err


def test_a_licence_is_not_accepted_by_silence(
    run: Callable[..., Run], server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENTLAYERS_MIRROR", server.root)
    refused = run("models", "add", NAME, "--json")
    assert (refused.code, refused.error["reason"]) == (3, "LICENCE_NOT_ACCEPTED")
    assert "--accept-licence" in refused.error["remedy"]
    assert not server.requests
    assert run("models", "add", NAME, "--accept-licence").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("answer", "code"), [("n", 5), ("y", 0)])
def test_on_a_terminal_the_licence_is_shown_and_asked_for(
    run: Callable[..., Run], daemon: RunningDaemon, server: FileServer, answer: str, code: int
) -> None:
    keyboard, terminal = os.openpty()
    arguments = ["models", "add", NAME, "--mirror", server.root, "--address", daemon.address]
    with subprocess.Popen([*COMMAND, *arguments], stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as it:
        os.write(keyboard, f"{answer}\n".encode())
        _, errors = it.communicate(timeout=PATIENCE_S)
    os.close(keyboard)
    os.close(terminal)
    assert it.returncode == code
    for words in (b"BreCaHAD", b"non-commercial", b"license.html", b"Do you agree"):
        assert words in errors
    assert bool(server.requests) == (answer == "y")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["ffhq-1025"], "CATALOGUE_UNKNOWN"),
        (["ftp://host/model.pkl"], "SOURCE_INVALID"),
        (["folder/model"], "FILE_NOT_FOUND"),
        (["http://127.0.0.1:1/model.pkl", "--sha256", "short"], "SHA256_INVALID"),
        ([NAME, "--accept-licence", "--mirror", "file:///tmp"], "SOURCE_INVALID"),
    ],
)
def test_what_cannot_be_added_is_refused(run: Callable[..., Run], arguments: list[str], reason: str) -> None:
    refused = run("models", "add", *arguments, "--json")
    assert (refused.code, refused.error["reason"]) == (3, reason)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process")
def test_after_ctrl_c_the_same_command_goes_on(
    run: Callable[..., Run], daemon: RunningDaemon, server: FileServer
) -> None:
    served = server.serve("/half.pkl", FILE, hold_after=len(FILE) // 2)
    arguments = ["models", "add", f"{server.root}/half.pkl"]

    def there() -> list[Path]:
        return [file for file in daemon.paths.downloads.glob("*.part") if file.stat().st_size]

    command = [*COMMAND, *arguments, "--address", daemon.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        (partial,) = eventually(there)
        it.send_signal(signal.SIGINT)
        _, errors = it.communicate(timeout=PATIENCE_S)
    assert it.returncode == 5
    assert "goes on from there" in errors
    served.hold_after = None
    have = partial.stat().st_size
    eventually(lambda: run(*arguments).code == 0)  # the daemon may have yet to hear of the end
    assert server.ranges() == ["", f"bytes={have}-"]
