"""Writing files atomically."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from latentlayers.atomic import atomic_writer, write_atomic
from latentlayers.errors import LatentLayersError


def test_an_atomic_write_replaces_the_file_or_leaves_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomic(file, b"old")
    write_atomic(file, b"new")

    def fail() -> None:
        with atomic_writer(file) as out:
            out.write(b"half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        fail()
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_without_room_is_a_full_disk(tmp_path: Path) -> None:
    def fill() -> None:
        with atomic_writer(tmp_path / "file"), Path("/dev/full").open("wb") as full:
            full.write(bytes(10_000))
            full.flush()

    with pytest.raises(LatentLayersError) as caught:
        fill()
    assert caught.value.reason == "DISK_FULL"
    assert str(tmp_path) in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_a_failed_write(tmp_path: Path) -> None:
    with pytest.raises(LatentLayersError) as caught:
        write_atomic(tmp_path / "none" / "file", b"")
    assert caught.value.reason == "LIBRARY_WRITE_FAILED"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_private_file_is_its_owners_and_another_is_as_the_umask_or_its_predecessor_says(
    tmp_path: Path, umask: int
) -> None:
    def mode(name: str) -> int:
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "ours", b"")
        write_atomic(tmp_path / "theirs", b"", private=False)
        assert (mode("ours"), mode("theirs")) == (0o600, 0o666 & ~umask)
        for name in ("ours", "theirs"):
            (tmp_path / name).chmod(0o644)
        write_atomic(tmp_path / "ours", b"")
        write_atomic(tmp_path / "theirs", b"", private=False)
        assert (mode("ours"), mode("theirs")) == (0o600, 0o644)
    finally:
        os.umask(before)
