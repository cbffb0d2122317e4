"""Models, embeddings, the daemon's state and doctor, through the command; none of this needs editing calls."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_process import COMMAND, PATIENCE_S, Run, files, run_process, runner
from latentlayers import __version__
from latentlayers.cli.bundle import Redactor
from latentlayers.library import ModelStore
from latentlayers.paths import Paths
from running_daemon import RunningDaemon
from safetensors.numpy import load_file
from shipped import MODEL, NUM_WS, RESOLUTION, W_DIM, codes


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], daemon: RunningDaemon) -> Callable[..., Run]:
    return runner(capsys, daemon.address)


@pytest.fixture
def latent(tmp_path: Path, daemon: RunningDaemon) -> Path:
    """A file with a latent that suits the shipped model; never the same twice, so that nobody else has it."""
    entry = ModelStore(daemon.paths).get(MODEL)
    ws = np.random.default_rng().standard_normal((entry.num_ws, entry.w_dim)).astype(np.float32)
    path = tmp_path / "anna.npy"
    np.save(path, ws)
    return path


@pytest.fixture
def imported(run: Callable[..., Run], latent: Path) -> str:
    (info,) = run("embeddings", "import", latent, "--json").document["embeddings"]
    return str(info["id"])


def test_status_says_what_the_daemon_does(run: Callable[..., Run], daemon: RunningDaemon) -> None:
    document = run("status", "--json").document
    assert document["front_pid"] == daemon.process.pid
    assert document["version"] == __version__
    assert document["address"] == daemon.address
    assert document["worker_state"] in ("unloaded", "starting", "ready", "busy")
    assert "token_file" in document
    plain = run("status")
    assert plain.code == 0
    assert daemon.address in plain.out


def test_models_are_listed_and_shown(run: Callable[..., Run]) -> None:
    listed = run("models", "list", "--json").document
    assert MODEL in [model["name"] for model in listed["models"]]
    assert listed["default_model"] == MODEL
    shown = run("models", "show", MODEL, "--json").document["model"]
    assert (shown["family"], shown["resolution"], shown["shipped"]) == ("stylegan2", RESOLUTION, True)
    assert shown["licence"]
    assert shown["provenance"]
    plain = run("models", "show", MODEL).out
    for part in (MODEL, f"{RESOLUTION} px", shown["licence"], f"{shown['num_ws']} rows", shown["digest"]):
        assert part in plain
    assert f"*  {MODEL}" in run("models", "list").out


def test_a_model_is_copied_and_the_copy_is_the_model(run: Callable[..., Run], tmp_path: Path) -> None:
    target = tmp_path / "copy.safetensors"
    document = run("models", "export", MODEL, "-o", target, "--json").document
    assert document["path"] == str(target)
    assert document["bytes"] == target.stat().st_size
    source = ModelStore(Paths.under(tmp_path)).get(MODEL).path
    assert target.read_bytes() == source.read_bytes()
    assert files(tmp_path) == ["copy.safetensors"] or files(tmp_path) == ["copy.safetensors", "state"]
    refused = run("models", "export", MODEL, "-o", source, "--json")
    assert refused.error["reason"] == "OUTPUT_IS_INPUT"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["models", "show", "nobody"], "MODEL_UNKNOWN"),
        (["models", "remove", "nobody"], "MODEL_UNKNOWN"),
        (["models", "remove", MODEL], "MODEL_SHIPPED"),
        (["models", "export", "nobody", "-o", "x.safetensors"], "MODEL_UNKNOWN"),
        (["models", "add", "nobody.pkl"], "FILE_NOT_FOUND"),
        (["embeddings", "show", "0123456789ab"], "EMBEDDING_UNKNOWN"),
        (["embeddings", "delete", "0123456789ab"], "EMBEDDING_UNKNOWN"),
        (["embeddings", "export", "0123456789ab", "-o", "x.npy"], "EMBEDDING_UNKNOWN"),
        (["embeddings", "import", "nobody.npy"], "FILE_NOT_FOUND"),
        (["bench", "nobody"], "BENCHMARK_UNKNOWN"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_does_not_exist_is_refused(
    run: Callable[..., Run], arguments: list[str], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = run(*arguments, "--json")
    assert failed.code == 3
    assert failed.error["reason"] == reason
    plain = run(*arguments)
    assert (plain.code, plain.out) == (3, "")
    assert f"[{reason}]" in plain.err
    assert not files(tmp_path)


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors"])
def test_an_embedding_goes_out_and_comes_back_the_same(
    run: Callable[..., Run], imported: str, latent: Path, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"out.{suffix}"
    document = run("embeddings", "export", imported, "-o", target, "--json").document
    assert document == {"id": imported, "path": str(target), "format": suffix, "bytes": target.stat().st_size}
    loaded = {
        "npy": lambda: np.load(target),
        "npz": lambda: np.load(target)["w"][0],
        "safetensors": lambda: load_file(target)["ws"][0],
    }[suffix]()
    assert np.array_equal(loaded, np.load(latent))
    (again,) = run("embeddings", "import", target, "--json").document["embeddings"]
    assert again["model"] == MODEL


def test_exporting_into_a_folder_takes_the_suggested_name(
    run: Callable[..., Run], imported: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    run("embeddings", "export", imported, "-o", folder)
    (name,) = files(folder)
    assert name.endswith(".safetensors")


def test_embeddings_are_listed_shown_and_deleted(run: Callable[..., Run], imported: str) -> None:
    listed = run("embeddings", "list", "--model", MODEL, "--json").document["embeddings"]
    assert imported in [info["id"] for info in listed]
    assert len(run("embeddings", "list", "--limit", 1, "--json").document["embeddings"]) == 1
    shown = run("embeddings", "show", imported[:8], "--json").document["embedding"]
    assert (shown["id"], shown["name"]) == (imported, "anna")
    assert shown["latent_shape"] == [NUM_WS, W_DIM]
    assert imported in run("embeddings", "list").out
    assert "imported" in run("embeddings", "show", imported).out
    both = run("embeddings", "delete", imported, "0123456789ab", "--json")
    assert both.code == 3
    assert both.document["deleted"] == [imported]
    assert both.error["reason"] == "EMBEDDING_UNKNOWN"
    assert run("embeddings", "show", imported, "--json").error["reason"] == "EMBEDDING_UNKNOWN"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (codes(np.nan), "LATENT_NOT_FINITE"),
        (codes(width=W_DIM - 1), "LATENT_SHAPE"),
        (codes(rows=3), "LATENT_SHAPE"),
        (b"not a latent at all", "FORMAT_UNSUPPORTED"),
        (b"", "FORMAT_UNSUPPORTED"),
    ],
    ids=["nan", "narrow", "short", "text", "empty"],
)
def test_latents_that_cannot_be_used_are_refused(
    run: Callable[..., Run], tmp_path: Path, content: np.ndarray | bytes, reason: str
) -> None:
    path = tmp_path / "latent.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    failed = run("embeddings", "import", path, "--json")
    assert failed.code == 3
    assert failed.error["reason"] in (reason, "FILE_CORRUPT")


def test_a_checkpoint_that_is_none_is_refused(run: Callable[..., Run], tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"this is not a model")
    failed = run("models", "add", path, "--json")
    assert failed.code == 3
    assert failed.error["reason"] in ("FORMAT_UNSUPPORTED", "FILE_CORRUPT")


def test_doctor_finds_a_healthy_machine_healthy(run: Callable[..., Run], tmp_path: Path) -> None:
    bundle = tmp_path / "bug.zip"
    found = run("doctor", "--bundle", bundle, "--json")
    assert found.document["healthy"] is True, found.out
    assert found.code == 0
    subjects = [finding["subject"] for finding in found.document["findings"]]
    for subject in ("python", "torch", "gpu", "vgg16", "data", "runtime", "disk", "daemon", "models"):
        assert subject in subjects
    with zipfile.ZipFile(bundle) as archive:
        assert json.loads(archive.read("report.json"))["healthy"] is True


def test_doctor_names_problems_and_ends_with_1(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path / "home")
    paths.ensure()
    paths.runtime.chmod(0o777)
    (paths.models / "broken.safetensors").write_bytes(b"nothing")
    (paths.models / "later.pkl").write_bytes(b"nothing")
    found = run_process("doctor", "--json", LATENTLAYERS_HOME=tmp_path / "home", LATENTLAYERS_ADDRESS="")
    assert found.code == 1
    problems = {
        finding["subject"]: finding for finding in found.document["findings"] if finding["verdict"] == "problem"
    }
    assert problems["runtime"]["remedy"]
    assert "later" in problems["models"]["text"] or "broken" in problems["models"]["text"]


def test_the_bundle_does_not_say_whose_machine_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "people" / "annabel"
    paths = Paths.under(home / "latent")
    paths.ensure()
    paths.token_file.write_text("very-secret-token")
    paths.log_file.write_text(
        f"opened {home}/Pictures/grandmother.jpg by annabel on {platform.node()} with very-secret-token\n"
    )
    (paths.library / "index.sqlite").write_bytes(b"latents and thumbnails")
    for name, value in (
        ("HOME", home),
        ("USERPROFILE", home),
        ("LOGNAME", "annabel"),
        ("USER", "annabel"),
        ("LATENTLAYERS_HOME", home / "latent"),
        ("LATENTLAYERS_TOKEN", "other-secret"),
    ):
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("LATENTLAYERS_ADDRESS", raising=False)
    bundle = tmp_path / "bug.zip"
    runner(capsys)("doctor", "--bundle", bundle)
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        everything = "\n".join(archive.read(name).decode() for name in names)
    assert sorted(names) == ["daemon.log", "report.json"]
    for private in ("annabel", "grandmother", "very-secret", "other-secret", str(home)):
        assert private not in everything
    assert "<user>" in everything
    assert "~" in everything


def test_redaction_leaves_other_words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    redact = Redactor()
    assert redact("ann's annotations by (ann)") == "<user>'s annotations by (<user>)"


def test_benchmarks_are_listed(run: Callable[..., Run]) -> None:
    names = run("bench", "--json").document["benchmarks"]
    assert {"embed", "rpc", "front"} <= set(names)
    assert all(name in run("bench").out for name in names)


def test_serve_says_where_another_daemon_listens(start_daemon: Callable[..., RunningDaemon]) -> None:
    running = start_daemon()
    second = run_process("serve", LATENTLAYERS_HOME=running.home)
    assert second.code == 0
    assert running.address in second.out


def test_serve_announces_itself_as_json_and_ends_well(tmp_path: Path) -> None:
    environment = {**os.environ, "LATENTLAYERS_HOME": str(tmp_path / "home")}
    arguments = [*COMMAND, "serve", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        announced = json.loads(text)
        assert announced["pid"] == process.pid
        assert announced["running_already"] is False
        second = run_process("serve", "--json", LATENTLAYERS_HOME=tmp_path / "home")
        assert (second.code, second.document) == (0, {**announced, "running_already": True})
        process.terminate()
        assert process.wait(PATIENCE_S) == (0 if os.name == "posix" else 1)


def test_a_daemon_is_stopped(start_daemon: Callable[..., RunningDaemon], capsys: pytest.CaptureFixture[str]) -> None:
    running = start_daemon()
    assert runner(capsys, running.address)("stop", "--json").document == {"stopped": True}
    assert running.wait_for_exit() == 0
    assert runner(capsys, running.address)("status").code == 4


@pytest.mark.parametrize("address", ["nonsense", "0.0.0.0:0"])
def test_serve_refuses_an_address_that_is_none_or_unsafe(tmp_path: Path, address: str) -> None:
    failed = run_process("serve", "--address", address, "--json", LATENTLAYERS_HOME=tmp_path / "home")
    assert failed.code in (2, 3)
    assert failed.error["reason"] in ("ADDRESS_INVALID", "ADDRESS_UNSAFE")
