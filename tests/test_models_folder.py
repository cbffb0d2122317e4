"""Checkpoints put into the models folder: recognised, converted once, remembered, and gone with their file."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from checkpoint_files import reference_file
from latentlayers.checkpoints import load_generator_native
from latentlayers.library.model_files import free_name, model_name
from latentlayers.v1 import editing_service_pb2 as editing
from latentlayers.v1 import latent_pb2
from latentlayers.v1 import model_service_pb2 as pb
from running_daemon import PATIENCE_S, RunningDaemon, StartDaemon, details, eventually, is_running, reason
from shipped import MODEL

SOURCE = reference_file("sg2ada_16_resnet")
OTHER = reference_file("ros_16_conv")

# A worker that dies of every job.
DEADLY = """
import os, sys
from latentlayers.engine.frames import Frame, FrameKind, read_frame
hello = Frame(FrameKind.HELLO, 0, b'{"pid": 0, "device": "none", "torch": "0"}')
sys.stdout.buffer.write(hello.encode())
sys.stdout.buffer.flush()
read_frame(sys.stdin.buffer)
os._exit(9)
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon for those tests here that need not start another."""
    daemon = RunningDaemon(tmp_path_factory.mktemp("folder") / "home")
    yield daemon
    daemon.close()


@pytest.fixture
def daemon(running: RunningDaemon) -> RunningDaemon:
    """With an empty models folder."""
    for item in running.paths.models.glob("[!.]*"):
        shutil.rmtree(item) if item.is_dir() and not item.is_symlink() else item.unlink()
    eventually(lambda: not models(running) and not made(running))
    return running


def models(daemon: RunningDaemon) -> dict[str, pb.Model]:
    """All but the shipped ones."""
    listed = daemon.models.ListModels(pb.ListModelsRequest(), timeout=PATIENCE_S).models
    return {model.name: model for model in listed if not model.shipped}


def settled(daemon: RunningDaemon) -> dict[str, pb.Model]:
    """The models, once nothing waits any more."""

    def found() -> tuple[dict[str, pb.Model]] | None:
        now = models(daemon)
        return None if any(model.converting for model in now.values()) else (now,)

    return eventually(found)[0]


def converted(daemon: RunningDaemon, *names: str) -> dict[str, pb.Model]:
    """The models, once these are usable."""

    def found() -> dict[str, pb.Model] | None:
        now = models(daemon)
        return now if all(name in now and not now[name].problem for name in names) else None

    return eventually(found)


def conversions(daemon: RunningDaemon) -> int:
    """How many were begun since the home was made."""
    return daemon.paths.log_file.read_text().count("job 0 starts")


def made(daemon: RunningDaemon) -> list[str]:
    """The folders of converted models, unfinished ones included."""
    folder = daemon.paths.models / ".converted"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def put(source: Path, target: Path, age_s: float = 60.0) -> Path:
    """Copies a file that was complete a while ago."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    os.utime(target, (time.time() - age_s, time.time() - age_s))
    return target


def draw(daemon: RunningDaemon, model: str, seed: int = 1) -> list[editing.EditEvent]:
    request = editing.RenderRequest(
        source=latent_pb2.Source(sample=latent_pb2.SampleSource(seed=seed)), embed=latent_pb2.EmbedOptions(model=model)
    )
    return [response.event for response in daemon.editing.Render(request, timeout=PATIENCE_S)]


def test_a_dropped_file_is_announced_as_converting_and_then_is_a_model_in_every_client(daemon: RunningDaemon) -> None:
    watches = [daemon.models.WatchModels(pb.WatchModelsRequest(), timeout=PATIENCE_S) for _ in range(2)]
    for watch in watches:
        next(watch)
    shutil.copyfile(SOURCE, daemon.paths.models / "my model (1).pkl")
    for watch in watches:
        seen = []
        while not seen or seen[-1].problem:
            seen += [model for model in next(watch).models if model.name == "my-model-1"]
        assert seen[0].converting
        assert all(model.problem for model in seen if model.converting)
    model = seen[-1]
    header = load_generator_native(daemon.paths.models / ".converted" / "my-model-1" / "generator.safetensors")[1]
    assert model.source_sha256 == header.source_sha256 == hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    assert (model.family, model.resolution, model.source_format) == ("stylegan2", 16, header.source_format)
    assert header.name == "my-model-1"
    assert draw(daemon, "my-model-1")[-1].WhichOneof("event") == "progress"
    (daemon.paths.models / "my model (1).pkl").unlink()
    eventually(lambda: "my-model-1" not in models(daemon))
    for watch in watches:
        while any(model.name == "my-model-1" for model in next(watch).models):
            pass
    eventually(lambda: made(daemon) == [])


def test_a_model_that_is_not_ready_yet_is_worth_another_call(daemon: RunningDaemon) -> None:
    shutil.copyfile(SOURCE, daemon.paths.models / "soon.pkl")
    eventually(lambda: "soon" in models(daemon))
    with pytest.raises(grpc.RpcError) as caught:
        draw(daemon, "soon")
    assert details(caught.value)[0] == "MODEL_CONVERTING"
    assert details(caught.value)[2]


def test_what_lies_there_at_the_start_is_converted_once_and_the_worker_is_not_started_again(
    start_daemon: StartDaemon,
) -> None:
    first = start_daemon()
    first.close()
    put(SOURCE, first.paths.models / "cats.pkl")
    put(OTHER, first.paths.models / "deep" / "down" / "final.pt")
    daemon = start_daemon(idle_unload_s=0.1)
    before = converted(daemon, "cats", "deep-down-final")
    eventually(lambda: daemon.status.worker_pid == 0)
    for path in (daemon.paths.models / "notes.txt", daemon.paths.models / ".hidden.pkl"):
        path.write_text("nothing")
    assert settled(daemon).keys() == before.keys()
    daemon.close()
    again = start_daemon()
    assert {name: model.digest for name, model in settled(again).items()} == {
        name: model.digest for name, model in before.items()
    }
    assert again.status.worker_pid == 0
    assert conversions(again) == 2


def test_a_file_that_is_no_model_is_tried_once_and_again_when_it_changes(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    bad = put(SOURCE, daemon.paths.models / "bad.pkl")
    bad.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    problem = eventually(lambda: (found := models(daemon).get("bad")) and not found.converting and found.problem)
    assert "system" in problem or "cannot be used" in problem or "damaged" in problem
    with pytest.raises(grpc.RpcError) as caught:
        draw(daemon, "bad")
    assert reason(caught.value) == "MODEL_UNUSABLE"
    daemon.close()
    again = start_daemon()
    assert settled(again)["bad"].problem == problem
    assert again.status.worker_pid == 0
    assert conversions(again) == 1
    put(SOURCE, bad, age_s=30)
    assert not converted(again, "bad")["bad"].problem


def test_a_file_that_is_replaced_is_converted_again(daemon: RunningDaemon) -> None:
    file = put(SOURCE, daemon.paths.models / "one.pkl")
    before = converted(daemon, "one")["one"]
    put(OTHER, file, age_s=30)
    eventually(lambda: models(daemon)["one"].digest not in ("", before.digest))
    assert models(daemon)["one"].source_sha256 == hashlib.sha256(OTHER.read_bytes()).hexdigest()
    assert settled(daemon).keys() == {"one"}
    assert made(daemon) == ["one"]


def test_a_file_that_is_copied_in_bursts_is_said_to_be_and_ends_as_a_model(daemon: RunningDaemon) -> None:
    content = SOURCE.read_bytes()
    half = len(content) // 2
    with (daemon.paths.models / "slow.pkl").open("wb") as file:
        file.write(content[:half])
        file.flush()
        eventually(lambda: (found := models(daemon).get("slow")) and "still being copied" in found.problem)
        # A pause so long that it looks complete: it is damaged, until it goes on.
        eventually(lambda: "damaged" in models(daemon)["slow"].problem)
        file.write(content[half:])
    converted(daemon, "slow")


def test_files_with_the_same_content_and_renamed_ones_are_the_same_model(daemon: RunningDaemon) -> None:
    for name in ("a.pkl", "b.pkl"):
        put(SOURCE, daemon.paths.models / name)
    both = converted(daemon, "a", "b")
    assert both["a"].digest == both["b"].digest
    (daemon.paths.models / "a.pkl").unlink()
    (daemon.paths.models / "b.pkl").rename(daemon.paths.models / "c.pkl")
    eventually(lambda: models(daemon).keys() == {"c"} and not models(daemon)["c"].problem)
    assert models(daemon)["c"].digest == both["a"].digest
    eventually(lambda: made(daemon) == ["c"])


def test_names_that_are_taken_get_a_number_and_keep_it(daemon: RunningDaemon) -> None:
    put(SOURCE, daemon.paths.models / f"{MODEL}.pkl")
    put(SOURCE, daemon.paths.models / "x.pkl")
    put(OTHER, daemon.paths.models / "x.pt")
    found = converted(daemon, f"{MODEL}-2", "x", "x-2")
    assert found.keys() == {f"{MODEL}-2", "x", "x-2"}
    (daemon.paths.models / "x.pkl").unlink()
    eventually(lambda: models(daemon).keys() == {f"{MODEL}-2", "x-2"})


def test_links_folders_and_what_cannot_be_opened_have_sensible_fates(daemon: RunningDaemon, tmp_path: Path) -> None:
    elsewhere = put(SOURCE, tmp_path / "elsewhere" / "model.pkl")
    folder = daemon.paths.models
    (folder / "link.pkl").symlink_to(elsewhere)
    (folder / "nowhere.pkl").symlink_to(tmp_path / "nothing")
    (folder / "linked").symlink_to(elsewhere.parent)
    (folder / "folder.pkl").mkdir()
    os.mkfifo(folder / "pipe.pkl")
    put(SOURCE, folder / "closed.pkl").chmod(0)
    (folder / "empty.pkl").touch()
    eventually(lambda: {"link", "nowhere", "closed", "empty"} <= models(daemon).keys())
    found = settled(daemon)
    assert found.keys() == {"link", "nowhere", "closed", "empty"}
    assert not found["link"].problem
    assert "No such file" in found["nowhere"].problem
    assert "empty" in found["empty"].problem
    if os.geteuid() != 0:
        assert "may not open" in found["closed"].problem
        (folder / "closed.pkl").chmod(0o600)
    converted(daemon, "closed")
    # The disk with the original is away for a while: the model stays.
    elsewhere.unlink()
    (folder / "empty.pkl").unlink()
    eventually(lambda: "empty" not in models(daemon))
    assert not models(daemon)["link"].problem
    assert draw(daemon, "link")


def test_perceptual_networks_in_the_folder_are_no_models(daemon: RunningDaemon) -> None:
    put(SOURCE, daemon.paths.models / "vgg16.pt")
    put(SOURCE, daemon.paths.models / "real.pkl")
    assert converted(daemon, "real").keys() == {"real"}


def test_removing_a_converted_model_deletes_the_file_too(daemon: RunningDaemon) -> None:
    put(SOURCE, daemon.paths.models / "sub" / "cats.pkl")
    (daemon.paths.models / "bad.pkl").write_bytes(b"no model")
    converted(daemon, "sub-cats")
    assert draw(daemon, "sub-cats")
    for name in ("sub-cats", "bad"):
        daemon.models.RemoveModel(pb.RemoveModelRequest(name=name), timeout=PATIENCE_S)
        assert name not in models(daemon)
    assert not (daemon.paths.models / "sub" / "cats.pkl").exists()
    assert made(daemon) == []


def test_imported_models_and_dropped_ones_do_not_touch_each_other(daemon: RunningDaemon) -> None:
    put(SOURCE, daemon.paths.models / "cats.pkl")
    converted(daemon, "cats")
    with pytest.raises(grpc.RpcError) as caught:
        daemon.models.ImportModel(pb.ImportModelRequest(path=str(OTHER), name="cats"), timeout=PATIENCE_S)
    assert reason(caught.value) == "MODEL_EXISTS"
    daemon.models.ImportModel(pb.ImportModelRequest(path=str(SOURCE), name="dogs"), timeout=PATIENCE_S)
    daemon.models.RemoveModel(pb.RemoveModelRequest(name="cats"), timeout=PATIENCE_S)
    assert settled(daemon).keys() == {"dogs"}


def test_a_worker_that_is_killed_while_it_converts_gets_a_second_try(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    file = put(SOURCE, daemon.paths.models / "big.pkl")
    os.kill(eventually(lambda: daemon.status.worker_pid), signal.SIGKILL)
    assert converted(daemon, "big")["big"].source_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert made(daemon) == ["big"]


def test_a_daemon_that_is_killed_while_it_converts_leaves_no_half_model(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    file = put(SOURCE, first.paths.models / "big.pkl")
    worker = eventually(lambda: first.status.worker_pid)
    for process in (first.process.pid, worker):
        os.kill(process, signal.SIGKILL)
    eventually(lambda: not is_running(worker))
    first.close()
    left = first.paths.models / ".converted" / ".tmp-left" / "generator.safetensors"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half of a model")
    daemon = start_daemon()
    model = converted(daemon, "big")["big"]
    assert file.is_file()
    assert (
        model.digest
        == hashlib.sha256(
            (daemon.paths.models / ".converted" / "big" / "generator.safetensors").read_bytes()
        ).hexdigest()
    )
    assert made(daemon) == ["big"]


def test_a_file_that_kills_every_worker_is_left_alone(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=[sys.executable, "-c", DEADLY])
    put(SOURCE, daemon.paths.models / "deadly.pkl")
    assert "worker process" in settled_problem(daemon, "deadly")
    daemon.close()
    again = start_daemon()
    assert "worker process" in settled(again)["deadly"].problem
    assert conversions(again) == 2


def test_a_daemon_without_a_worker_does_not_blame_the_file(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(worker_command=["/there/is/no/worker"])
    put(SOURCE, daemon.paths.models / "cats.pkl")
    assert "cannot be started" in settled_problem(daemon, "cats")
    daemon.close()
    converted(start_daemon(), "cats")


def test_editing_calls_go_before_conversions(daemon: RunningDaemon) -> None:
    names = [f"model-{number}" for number in range(4)]
    before = conversions(daemon)
    for name in names:
        put(SOURCE, daemon.paths.models / f"{name}.pkl")
    eventually(lambda: conversions(daemon) > before)
    draw(daemon, "")
    draw(daemon, "")
    converted(daemon, *names)
    starts = [line for line in daemon.paths.log_file.read_text().splitlines() if "job" in line and "starts" in line]
    first, second = [index for index, line in enumerate(starts) if "job 0" not in line][-2:]
    # One conversion at most was under way, or about to be, when each of them came.
    assert first + 1 <= second <= first + 2
    assert sum("job 0" in line for line in starts[: second + 1]) - before < len(names)


def test_a_full_disk_leaves_no_model_and_is_tried_again_by_the_next_daemon(start_daemon: StartDaemon) -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("the limits of another process cannot be set here")
    daemon = start_daemon()
    least = daemon.paths.models / "cats.pkl"
    limits = (SOURCE.stat().st_size // 4, resource.RLIM_INFINITY)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limits)  # the worker inherits it
    put(SOURCE, least)
    assert "cannot be written" in (problem := settled_problem(daemon, "cats")) or "no room" in problem
    assert made(daemon) == []
    daemon.close()
    converted(start_daemon(), "cats")


def settled_problem(daemon: RunningDaemon, name: str) -> str:
    return eventually(lambda: (found := models(daemon).get(name)) and not found.converting and found.problem)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ffhq.pkl", "ffhq"),
        ("my model (1).pkl", "my-model-1"),
        ("Grüße aus Köln.pt", "Grue-aus-Koln"),
        ("猫.pth", "model"),
        ("--x--.pkl", "x"),
        ("cats/network-snapshot-000100.pkl", "cats-network-snapshot-000100"),
        ("faces_/generator.safetensors", "faces_"),
        ("generator.safetensors", "generator"),
        ("x" * 100 + ".pkl", "x" * 64),
    ],
)
def test_models_are_called_after_their_files(file: str, name: str) -> None:
    assert model_name(Path("/models") / file, Path("/models")) == name


def test_numbered_names_are_free_and_valid() -> None:
    assert free_name("a", {"a", "a-2"}) == "a-3"
    assert free_name("A", {"a"}) == "A-2"
    assert len(free_name("x" * 64, {"x" * 64})) <= 64
