"""Models on the disk: what is listed, installed, removed and noticed."""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from latentlayers.library import ModelEntry, ModelStore
from latentlayers.library.watch import FolderWatch
from latentlayers.paths import Paths
from library_samples import WIDTH, model_file, tensor_file
from shipped import MODEL
from typed_errors import refused

Folders = tuple[ModelStore, Path, Path]


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    """A store, the folder of the user's models and that of the shipped ones."""
    paths = Paths.under(tmp_path / "home")
    paths.ensure()
    store = ModelStore(paths, shipped=tmp_path / "shipped")
    yield store, paths.models, tmp_path / "shipped"
    store.close()


def test_a_model_folder_is_described_from_its_files_alone(folders: Folders) -> None:
    store, user, _ = folders
    model_file(user / "faces" / "generator.safetensors", "faces", resolution=128)
    tensor_file(user / "faces" / "directions.safetensors", {"smile": 3, "age": 3})
    tensor_file(user / "faces" / "features.safetensors", {"conv": 3})
    (entry,) = store.list()
    assert entry == store.get("faces")
    assert (entry.family, entry.resolution, entry.num_ws, entry.w_dim, entry.z_dim) == ("stylegan2", 128, 12, WIDTH, 8)
    assert (entry.licence, entry.provenance, entry.domain) == ("CC0-1.0", "a test", "portraits")
    assert entry.direction_names == ("age", "smile")
    assert entry.features == user / "faces" / "features.safetensors"
    assert entry.digest == hashlib.sha256(entry.path.read_bytes()).hexdigest()
    assert (entry.problem, entry.shipped) == ("", False)


def test_a_lone_file_is_a_model_without_extras(folders: Folders) -> None:
    store, user, _ = folders
    model_file(user / "cats.safetensors")
    (entry,) = store.list()
    assert (entry.name, entry.features, entry.directions, entry.direction_names) == ("cats", None, None, ())


def test_a_changed_file_has_another_digest_also_after_a_restart(folders: Folders, tmp_path: Path) -> None:
    store, user, shipped = folders
    model_file(user / "cats.safetensors", "one")
    before = store.get("cats").digest
    again = ModelStore(Paths.under(tmp_path / "home"), shipped)
    assert again.get("cats").digest == before
    model_file(user / "cats.safetensors", "another one")
    assert again.get("cats").digest == hashlib.sha256((user / "cats.safetensors").read_bytes()).hexdigest() != before


def test_files_that_cannot_be_used_are_listed_with_the_reason(folders: Folders) -> None:
    store, user, _ = folders
    (user / "cut.safetensors").write_bytes(b"\xff\x00\x00\x00\x00\x00\x00\x00{")
    (user / "ffhq.pkl").write_bytes(b"\x80\x04")
    tensor_file(user / "other.safetensors", {"w": 3})
    (user / "notes.txt").write_text("not a model")
    model_file(user / "odd.safetensors", resolution=96)
    entries = {entry.name: entry for entry in store.list()}
    assert set(entries) == {"cut", "ffhq", "other", "odd"}
    assert all(entry.problem for entry in entries.values())
    assert [name for name in entries if entries[name].converting] == ["ffhq", "other"]
    assert refused(store.default).reason == "MODEL_UNKNOWN"


def test_damaged_directions_do_not_take_the_model_away(folders: Folders) -> None:
    store, user, _ = folders
    model_file(user / "faces" / "generator.safetensors")
    (user / "faces" / "directions.safetensors").write_bytes(b"nonsense")
    entry = store.get("faces")
    assert (entry.problem, entry.directions) == ("", None)


def test_unknown_names_are_answered_with_the_known_ones(folders: Folders) -> None:
    store, user, _ = folders
    for name in ("cats", "faces"):
        model_file(user / f"{name}.safetensors")
    error = refused(store.get, "dogs")
    assert error.reason == "MODEL_UNKNOWN"
    assert "cats, faces" in error.remedy


def test_the_default_is_the_shipped_portraits_model_else_the_first_usable_one(folders: Folders) -> None:
    store, user, shipped = folders
    (user / "aaa.safetensors").write_bytes(b"broken")
    model_file(user / "zebras.safetensors")
    assert store.default().name == "zebras"
    model_file(shipped / MODEL / "generator.safetensors")
    assert store.default().name == MODEL
    assert store.default().shipped


def test_shipped_models_win_over_others_of_their_name_and_cannot_be_removed(folders: Folders) -> None:
    store, user, shipped = folders
    model_file(shipped / MODEL / "generator.safetensors")
    model_file(user / f"{MODEL}.safetensors", "impostor")
    assert [entry.path for entry in store.list()] == [shipped / MODEL / "generator.safetensors"]
    assert refused(store.remove, MODEL).reason == "MODEL_SHIPPED"


def test_a_converted_model_appears_complete_and_can_be_removed(folders: Folders) -> None:
    store, user, _ = folders

    def write(folder: Path) -> None:
        model_file(folder / "generator.safetensors")
        assert store.list() == ()

    entry = store.add_converted("new-one", write)
    assert entry.path == user / "new-one" / "generator.safetensors"
    assert refused(store.add_converted, "new-one", write).reason == "MODEL_EXISTS"
    model_file(user / "lone.safetensors")
    store.remove("new-one")
    store.remove("lone")
    assert store.list() == ()
    assert list(user.iterdir()) == []
    assert refused(store.remove, "new-one").reason == "MODEL_UNKNOWN"


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65, "ä"])
def test_names_that_could_leave_the_folder_are_refused(folders: Folders, name: str) -> None:
    assert refused(folders[0].add_converted, name, model_file).reason == "MODEL_NAME_INVALID"


def test_a_failed_conversion_leaves_nothing_behind(folders: Folders) -> None:
    store, user, _ = folders

    def stop(folder: Path) -> None:
        model_file(folder / "generator.safetensors")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        store.add_converted("half", stop)
    assert refused(store.add_converted, "bad", lambda f: (f / "generator.safetensors").write_bytes(b"x")).reason
    assert refused(store.add_converted, "none", lambda f: None).reason
    assert list(user.iterdir()) == []


def test_what_a_killed_installation_left_is_removed_later(folders: Folders) -> None:
    store, user, _ = folders
    (user / ".tmp-left").mkdir()
    os.utime(user / ".tmp-left", (1, 1))
    assert store.list() == ()
    store.add_converted("new", lambda folder: model_file(folder / "generator.safetensors"))
    assert [item.name for item in user.iterdir()] == ["new"]


def test_watchers_are_told_once_a_new_file_is_complete_and_not_when_files_are_only_read(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long this machine stands still while it writes the file, it is less.
    monkeypatch.setattr("latentlayers.library.models.FolderWatch", partial(FolderWatch, settle=2.0))
    store, user, _ = folders
    seen: queue.Queue[tuple[ModelEntry, ...]] = queue.Queue()
    store.watch(seen.put)
    model_file(user.parent / "whole.safetensors")
    content = (user.parent / "whole.safetensors").read_bytes()
    with (user / "cats.safetensors").open("wb") as file:
        for start in range(0, len(content), len(content) // 4):
            file.write(content[start : start + len(content) // 4])
            file.flush()
            time.sleep(0.15)
    (entry,) = seen.get(timeout=20)
    assert (entry.name, entry.problem) == ("cats", "")
    store.list()
    (user / "notes.txt").write_text("changes nothing")
    (user / "cats.safetensors").unlink()
    assert seen.get(timeout=20) == ()
    store.close()
    model_file(user / "late.safetensors")
    with pytest.raises(queue.Empty):
        seen.get(timeout=1)


def test_nothing_is_missed_between_setting_a_watch_up_and_starting_it(tmp_path: Path) -> None:
    seen: queue.Queue[None] = queue.Queue()
    watch = FolderWatch(tmp_path, lambda: seen.put(None))
    (tmp_path / "early").write_text("x")
    with pytest.raises(queue.Empty):
        seen.get(timeout=1)
    watch.start()
    seen.get(timeout=20)
    watch.close()


def test_a_file_that_never_stands_still_does_not_hide_the_others(tmp_path: Path) -> None:
    seen, stop = threading.Event(), threading.Event()
    watch = FolderWatch(tmp_path, seen.set, settle=0.2, patience=1.0)
    watch.start()

    def grow() -> None:
        with (tmp_path / "endless").open("wb") as file:
            while not stop.wait(0.05):
                file.write(b"x")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    assert seen.wait(20)
    assert writer.is_alive()
    stop.set()
    writer.join()
    watch.close()


def test_a_watch_that_was_never_started_can_be_closed(tmp_path: Path) -> None:
    FolderWatch(tmp_path, lambda: None).close()


@contextmanager
def awaited(folder: Path, name: str) -> Iterator[None]:
    """On leaving, a file of that name is made in the watched folder, and has to be noticed."""
    seen = threading.Event()

    def look() -> None:
        if (folder / name).exists():
            seen.set()

    watch = FolderWatch(folder, look, settle=0.0, patience=0.1)
    watch.start()
    try:
        yield
        assert not seen.is_set()
        (folder / name).touch()
        assert seen.wait(10.0)
    finally:
        watch.close()


def test_folders_that_vanish_while_they_are_looked_at_do_not_end_the_watch(tmp_path: Path) -> None:
    with awaited(tmp_path, "model"):
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            (tmp_path / "a" / "b").mkdir(parents=True)
            shutil.rmtree(tmp_path / "a")


@pytest.mark.skipif(os.name == "nt", reason="what is open cannot be removed there")
def test_a_folder_that_outlives_another_of_its_name_does_not_end_the_watch(tmp_path: Path) -> None:
    """Linux tells of the end of a removed folder that somebody still has open late: after that of its successor.

    Readers of the system's notifications die of that without a word (watchdog 4.0 to 7.1 do), which is why
    `FolderWatch` looks for itself.
    """
    folder, pause = tmp_path / "a", 0.3  # for a reader of notifications to come after
    with awaited(tmp_path, "model"):
        folder.mkdir()
        time.sleep(pause)
        opened = os.open(folder, os.O_RDONLY)
        folder.rmdir()
        folder.mkdir()
        time.sleep(pause)
        folder.rmdir()
        time.sleep(pause)
        os.close(opened)
        time.sleep(pause)


def test_a_watched_folder_may_be_away_for_a_while(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    with awaited(folder, "model"):
        folder.rename(tmp_path / "moved")
        time.sleep(1.5)
        folder.mkdir()


@pytest.mark.skipif(os.name == "nt", reason="permissions are not in the mode there")
def test_a_change_of_permissions_is_a_change(tmp_path: Path) -> None:
    """A model that could not be read can be now."""
    changed = threading.Event()
    (tmp_path / "model").touch(mode=0o000)
    watch = FolderWatch(tmp_path, changed.set)
    watch.start()
    try:
        (tmp_path / "model").chmod(0o600)
        assert changed.wait(10.0)
    finally:
        watch.close()


def test_a_link_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    """Its disk may come back, so it is listed."""
    changed = threading.Event()
    watch = FolderWatch(tmp_path, changed.set)
    watch.start()
    try:
        try:
            (tmp_path / "model").symlink_to(tmp_path / "nowhere")
        except OSError as error:
            pytest.skip(f"no links here: {error}")
        assert changed.wait(10.0)
        changed.clear()
        (tmp_path / "nowhere").touch()
        assert changed.wait(10.0)
    finally:
        watch.close()
