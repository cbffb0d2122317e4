"""Where things are kept, and the lock on them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from latentlayers.errors import LatentLayersError
from latentlayers.library.lock import exclusive
from latentlayers.paths import HOME_VARIABLE, MAX_SOCKET_PATH, Paths, check_private

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and sockets")


def all_paths(paths: Paths) -> set[Path]:
    return {getattr(paths, name) for name in dir(Paths) if isinstance(getattr(Paths, name), property)}


def test_one_variable_moves_everything_into_one_folder(tmp_path: Path) -> None:
    paths = Paths.default({HOME_VARIABLE: str(tmp_path / "home")})
    assert paths == Paths.under(tmp_path / "home")
    paths.ensure()
    for path in all_paths(paths) - {paths.socket}:
        assert path.is_relative_to(tmp_path / "home")
        assert path.parent.is_dir()
    assert paths.runtime.is_dir()


def test_without_it_the_folders_are_the_platforms_own() -> None:
    paths = Paths.default({})
    assert paths.data != paths.state
    assert all(path.is_absolute() and "latentlayers" in str(path) for path in all_paths(paths))


@posix_only
def test_long_homes_get_a_short_runtime_folder_of_their_own(tmp_path: Path) -> None:
    homes = [tmp_path / ("x" * 120) / name for name in ("one", "two")]
    one, two = map(Paths.under, homes)
    assert len(os.fsencode(one.socket)) <= MAX_SOCKET_PATH
    assert one.runtime != two.runtime
    assert one == Paths.under(homes[0])
    assert one.address_file.is_relative_to(homes[0])
    try:
        one.ensure()
        check_private(one.runtime)
    finally:
        one.runtime.rmdir()


@posix_only
def test_the_runtime_folder_is_private(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.ensure()
    paths.ensure()
    assert stat.S_IMODE(paths.runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE(paths.state.stat().st_mode) == 0o700


@posix_only
def test_a_runtime_folder_that_others_could_use_is_refused(tmp_path: Path) -> None:
    shared, real, link = tmp_path / "shared", tmp_path / "real", tmp_path / "link"
    shared.mkdir(mode=0o755)
    real.mkdir(mode=0o700)
    link.symlink_to(real)
    open_parent = tmp_path / "open"
    open_parent.mkdir()
    open_parent.chmod(0o777)
    inside = open_parent / "runtime"
    inside.mkdir(mode=0o700)
    suspects = [shared, link, inside]
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir(mode=0o700)
        os.chown(foreign, 12345, 12345)
        suspects.append(foreign)
    for folder in suspects:
        with pytest.raises(LatentLayersError) as caught:
            check_private(folder)
        assert caught.value.reason == "RUNTIME_UNSAFE"
    check_private(real)


def test_a_home_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LatentLayersError) as caught:
        Paths.under(tmp_path / "file" / "home").ensure()
    assert caught.value.reason == "LIBRARY_WRITE_FAILED"


def test_a_lock_is_held_against_other_processes_and_freed_when_they_die(tmp_path: Path) -> None:
    lock, counter = tmp_path / "lock", tmp_path / "counter"
    counter.write_text("0")
    program = (
        "import sys; from pathlib import Path\n"
        "from latentlayers.library.lock import exclusive\n"
        "for _ in range(50):\n"
        "    with exclusive(Path(sys.argv[1])):\n"
        "        Path(sys.argv[2]).write_text(str(int(Path(sys.argv[2]).read_text()) + 1))\n"
        "exclusive(Path(sys.argv[1])).__enter__(); import os; os._exit(0)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "daemon")}
    command = [sys.executable, "-c", program, str(lock), str(counter)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    with exclusive(lock):
        assert counter.read_text() == "150"
