"""Downloads: whole, gone on with after any break, and refused for what they are not."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, file_server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from latentlayers.checkpoints.download.fetch import Download, DownloadSettings, Progress
from latentlayers.checkpoints.download.partial import LEFTOVER_AGE_S, sweep
from latentlayers.errors import LatentLayersError

CONTENT = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(310_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as running:
        yield running


class Fetcher:
    """Downloads from `server` into `folder`."""

    def __init__(self, server: FileServer, folder: Path) -> None:
        self.server, self.folder = server, folder

    def __call__(self, path: str = "/model.pkl", *, size: int = 0, sha256: str = "", **changes: Any) -> Download:
        """A download that has run to its end."""
        self.events: list[Progress] = []
        download = self.download(path, size, sha256, **changes)

        async def run() -> None:
            async for progress in download.run():
                self.events.append(progress)

        asyncio.run(run())
        return download

    def download(self, path: str = "/model.pkl", size: int = 0, sha256: str = "", **changes: Any) -> Download:
        address = path if "://" in path else self.server.root + path
        given = DownloadSettings(**{"pause_s": 0.001, "tries": 3, "idle_s": 10.0, **changes})
        return Download(address, self.folder, given, size=size, sha256=sha256)

    def cancelled(self, after: int) -> Download:
        """A download that was given up once `after` bytes were there."""
        download = self.download()

        async def run() -> None:
            steps = download.run()
            async for progress in steps:
                if progress.bytes >= after:
                    break
            await steps.aclose()

        asyncio.run(run())
        return download

    def refusal(self, path: str = "/model.pkl", **arguments: Any) -> LatentLayersError:
        with pytest.raises(LatentLayersError) as caught:
            self(path, **arguments)
        assert caught.value.remedy
        return caught.value

    def kept(self) -> list[str]:
        return sorted(file.name for file in self.folder.iterdir())


@pytest.fixture
def fetch(server: FileServer, tmp_path: Path) -> Fetcher:
    return Fetcher(server, tmp_path / "downloads")


def test_a_file_arrives_whole_and_progress_ends_at_its_size(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT)
    done = fetch(size=len(CONTENT), sha256=SHA256)
    assert done.file.read_bytes() == CONTENT
    assert done.sha256 == SHA256
    assert [event.phase for event in fetch.events if event.phase != "downloading"] == ["connecting", "checking"]
    sizes = [event.bytes for event in fetch.events]
    assert sizes == sorted(sizes)
    assert (fetch.events[-1].bytes, fetch.events[-1].total) == (len(CONTENT), len(CONTENT))


def test_a_connection_that_breaks_is_gone_on_with(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, cuts=[100_000, 50_000])
    assert fetch().file.read_bytes() == CONTENT
    assert server.ranges() == ["", "bytes=100000-", "bytes=150000-"]
    assert server.requests[1][1]["if-range"] == '"one"'
    assert fetch.events[-1].attempt == 3


def test_a_cancelled_download_is_gone_on_with_by_the_next(server: FileServer, fetch: Fetcher) -> None:
    served = server.serve("/model.pkl", CONTENT, hold_after=120_000)
    have = fetch.cancelled(after=1).file.stat().st_size
    assert 0 < have <= 120_000
    served.hold_after = None
    assert fetch().file.read_bytes() == CONTENT
    assert server.ranges()[-1] == f"bytes={have}-"
    assert fetch.events[0].bytes == have


def test_what_is_complete_is_not_downloaded_again(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT)
    fetch()
    assert fetch().file.read_bytes() == CONTENT
    assert server.ranges() == ["", f"bytes={len(CONTENT)}-"]
    assert not any(event.phase == "downloading" for event in fetch.events)


def test_a_server_that_sends_no_parts_starts_over(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, cuts=[100_000], ranges=False)
    assert fetch().file.read_bytes() == CONTENT


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changed_meanwhile_is_never_spliced(server: FileServer, fetch: Fetcher, if_range: bool) -> None:
    server.serve("/model.pkl", CONTENT, hold_after=120_000)
    fetch.cancelled(after=1)
    server.serve("/model.pkl", OTHER, etag='"two"', if_range=if_range)
    assert fetch().file.read_bytes() == OTHER


def test_without_anything_to_tell_versions_apart_only_a_known_hash_allows_going_on(
    server: FileServer, fetch: Fetcher
) -> None:
    server.serve("/model.pkl", CONTENT, etag="", cuts=[100_000])
    assert fetch().file.read_bytes() == CONTENT
    assert server.ranges() == ["", ""]
    server.requests.clear()
    server.serve("/known.pkl", CONTENT, etag="", cuts=[100_000])
    assert fetch("/known.pkl", sha256=SHA256).file.read_bytes() == CONTENT
    assert server.ranges() == ["", "bytes=100000-"]


@given(
    cuts=st.lists(st.integers(0, 4000), max_size=2),
    early=st.integers(0, 3000),
    etags=st.sampled_from([('"a"', '"b"'), ('W/"a"', 'W/"b"'), ("", "")]),
    dates=st.sampled_from([("Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"), ("", "")]),
    ranges=st.booleans(),
    changes=st.booleans(),
)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_server_does_the_result_is_one_version_of_the_file(
    server: FileServer,
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int],
    early: int,
    etags: tuple[str, str],
    dates: tuple[str, str],
    ranges: bool,
    changes: bool,
) -> None:
    fetch = Fetcher(server, tmp_path_factory.mktemp("downloads"))
    server.serve("/model.pkl", CONTENT[:4000], etag=etags[0], modified=dates[0], cuts=[early], ranges=ranges)
    fetch.refusal(tries=1)
    now = int(changes)
    content = (CONTENT[:4000], OTHER[:4100])[now]
    server.serve("/model.pkl", content, etag=etags[now], modified=dates[now], cuts=list(cuts), ranges=ranges)
    assert fetch().file.read_bytes() == content


@pytest.mark.parametrize("said", [len(CONTENT) + 5, len(CONTENT) - 5])
def test_a_file_of_another_size_than_expected_is_refused_before_it_is_downloaded(
    server: FileServer, fetch: Fetcher, said: int
) -> None:
    server.serve("/model.pkl", CONTENT)
    assert fetch.refusal(size=said).reason == "DOWNLOAD_SIZE_WRONG"
    assert not fetch.kept()
    server.serve("/model.pkl", CONTENT, length=-1)
    assert fetch.refusal(size=said).reason == "DOWNLOAD_SIZE_WRONG"
    assert not fetch.kept()


def test_a_server_that_always_ends_early_is_given_up(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, length=len(CONTENT) + 10)
    error = fetch.refusal()
    assert error.reason == "DOWNLOAD_FAILED"
    assert len(server.requests) == 3


def test_a_wrong_hash_deletes_the_file(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", OTHER)
    error = fetch.refusal(sha256=SHA256)
    assert error.reason == "DOWNLOAD_HASH_WRONG"
    assert SHA256 in error.message
    assert not fetch.kept()


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>", "DOWNLOAD_NOT_A_FILE"),
        (b"  <html><body>Quota exceeded</body></html>", "DOWNLOAD_QUOTA"),
        (b"<p>Too many users have viewed or downloaded this file recently.", "DOWNLOAD_QUOTA"),
        (b"<html><form id=download-form action=https://elsewhere.invalid/x></form>", "DOWNLOAD_NOT_A_FILE"),
    ],
)
def test_a_web_page_is_not_taken_for_a_checkpoint(server: FileServer, fetch: Fetcher, page: bytes, reason: str) -> None:
    server.serve("/model.pkl", page, headers=HTML)
    error = fetch.refusal()
    assert error.reason == reason
    assert ("Sign in" in error.message) == (b"Sign in" in page)
    assert not fetch.kept()


def test_google_drives_question_is_answered(server: FileServer, fetch: Fetcher) -> None:
    page = (
        b'<!DOCTYPE html><form id="download-form" action="/download" method="get"><input type="hidden" name="id" '
        b'value="A b"><input type=hidden name="confirm" value="t"><input type="submit" value="Download anyway"></form>'
    )
    server.serve("/uc", page, headers=HTML, ranges=False)
    server.serve("/download", CONTENT, cuts=[100_000])
    assert fetch("/uc?id=A").file.read_bytes() == CONTENT
    assert server.requests[1][0] == "/download?id=A+b&confirm=t"
    assert server.ranges() == ["", "", "bytes=100000-", "bytes=100000-"]


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (404, {}, "DOWNLOAD_NOT_FOUND"),
        (403, {}, "DOWNLOAD_REFUSED"),
        (401, {}, "DOWNLOAD_REFUSED"),
        (429, {}, "DOWNLOAD_QUOTA"),
        (429, {"Retry-After": "86400"}, "DOWNLOAD_QUOTA"),
        (429, {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"}, "DOWNLOAD_QUOTA"),
        (500, {}, "DOWNLOAD_FAILED"),
    ],
)
def test_refusals_of_the_server_are_told_apart(
    server: FileServer, fetch: Fetcher, status: int, headers: dict[str, str], reason: str
) -> None:
    server.serve("/model.pkl", CONTENT, refusals=[(status, headers, b"no")] * 3)
    error = fetch.refusal()
    assert error.reason == reason
    assert (error.retry_after is not None) == bool(headers)
    patient = status in (429, 500) and not headers
    assert len(server.requests) == (3 if patient else 1)


def test_a_busy_server_is_asked_again(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, refusals=[(503, {}, b""), (429, {"Retry-After": "0"}, b"")])
    assert fetch().file.read_bytes() == CONTENT
    assert fetch.events[-1].attempt == 3


def test_redirects_are_followed_and_parts_asked_for_behind_them(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/far/model.pkl", CONTENT, cuts=[100_000])
    server.serve("/model.pkl", b"", refusals=[(302, {"Location": "/far/model.pkl"}, b"x" * 1000)] * 2)
    assert fetch().file.read_bytes() == CONTENT
    assert server.ranges() == ["", "", "bytes=100000-", "bytes=100000-"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/model.pkl"])
def test_redirects_do_not_lead_elsewhere_or_round_and_round(server: FileServer, fetch: Fetcher, target: str) -> None:
    server.serve("/model.pkl", CONTENT, refusals=[(302, {"Location": target}, b"")] * 100)
    assert fetch.refusal().reason == "DOWNLOAD_REFUSED"
    assert not fetch.kept()


@pytest.mark.parametrize("length", [None, -1])
def test_a_file_larger_than_any_checkpoint_is_refused(server: FileServer, fetch: Fetcher, length: int | None) -> None:
    server.serve("/model.pkl", CONTENT, length=length)
    assert fetch.refusal(most_bytes=100_000).reason == "DOWNLOAD_TOO_LARGE"
    assert not fetch.kept()


def test_a_full_disk_is_noticed_before_anything_is_downloaded(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, length=1 << 60)
    error = fetch.refusal(most_bytes=1 << 62)
    assert error.reason == "DISK_FULL"
    assert not fetch.kept()


def test_a_folder_that_cannot_be_made_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    server.serve("/model.pkl", CONTENT)
    assert Fetcher(server, tmp_path / "file" / "downloads").refusal().reason == "LIBRARY_WRITE_FAILED"


def test_a_server_that_goes_quiet_is_given_up_and_what_came_is_kept(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, hold_after=50_000)
    assert fetch.refusal(idle_s=0.1, tries=1).reason == "DOWNLOAD_FAILED"
    assert fetch.download().file.stat().st_size == 50_000


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with file_server() as gone:
        fetch = Fetcher(gone, tmp_path)
    error = fetch.refusal()
    assert error.reason == "DOWNLOAD_FAILED"
    assert "127.0.0.1" in error.message


def test_a_compressed_answer_is_refused(server: FileServer, fetch: Fetcher) -> None:
    server.serve("/model.pkl", CONTENT, headers={"Content-Encoding": "gzip"})
    assert fetch.refusal().reason == "DOWNLOAD_REFUSED"
    assert server.requests[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_a_proxy_is_used(server: FileServer, fetch: Fetcher, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve("/model.pkl", CONTENT)
    if by == "environment":
        monkeypatch.setenv("HTTP_PROXY", server.root)
    proxy = server.root if by == "setting" else ""
    assert fetch("http://models.invalid/model.pkl", proxy=proxy).file.read_bytes() == CONTENT
    assert server.requests[0][0] == "http://models.invalid/model.pkl"


def test_a_proxy_that_refuses_or_is_none_is_named(server: FileServer, fetch: Fetcher) -> None:
    assert fetch.refusal("https://models.invalid/model.pkl", proxy=server.root).reason == "PROXY_REFUSED"
    assert fetch.refusal("https://models.invalid/model.pkl", proxy="gopher://x").reason == "PROXY_INVALID"


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://host/model.pkl", "http://", "http:///x", "https://[::1", "http://h:99999/", "x://y"],
)
def test_only_web_addresses_are_downloaded_from(fetch: Fetcher, address: str) -> None:
    assert fetch.refusal(address).reason == "SOURCE_INVALID"


def test_downloads_that_were_given_up_are_swept(server: FileServer, fetch: Fetcher) -> None:
    for path in ("/old.pkl", "/young.pkl", "/spared.pkl"):
        server.serve(path, CONTENT)
        fetch(path)
    old, spared = fetch.download("/old.pkl").file, fetch.download("/spared.pkl").file
    for file in (old, spared):
        os.utime(file, (0, time.time() - LEFTOVER_AGE_S - 10))
    assert len(fetch.kept()) == 6
    sweep(fetch.folder, spare=[spared])
    assert not old.exists()
    assert len(fetch.kept()) == 4
