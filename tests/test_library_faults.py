"""Crashes, full disks, damage and other processes: what the library had reported is there, and the rest is said."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from latentlayers.library import EmbeddingInfo, Library, new_id
from library_samples import embedding
from typed_errors import refused

TESTS = Path(__file__).parent
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def start(program: str, *args: object) -> subprocess.Popen[str]:
    """A Python process that runs `program` with the library and samples imported."""
    head = "import sys; from pathlib import Path\nfrom latentlayers.library import *\nfrom library_samples import *\n"
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "daemon")])
    return subprocess.Popen(
        [sys.executable, "-c", head + program, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def output(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    return text


@posix_only
def test_killing_a_writer_at_any_moment_loses_nothing_it_had_reported(tmp_path: Path) -> None:
    reported: set[str] = set()
    for attempt in range(4):
        process = start(
            "library = Library(Path(sys.argv[1]))\n"
            "for n in range(10_000):\n"
            "    library.add(sample := embedding(n))\n"
            "    print(sample.id, flush=True)\n"
            "    if n % 5 == 4:\n"
            "        library.delete(sample.id)\n"
            "        print('-' + sample.id, flush=True)\n",
            tmp_path,
        )
        assert process.stdout
        lines = [process.stdout.readline().strip() for _ in range(6 + attempt)]  # at least five have been added
        time.sleep(0.005 * attempt)
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].split()
        added = {line for line in lines if len(line) == 12}
        deleted = {line[1:] for line in lines if line.startswith("-")}
        with Library(tmp_path) as library:
            kept = {info.id for info in everything(library)}
            for id_ in kept:
                library.latent(id_)
            assert library.warnings == []
        assert not deleted & kept
        # The last one may have been on its way out.
        assert len(added - deleted - kept) <= 1
        reported = (reported | added) - deleted
        assert len(reported - kept) <= attempt + 1
        leftovers = {file.suffix for file in (tmp_path / "latents").iterdir()} - {".safetensors"}
        assert not leftovers - {""}, "only young temporary files may be left"
    assert len(reported) > 10


def everything(library: Library) -> list[EmbeddingInfo]:
    found: list[EmbeddingInfo] = []
    token = ""
    while True:
        page = library.list(limit=500, page_token=token)
        found += page.embeddings
        if not (token := page.next_page_token):
            return found


def test_a_finished_file_without_a_row_is_adopted_and_an_old_unfinished_one_swept(tmp_path: Path) -> None:
    sample = embedding(1)
    with Library(tmp_path) as library:
        library.add(sample)
    (tmp_path / "index.sqlite3").unlink()
    young, old = tmp_path / "latents" / ".tmp-young", tmp_path / "latents" / ".tmp-old"
    for file in (young, old):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    with Library(tmp_path) as library:
        assert library.get(sample.id) == sample
    assert young.exists()
    assert not old.exists()


def test_a_deletion_that_was_interrupted_is_ended(tmp_path: Path) -> None:
    sample = embedding(1)
    with Library(tmp_path) as library:
        library.add(sample)
    file = tmp_path / "latents" / f"{sample.id}.safetensors"
    file.rename(file.with_suffix(".deleted"))
    with Library(tmp_path) as library:
        assert library.list().embeddings == ()
    assert list(file.parent.iterdir()) == []


@posix_only
@pytest.mark.parametrize("room", [300, 3000])
def test_a_full_disk_is_reported_and_changes_nothing(tmp_path: Path, room: int) -> None:
    sample = embedding(1)
    with Library(tmp_path) as library:
        library.add(sample)
    # No file may grow beyond `room` bytes: the latent file fails at 300, the one with a big thumbnail at 3000.
    text = output(
        start(
            "import resource\n"
            "from latentlayers.errors import LatentLayersError\n"
            "library = Library(Path(sys.argv[1]))\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))\n"
            "try:\n"
            "    library.add(embedding(2, thumbnail=bytes(4000)))\n"
            "except LatentLayersError as error:\n"
            "    print(error.reason, error.kind.value, len(library.list().embeddings))\n",
            tmp_path,
            room,
        )
    )
    assert text.split() == ["DISK_FULL", "RESOURCE_EXHAUSTED", "1"]
    assert [file.stem for file in (tmp_path / "latents").iterdir()] == [sample.id]
    with Library(tmp_path) as library:
        assert [info.id for info in library.list().embeddings] == [sample.id]
        library.add(embedding(2))


@posix_only
def test_a_library_on_a_disk_without_any_room_left_can_still_be_read(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text('mount -t tmpfs -o size=3m none "$1" && exec "$2" -c "$3" "$1"\n')
    disk = tmp_path / "disk"
    disk.mkdir()
    program = (
        "import sys; from pathlib import Path\n"
        "from latentlayers.errors import LatentLayersError\n"
        "from latentlayers.library import *\nfrom library_samples import *\n"
        "folder = Path(sys.argv[1])\n"
        "kept = []\n"
        "with Library(folder) as library:\n"
        "    try:\n"
        "        for n in range(10_000):\n"
        "            library.add(sample := embedding(n, thumbnail=bytes(20_000)))\n"
        "            kept.append(sample.id)\n"
        "    except LatentLayersError as error:\n"
        "        print(error.reason)\n"
        "    assert {i.id for i in library.list(limit=500).embeddings} == set(kept[-500:])\n"
        "with Library(folder) as library:\n"
        "    assert {i.id for i in library.list(limit=500).embeddings} == set(kept[-500:])\n"
        "    assert library.latent(kept[-1]) and not library.warnings\n"
        "    for id_ in kept[:20]:\n"
        "        library.delete(id_)\n"
        "    library.add(embedding(1))\n"
        "    print('works again')\n"
    )
    shell = ["unshare", "--mount", "sh", str(script), str(disk), sys.executable, program]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent / "daemon")])
    try:
        done = subprocess.run(
            shell, capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": path}
        )
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("may not mount a small disk here")
    assert done.stdout.split("\n")[:2] == ["DISK_FULL", "works again"], done.stdout + done.stderr


def test_two_processes_write_and_read_at_once(tmp_path: Path) -> None:
    add = (
        "library = Library(Path(sys.argv[1]))\n"
        "for n in range(60):\n"
        "    library.add(embedding(n))\n"
        "    library.latent(library.list(limit=5).embeddings[-1].id)\n"
        "print(len(library.warnings))\n"
    )
    processes = [start(add, tmp_path) for _ in range(2)]
    with Library(tmp_path) as library:
        while any(process.poll() is None for process in processes):
            for info in library.list(limit=20).embeddings:
                assert library.latent(info.id)
    assert [output(process).split() for process in processes] == [["0"]] * 2
    with Library(tmp_path) as library:
        assert len(everything(library)) == 120


@pytest.mark.parametrize("damage", ["garbage", "middle", "cut", "missing table"])
def test_a_damaged_index_is_put_aside_and_rebuilt_from_the_latents(tmp_path: Path, damage: str) -> None:
    samples = {(sample := embedding(n, thumbnail=os.urandom(3000))).id: sample for n in range(30)}
    with Library(tmp_path) as library:
        for sample in samples.values():
            library.add(sample)
    index = tmp_path / "index.sqlite3"
    content = index.read_bytes()
    if damage == "garbage":
        index.write_bytes(b"this is not a database" * 500)
    elif damage == "middle":
        index.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    elif damage == "cut":
        index.write_bytes(content[: len(content) // 2])
    else:
        with sqlite3.connect(index) as db:
            db.execute("DROP TABLE embeddings")
        db.close()
    with Library(tmp_path) as library:
        assert {info.id for info in everything(library)} == set(samples)
        assert all(library.get(id_) == sample for id_, sample in samples.items())
        assert len(library.warnings) == 1
    assert len(list(tmp_path.glob("index.sqlite3.corrupt-*"))) == 1


def test_an_index_damaged_or_replaced_while_open_is_noticed(tmp_path: Path) -> None:
    sample = embedding(1)
    with Library(tmp_path) as front:
        front.add(sample)
        (tmp_path / "index.sqlite3").unlink()
        for extra in ("-wal", "-shm"):
            (tmp_path / f"index.sqlite3{extra}").unlink(missing_ok=True)
        with Library(tmp_path) as worker:
            worker.add(other := embedding(2))
        assert {info.id for info in front.list().embeddings} == {sample.id, other.id}


@posix_only
def test_an_index_damaged_under_two_open_libraries_is_rebuilt_once(tmp_path: Path) -> None:
    Library(tmp_path).close()
    with Library(tmp_path) as front, Library(tmp_path) as worker:
        for n in range(100):  # enough for the write-ahead log to have been folded in
            worker.add(embedding(n, thumbnail=bytes(3000)))
        for file in tmp_path.glob("index.sqlite3*"):
            file.write_bytes(os.urandom(file.stat().st_size))
        assert {len(everything(front)), len(everything(worker))} == {100}
        assert sorted([len(front.warnings), len(worker.warnings)]) == [0, 1]
    assert len(list(tmp_path.glob("index.sqlite3.corrupt-*"))) == 1


@pytest.mark.parametrize("damage", [b"", b"short", bytes(5000), None])
def test_a_damaged_latent_is_reported_and_troubles_no_one_else(tmp_path: Path, damage: bytes | None) -> None:
    sample, other = embedding(1), embedding(2)
    library = Library(tmp_path)
    library.add(sample)
    library.add(other)
    file = tmp_path / "latents" / f"{sample.id}.safetensors"
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    error = refused(library.get, sample.id)
    assert (error.reason, error.kind.value) == ("FILE_CORRUPT", "DATA_LOSS")
    assert {info.id for info in library.list().embeddings} == {sample.id, other.id}
    assert library.find(sample.key) is None
    assert library.get(other.id) == other
    library.add(again := embedding(1, id=new_id()))
    assert library.find(sample.key) == again
    library.delete(sample.id)


def test_one_changed_bit_in_a_latent_is_noticed(tmp_path: Path) -> None:
    sample = embedding(1)
    library = Library(tmp_path)
    library.add(sample)
    file = tmp_path / "latents" / f"{sample.id}.safetensors"
    content = bytearray(file.read_bytes())
    content[content.index(sample.ws.values) + 5] ^= 1
    file.write_bytes(content)
    assert refused(library.get, sample.id).reason == "FILE_CORRUPT"


def test_a_library_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Library(tmp_path).close()
    with sqlite3.connect(tmp_path / "index.sqlite3") as db:
        db.execute("INSERT INTO migrations VALUES (99, 0)")
    db.close()
    assert refused(Library, tmp_path).reason == "LIBRARY_TOO_NEW"


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert refused(Library, tmp_path / "file" / "library").reason == "LIBRARY_WRITE_FAILED"
