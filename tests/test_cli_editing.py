"""Embedding and editing through the command, on the real daemon with the real model."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_process import COMMAND, PATIENCE_S, Run, files, runner
from PIL import Image
from running_daemon import RunningDaemon, eventually
from shipped import MODEL, RESOLUTION
from test_engine_faults import png_header

QUICK = ("--steps", 2)
ENDLESS = ("--preset", "paper", "--refresh")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], daemon: RunningDaemon) -> Callable[..., Run]:
    return runner(capsys, daemon.address)


def draw_portrait(path: Path, seed: int, mode: str = "RGB") -> Path:
    """An oval on a background, in colours that no other test uses."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:96, 0:80] / 96
    oval = ((x - 0.42) ** 2 / 0.06 + (y - 0.5) ** 2 / 0.12 < 1)[..., None]
    colours = np.where(oval, random.integers(120, 250, 3), random.integers(20, 100, 3))
    noise = random.integers(-8, 8, colours.shape)
    Image.fromarray((colours + noise).clip(0, 255).astype(np.uint8)).convert(mode).save(path)
    return path


@pytest.fixture(scope="session")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The same three pictures for all tests: what one has embedded, the others find in the library."""
    folder = tmp_path_factory.mktemp("portraits")
    anna, bert, carl = (
        draw_portrait(folder / f"{name}.png", seed) for seed, name in enumerate(("anna", "bert", "carl"))
    )
    return anna, bert, carl


def pixels(path: Path | str) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"), int)


def test_embed_says_how_well_it_went_and_writes_the_reconstruction(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out.png"
    first = run("embed", portraits[0], *QUICK, "-o", out, "--json")
    assert first.code == 0
    (info,) = first.document["embeddings"]
    assert re.fullmatch("[0-9a-f]{12}", info["id"])
    assert (info["source"], info["output"], info["name"]) == (str(portraits[0]), str(out), "anna.png")
    assert info["likeness"] in ("good", "fair", "poor")
    assert info["likeness_text"]
    assert info["psnr"] > 0
    assert pixels(out).shape == (RESOLUTION, RESOLUTION, 3)
    again = run("embed", portraits[0], *QUICK, "--json").document["embeddings"][0]
    assert (again["id"], again["reused"]) == (info["id"], True)
    plain = run("embed", portraits[0], *QUICK)
    assert info["id"] in plain.out
    assert "in the library already" in plain.out
    thumbnail = tmp_path / "thumbnail.png"
    shown = run("embeddings", "show", info["id"], "-o", thumbnail)
    assert "PSNR" in shown.out
    assert min(pixels(thumbnail).shape[:2]) > 8


def test_seed_space_and_frame_make_another_embedding(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path]
) -> None:
    def embed(*options: object) -> dict[str, object]:
        return dict(run("embed", portraits[0], *QUICK, *options, "--json").document["embeddings"][0])

    found = [
        embed(),
        embed("--seed", 7),
        embed("--space", "w"),
        embed("--frame", "8,8,64,64"),
        embed("--frame", "whole"),
    ]
    assert len({info["id"] for info in found}) == 5
    assert found[2]["space"] == "w"
    xu, xv, x0, yu, yv, y0 = found[3]["frame"]  # type: ignore[misc]
    assert np.allclose([xu, xv, x0, yu, yv, y0], [64, 0, 8, 0, 64, 8])


def test_pictures_of_every_kind_are_embedded(run: Callable[..., Run], tmp_path: Path) -> None:
    kinds = [("gray.png", "L"), ("palette.png", "P"), ("alpha.png", "RGBA"), ("cmyk.jpg", "CMYK"), ("deep.png", "I;16")]
    pictures = [draw_portrait(tmp_path / name, 10, "L" if mode == "I;16" else mode) for name, mode in kinds]
    Image.fromarray(np.linspace(0, 65535, 96 * 96, dtype=np.uint16).reshape(96, 96)).save(pictures[-1])
    found = run("embed", *pictures, "--steps", 1, "--json")
    assert found.code == 0, found
    assert len(found.document["embeddings"]) == len(kinds)


def test_refused_pictures_do_not_keep_the_others_from_being_embedded(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    good = portraits[0].read_bytes()
    bad = {
        "text.png": (b"hello, world" * 99, "IMAGE_UNREADABLE"),
        "empty.png": (b"", "IMAGE_UNREADABLE"),
        "half.png": (good[: len(good) // 2], "IMAGE_TRUNCATED"),
        "huge.png": (png_header(30000, 30000), "IMAGE_TOO_LARGE"),
        "bomb.png": (png_header(2**31 - 1, 2**31 - 1), "IMAGE_TOO_LARGE"),
    }
    for name, (data, _) in bad.items():
        (tmp_path / name).write_bytes(data)
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    with (tmp_path / "fat.png").open("wb") as sparse:
        sparse.truncate(100 << 20)
    reasons = {name: reason for name, (_, reason) in bad.items()}
    reasons |= {"dot.png": "IMAGE_TOO_SMALL", "fat.png": "IMAGE_TOO_LARGE", "missing.png": "FILE_NOT_FOUND"}
    found = run("embed", *(tmp_path / name for name in reasons), portraits[0], *QUICK, "--json")
    assert found.code == 3
    assert [info["source"] for info in found.document["embeddings"]] == [str(portraits[0])]
    assert {Path(error["source"]).name: error["reason"] for error in found.document["errors"]} == reasons
    assert all(error["message"] and error["remedy"] for error in found.document["errors"])
    assert found.error["reason"] == "IMAGE_UNREADABLE"
    plain = run("embed", tmp_path / "text.png", portraits[0], *QUICK)
    assert plain.code == 3
    assert "text.png" in plain.err
    assert "is embedding" in plain.out


def test_morph_writes_numbered_pictures_and_a_strip(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "morph"
    document = run("morph", *portraits[:2], "--frames", 3, *QUICK, "-o", out, "--json").document
    assert files(out) == ["morph-00.png", "morph-01.png", "morph-02.png", "morph.png"]
    assert [image["weight"] for image in document["images"]] == [1, 0.5, 0]
    assert [info["role"] for info in document["embeddings"]] == ["a", "b"]
    assert document["strip"] == str(out / "morph.png")
    strip = pixels(out / "morph.png")
    assert np.array_equal(strip, np.hstack([pixels(image["path"]) for image in document["images"]]))
    ends = run("morph", *portraits[:2], "--weights", "0,1", *QUICK, "-o", out, "--json").document["images"]
    assert np.array_equal(pixels(ends[0]["path"]), strip[:, 2 * RESOLUTION :])
    assert np.array_equal(pixels(ends[1]["path"]), strip[:, :RESOLUTION])
    assert str(out / "morph-00.png") in run("morph", *portraits[:2], *QUICK, "-o", out).out


def test_a_source_may_be_an_id_or_its_beginning(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    id = run("embed", portraits[0], *QUICK, "--json").document["embeddings"][0]["id"]
    out = tmp_path / "x.png"
    for source in (portraits[0], id, id[:8]):
        document = run("render", source, *QUICK, "-o", out, "--json").document
        assert document["embeddings"][0]["id"] == id
        assert document["embeddings"][0]["reused"] is True
    assert run("render", id, "-o", out).code == 0
    assert run("render", "0123456789ab", "-o", out, "--json").error["reason"] == "EMBEDDING_UNKNOWN"


def test_crossover_with_all_rows_is_the_style_and_with_none_the_content(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    def picture(*arguments: object) -> np.ndarray:
        out = tmp_path / "x.png"
        result = run(*arguments, *QUICK, "-o", out, "--json")
        assert result.code == 0, result
        return pixels(out)

    content, style = (picture("render", portrait) for portrait in portraits[:2])
    assert np.array_equal(picture("crossover", *portraits[:2], "--rows", "all"), style)
    assert np.array_equal(picture("crossover", *portraits[:2], "--rows", "none"), content)
    mixed = picture("crossover", *portraits[:2], "--rows", "fine")
    assert not np.array_equal(mixed, style)
    assert not np.array_equal(mixed, content)


def test_expression_and_direction_of_strength_zero_change_nothing(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    plain = tmp_path / "plain.png"
    assert run("render", portraits[0], *QUICK, "-o", plain).code == 0
    out = tmp_path / "x.png"
    expression = ("expression", *portraits, *QUICK, "-o", out)
    assert run(*expression, "--strength", 0).code == 0
    assert np.array_equal(pixels(out), pixels(plain))
    several = run(*expression, "--strength", "0,0.5,1", "--json").document
    assert [Path(image["path"]).name for image in several["images"]] == ["x-00.png", "x-01.png", "x-02.png"]
    assert pixels(out).shape == (RESOLUTION, 3 * RESOLUTION, 3)
    assert run("direction", portraits[0], "sefa-1", "--strength", "0", *QUICK, "-o", out).code == 0
    assert np.array_equal(pixels(out), pixels(plain))
    assert run("direction", portraits[0], "pca-1", "--strength", "-2", *QUICK, "-o", out).code == 0
    assert not np.array_equal(pixels(out), pixels(plain))


def test_a_result_is_put_back_into_the_first_picture(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "x.png"
    for paste in ("replace", "residual"):
        options = ("--frame", "16,20,48,48", "--paste", paste, *QUICK, "-o", out)
        assert run("direction", portraits[0], "sefa-1", "--strength", "3", *options).code == 0
        source = pixels(portraits[0])
        assert pixels(out).shape == source.shape
        assert np.array_equal(pixels(out)[:16], source[:16])
        assert not np.array_equal(pixels(out), source)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["morph", "A", "B", "--weights", "inf"], "WEIGHT_INVALID"),
        (["morph", "A", "B", "--weights", "nan,0"], "WEIGHT_INVALID"),
        (["crossover", "A", "B", "--rows", "purple"], "ROWS_INVALID"),
        (["crossover", "A", "B", "--rows", "5-99"], "ROWS_INVALID"),
        (["expression", "A", "B", "C", "--strength", "1e999"], "WEIGHT_INVALID"),
        (["direction", "A", "grumpiness"], "DIRECTION_UNKNOWN"),
        (["render", "A", "--truncation", "inf"], "WEIGHT_INVALID"),
        (["render", "A", "--model", "nobody"], "MODEL_UNKNOWN"),
        (["render", "A", "--frame", "0,0,-5,5"], "FRAME_INVALID"),
        (["render", "A", "--frame", "nan,0,5,5"], "FRAME_INVALID"),
        (["render", "A", "--frame", "500,500,40,40"], "FRAME_INVALID"),
        (["render", "A", "--mask", "text.png"], "IMAGE_UNREADABLE"),
        (["render", "A", "--mask", "small.png"], "MASK_INVALID"),
        (["render", "A", "--mask", "none.png"], "FILE_NOT_FOUND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_bad_input_is_refused_with_a_sentence_and_a_remedy(
    run: Callable[..., Run],
    portraits: tuple[Path, Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("hello")
    Image.new("L", (20, 20), 255).save("small.png")
    given = [str(portraits["ABC".index(word)]) if word in ("A", "B", "C") else word for word in arguments]
    out = "out" if arguments[0] == "morph" else "out.png"
    failed = run(*given, *QUICK, "-o", out, "--json")
    assert failed.code == 3, failed
    assert failed.error["reason"] == reason
    assert not list(tmp_path.glob("**/out*.png"))


def test_a_checkpoint_is_added_used_and_removed(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / "model.safetensors"
    assert run("models", "export", MODEL, "-o", file).code == 0
    name = f"copy-{os.getpid()}"
    added = run("models", "add", file, "--name", name, "--json").document["model"]
    assert (added["name"], added["family"], added["shipped"]) == (name, "stylegan2", False)
    assert run("models", "add", file, "--name", name, "--json").error["reason"] == "MODEL_EXISTS"
    assert run("models", "add", file, "--name", "../x", "--json").error["reason"] == "MODEL_NAME_INVALID"
    out = tmp_path / "x.png"
    document = run("render", portraits[0], "--model", name, *QUICK, "-o", out, "--json").document
    assert document["embeddings"][0]["model"] == name
    assert run("models", "remove", name, "--json").document == {"removed": name}
    assert name not in run("models", "list").out
    assert run("render", portraits[0], "--model", name, "-o", out, "--json").error["reason"] == "MODEL_UNKNOWN"


def command(*arguments: object, daemon: RunningDaemon) -> list[str]:
    return [*COMMAND, *map(str, arguments), "--address", daemon.address]


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_ctrl_c_cancels_the_call_and_ends_with_5(
    daemon: RunningDaemon, portraits: tuple[Path, Path, Path], as_json: bool
) -> None:
    before = daemon.status.front_pid
    extra = ["--json"] if as_json else []
    arguments = command("embed", portraits[2], *ENDLESS, *extra, daemon=daemon)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        eventually(lambda: daemon.status.worker_state == 4)  # busy
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 5
    if as_json:
        assert Run(5, out, err).error["reason"] == "CANCELLED"
    else:
        assert err.splitlines()[-1] == "Cancelled."
        assert "Traceback" not in err
        assert not out
    eventually(lambda: daemon.status.worker_state != 4)  # the optimiser has stopped
    assert daemon.status.front_pid == before


def test_in_a_pipe_progress_is_plain_lines_on_standard_error(
    daemon: RunningDaemon, portraits: tuple[Path, Path, Path]
) -> None:
    arguments = command("embed", portraits[0], *QUICK, "--refresh", daemon=daemon)
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "Embedding" in done.stderr
    assert done.stdout.startswith(f"{portraits[0]} is embedding ")


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
def test_on_a_terminal_there_is_a_bar(daemon: RunningDaemon, portraits: tuple[Path, Path, Path]) -> None:
    import pty

    arguments = command("embed", portraits[0], "--steps", 5, "--refresh", daemon=daemon)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    with subprocess.Popen(
        arguments, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True, env=environment
    ) as process:
        os.close(theirs)
        shown = read_terminal(ours, process)
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert "\x1b[" in shown
    assert "Embedding" in shown
    assert re.search(r"\d/5", shown)
    assert "\x1b" not in out
    assert "is embedding" in out


def read_terminal(descriptor: int, process: subprocess.Popen[str]) -> str:
    """All that the process writes to the terminal until it ends."""
    data = b""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        ready, _, _ = select.select([descriptor], [], [], 0.2)
        if ready:
            try:
                data += os.read(descriptor, 65536)
            except OSError:  # Linux says EIO once the other side is closed
                break
        elif process.poll() is not None:
            break
    return data.decode(errors="replace")


def test_a_reader_that_has_seen_enough_makes_no_noise(daemon: RunningDaemon) -> None:
    arguments = command("embeddings", "list", daemon=daemon)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        process.wait(PATIENCE_S)


def test_pictures_with_strange_names_are_files_like_any_other(
    run: Callable[..., Run], portraits: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "x.png"
    for name in ("0123456789ab", "ünï çødé 😀.png", "-dash.png", "a,b;c.png"):
        path = tmp_path / name
        path.write_bytes(portraits[0].read_bytes())
        assert run("render", path, *QUICK, "-o", out, "--json").code == 0
    assert sys.platform == "win32" or out.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
