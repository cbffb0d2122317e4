"""The library: adding, finding, listing, deleting and importing embeddings."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.library import Latent, Library, embedding_key
from library_samples import MODEL, ROWS, WIDTH, embedding, latent
from typed_errors import refused

ROOT = Path(__file__).parents[1]


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
        env=os.environ | {"PYTHONPATH": str(ROOT / "daemon")},
    )
    assert done.stdout.strip() == "[]"
