"""Addresses and names of downloads, the hashes known of them, and the catalogue."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints import catalogue
from latentlayers.checkpoints.download.address import model_name, shown, to_fetch
from latentlayers.checkpoints.download.hashes import KnownHashes
from latentlayers.errors import LatentLayersError, NotFound

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@pytest.mark.parametrize(
    "link",
    [
        "https://drive.google.com/file/d/1MEGjdvV-_X/view?usp=sharing",
        "https://drive.google.com/open?id=1MEGjdvV-_X",
        "https://drive.google.com/uc?export=download&id=1MEGjdvV-_X",
    ],
)
def test_links_to_google_drive_lead_to_the_file(link: str) -> None:
    assert to_fetch(link) == "https://drive.usercontent.google.com/download?id=1MEGjdvV-_X&export=download&confirm=t"
    assert model_name(link) == "drive-1MEGjdvV"


def test_messages_show_no_secrets() -> None:
    assert shown("https://me:secret@host:8443/a/b.pkl?token=secret#secret") == "https://host:8443/a/b.pkl"


@given(st.text(max_size=100))
@settings(deadline=None, max_examples=100)
def test_every_address_gives_a_name_a_model_may_have(last: str) -> None:
    assert MODEL_NAME.fullmatch(model_name(f"https://host/{last}"))


def test_hashes_are_remembered_and_compared(tmp_path: Path) -> None:
    known = KnownHashes(tmp_path / "hashes.json")
    known.check("https://host/x.pkl", "a")
    assert known.record("https://host/x.pkl", "a")
    again = KnownHashes(tmp_path / "hashes.json")
    assert not again.record("https://host/x.pkl", "a")
    again.check("https://host/x.pkl", "a")
    with pytest.raises(LatentLayersError) as caught:
        again.check("https://host/x.pkl", "b")
    assert caught.value.reason == "DOWNLOAD_CHANGED"
    (tmp_path / "hashes.json").write_text("damaged")
    again.check("https://host/x.pkl", "b")


def test_the_catalogue_is_consistent() -> None:
    entries = catalogue.entries()
    assert len({entry.name for entry in entries}) == len(entries)
    assert len({entry.url for entry in entries}) == len(entries)
    for entry in entries:
        assert MODEL_NAME.fullmatch(entry.name)
        assert "." not in entry.name  # or the command would take it for a file
        assert entry.url == to_fetch(entry.url) or "drive.google" in entry.url
        assert entry.url.startswith("https://")
        assert entry.licence_url.startswith("https://")
        assert entry.licence
        assert len(entry.sha256) in (0, 64)
        assert bool(entry.sha256) <= bool(entry.note)
        assert entry.address("http://mirror/a/") == f"http://mirror/a/{entry.file}"
    assert {entry.family for entry in entries} == {"stylegan1", "stylegan2", "stylegan3", "vgg16"}


def test_an_unknown_name_is_answered_with_names_that_are_alike() -> None:
    with pytest.raises(NotFound) as caught:
        catalogue.find("fhq-1024")
    assert caught.value.reason == "CATALOGUE_UNKNOWN"
    assert "ffhq-1024" in caught.value.remedy


def test_the_front_imports_neither_torch_nor_the_http_library() -> None:
    code = "import sys, latentlayers.service.downloads; print({'torch', 'httpx', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
