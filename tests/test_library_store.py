"""The library on disk: what it keeps, and what kills, full disks, damage and other processes cannot do to it."""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.errors import LatentLayersError
from latentlayers.library import EmbeddingInfo, Latent, Library, embedding_key, new_id
from library_samples import MODEL, ROWS, WIDTH, embedding, latent

TESTS = Path(__file__).parent
posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


def refused(call: object, *args: object, **options: object) -> LatentLayersError:
    with pytest.raises(LatentLayersError) as caught:
        call(*args, **options)  # type: ignore[operator]
    assert caught.value.remedy
    return caught.value


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


def test_what_was_added_is_there_after_reopening(tmp_path: Path) -> None:
    sample = embedding(1, psnr=None)
    with Library(tmp_path) as library:
        library.add(sample)
    with Library(tmp_path) as library:
        assert library.get(sample.id) == sample
        assert library.latent(sample.id) == sample.ws
        assert library.find(sample.key) == sample
        assert library.info(sample.id[:6]) == library.list().embeddings[0]
        assert library.warnings == []


def test_find_gives_the_newest_of_equal_keys_and_nothing_for_unknown_ones(tmp_path: Path) -> None:
    library = Library(tmp_path)
    old, new = embedding(1, created=1000.0), embedding(1, created=2000.0)
    library.add(new)
    library.add(old)
    assert library.find(old.key) == new
    assert library.find("00" * 32) is None


def test_ids_are_found_by_unique_prefixes_only(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for id_ in ("aaaaaa000001", "aaaaaa000002", "bbbbbb000001"):
        library.add(embedding(1, id=id_))
    assert library.get("BBBBBB").id == "bbbbbb000001"
    assert library.get("aaaaaa000002").id == "aaaaaa000002"
    for id_ in ("aaaaaa", "bbbbb", "cccccc", "../../etc/passwd", "%", ""):
        assert refused(library.get, id_).reason == "EMBEDDING_UNKNOWN"


def test_listing_pages_newest_first_by_model_and_stays_stable_while_others_add(tmp_path: Path) -> None:
    library = Library(tmp_path)
    samples = [embedding(n, created=float(n // 2), model="even" if n % 2 == 0 else "odd") for n in range(11)]
    for sample in samples:
        library.add(sample)
    seen: list[str] = []
    token = ""
    while True:
        page = library.list(limit=3, page_token=token)
        seen += [info.id for info in page.embeddings]
        library.add(embedding(99, created=1000.0, model="later"))
        if not (token := page.next_page_token):
            break
    assert seen == [s.id for s in sorted(samples, key=lambda s: (s.created, s.id), reverse=True)]
    assert {info.model for info in library.list(model="odd").embeddings} == {"odd"}
    assert not hasattr(page.embeddings[0], "ws")
    for bad in ("nonsense", "bm9uc2Vuc2U=", "ä"):
        assert refused(library.list, page_token=bad).reason == "PAGE_TOKEN_INVALID"


def test_deleted_embeddings_are_gone_for_good(tmp_path: Path) -> None:
    sample, other = embedding(1), embedding(2)
    with Library(tmp_path) as library:
        library.add(sample)
        library.add(other)
        library.delete(sample.id[:8])
        assert refused(library.delete, sample.id).reason == "EMBEDDING_UNKNOWN"
    with Library(tmp_path) as library:
        assert [info.id for info in library.list().embeddings] == [other.id]
        assert [file.stem for file in (tmp_path / "latents").iterdir()] == [other.id]


def test_latents_that_are_not_finite_or_of_the_wrong_size_are_not_kept(tmp_path: Path) -> None:
    library = Library(tmp_path)
    broken = np.zeros((ROWS, WIDTH), "f4")
    broken[2, 3] = np.nan
    assert refused(library.add, embedding(ws=Latent(broken.tobytes(), ROWS, WIDTH))).reason == "LATENT_NOT_FINITE"
    assert refused(library.add, embedding(ws=Latent(b"1234", ROWS, WIDTH))).reason == "LATENT_SHAPE"
    assert library.list().embeddings == ()


def test_an_id_that_could_leave_the_folder_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="12 hex digits"):
        embedding(id="../escape")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=8), max_size=4), st.lists(st.binary(max_size=8), max_size=4))
def test_keys_are_equal_exactly_when_the_chunks_are(one: list[bytes], two: list[bytes]) -> None:
    settings_ = {"preset": "fast", "steps": 3}
    assert (embedding_key(one, settings_) == embedding_key(two, settings_)) == (one == two)
    assert embedding_key(one, {"steps": 3, "preset": "fast"}) == embedding_key(one, settings_)
    assert embedding_key(one, {"steps": 4, "preset": "fast"}) != embedding_key(one, settings_)


def test_importing_an_export_restores_it_under_its_id_and_never_twice(tmp_path: Path) -> None:
    sample = embedding(3)
    with Library(tmp_path / "one") as one, Library(tmp_path / "two") as two:
        one.add(sample)
        file = one.export(sample.id, "safetensors")
        assert file.file_name == f"picture-3-{sample.id[:6]}.safetensors"
        (restored,) = two.import_(file.data, MODEL)
        assert (restored.id, restored.ws, restored.name) == (sample.id, sample.ws, sample.name)
        assert restored.thumbnail == sample.thumbnail
        assert two.import_(file.data, MODEL) == (restored,)
        assert one.import_(file.data, MODEL) == (sample,)
        # A file cannot claim to be the embedding of pixels it never saw.
        assert two.find(sample.key) is None


def test_importing_an_export_whose_id_is_taken_gives_it_a_new_one(tmp_path: Path) -> None:
    sample = embedding(3)
    library = Library(tmp_path / "one")
    library.add(sample)
    data = library.export(sample.id).data
    library.delete(sample.id)
    library.add(embedding(4, id=sample.id))
    (restored,) = library.import_(data, MODEL)
    assert restored.id != sample.id
    assert restored.ws == sample.ws
    assert library.get(sample.id).ws == latent(4)


def test_importing_several_latents_names_them_in_order(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((3, ROWS, WIDTH), "f4")
    buffer = io.BytesIO()
    np.savez(buffer, w=array)
    library = Library(tmp_path)
    found = library.import_(buffer.getvalue(), MODEL, name="{faces}")
    assert [item.name for item in found] == ["{faces} 1", "{faces} 2", "{faces} 3"]
    assert [item.psnr for item in found] == [None] * 3
    assert library.import_(buffer.getvalue(), MODEL) == found
    assert len(library.list().embeddings) == 3


def test_a_latent_of_another_model_is_refused(tmp_path: Path) -> None:
    library = Library(tmp_path)
    library.add(other := embedding(1, model="other", model_digest="cd" * 32))
    assert refused(library.import_, library.export(other.id).data, MODEL).reason == "LATENT_MODEL_MISMATCH"


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
        lines = [process.stdout.readline().strip()]
        time.sleep(0.15 + 0.11 * attempt)
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


def test_the_library_stays_small_in_memory_without_numpy_and_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from latentlayers.library import Library, ModelStore\nfrom latentlayers.paths import Paths\n"
        "paths = Paths.under(Path(sys.argv[1]))\n"
        "paths.ensure()\n"
        "Library(paths.library).list(), ModelStore(paths).list()\n"
        "print(sorted({'numpy', 'torch', 'PIL', 'safetensors'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(TESTS.parent / "daemon")},
    )
    assert done.stdout.strip() == "[]"
