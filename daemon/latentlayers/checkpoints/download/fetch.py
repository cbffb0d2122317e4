"""One file from the network to the disk: gone on with where it stopped, checked, and never spliced from two versions.

RFC 9110: `Range` (14.2), `If-Range` (13.1.5), 206 and `Content-Range` (15.3.7, 14.4), 416 (15.5.17).
"""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

import certifi
import httpx

from latentlayers import __version__
from latentlayers.checkpoints.download import trouble
from latentlayers.checkpoints.download.address import shown, to_fetch
from latentlayers.checkpoints.download.page import MOST_PAGE_BYTES, confirmed, is_page, page_error
from latentlayers.checkpoints.download.partial import Partial, Version
from latentlayers.checkpoints.download.trouble import TryAgain
from latentlayers.checkpoints.header import digest
from latentlayers.checkpoints.refusals import MAX_FILE_BYTES
from latentlayers.errors import LatentLayersError

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and those may hold secrets

Phase = Literal["connecting", "downloading", "checking"]

CONNECT_S = 15.0
REPORT_S = 0.2
MOST_HOPS = 10  # redirects and confirmations
MOST_PAUSE_S = 30.0
HEADROOM = 64 << 20  # bytes left free on the disk
HEADWAY = 1 << 20  # a try that brought this many bytes was not in vain
_WRONG = {"DOWNLOAD_TOO_LARGE", "DOWNLOAD_SIZE_WRONG", "DOWNLOAD_HASH_WRONG"}
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(\d{1,18})")


@dataclass(frozen=True)
class DownloadSettings:
    """How patient to be, and which way to go.

    Attributes:
        tries: in a row that bring nothing, before giving up.
        pause_s: before the second try; doubled before each further one.
        idle_s: how long a server may send nothing.
        most_bytes: the largest file.
        proxy: "" leaves it to the environment (HTTPS_PROXY, NO_PROXY and so on).
    """

    tries: int = 5
    pause_s: float = 1.0
    idle_s: float = 30.0
    most_bytes: int = MAX_FILE_BYTES
    proxy: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a download is.

    Attributes:
        bytes, total: so far, and of the whole file; a total of 0 is not known.
        eta_s: seconds left; None: not known.
        attempt: which connection this is, from 1.
    """

    phase: Phase
    bytes: int
    total: int
    eta_s: float | None
    attempt: int


class Download:
    """A download that is run once; what it leaves in `folder` serves the next one of the same address.

    Args:
        address: http or https, or a link to a file on Google Drive.
        size, sha256: what the file must have; 0 and "" where that is not known.

    Attributes:
        file: where it is once `run` has ended; whoever needs it no more calls `discard`.
        sha256: of the file, in hex, once `run` has ended.

    Raises:
        InvalidInput: SOURCE_INVALID.
    """

    def __init__(
        self, address: str, folder: Path, settings: DownloadSettings, *, size: int = 0, sha256: str = ""
    ) -> None:
        self._address = to_fetch(address)
        self._where = shown(address)
        self._folder, self._settings = folder, settings
        self._size, self._expected = size, sha256
        self._partial = Partial(folder, self._address)
        self.file, self.discard = self._partial.file, self._partial.discard
        self.sha256 = ""

    async def run(self) -> AsyncGenerator[Progress, None]:
        """Downloads and checks. Cancelling keeps what came so far.

        Raises:
            Unavailable: DOWNLOAD_FAILED after all tries, CERTIFICATE_REFUSED, PROXY_REFUSED.
            NotFound: DOWNLOAD_NOT_FOUND. Exhausted: DISK_FULL, DOWNLOAD_QUOTA.
            PreconditionFailed: DOWNLOAD_REFUSED, DOWNLOAD_SIZE_WRONG, DOWNLOAD_HASH_WRONG.
            InvalidInput: SOURCE_INVALID, PROXY_INVALID, DOWNLOAD_TOO_LARGE, DOWNLOAD_NOT_A_FILE.
            LatentLayersError: LIBRARY_WRITE_FAILED.
        """
        with trouble.disk(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._useless_if_wrong():
            async with self._client() as client, aclosing(self._tries(client)) as steps:
                async for progress in steps:
                    yield progress
            await self._check()

    async def _tries(self, client: httpx.AsyncClient) -> AsyncGenerator[Progress, None]:
        """One connection after the other, until the file is whole or nothing comes any more. Raises as `run`."""
        attempt, in_vain, whole = 0, 0, False
        while not whole:
            attempt += 1
            before = self._partial.size
            yield self._progress("connecting", attempt)
            try:
                async with aclosing(self._try(client, attempt)) as steps:
                    async for progress in steps:
                        yield progress
                whole = True
            except TryAgain as again:
                in_vain = 1 if self._partial.size >= before + HEADWAY else in_vain + 1
                if in_vain >= self._settings.tries:
                    raise again.error from again
                pause = min(self._settings.pause_s * 2 ** (in_vain - 1), MOST_PAUSE_S)
                await asyncio.sleep(pause if again.pause_s is None else again.pause_s)
        yield self._progress("checking", attempt)

    async def _try(self, client: httpx.AsyncClient, attempt: int) -> AsyncGenerator[Progress, None]:
        """One connection; ends once the file is whole. Raises TryAgain, and as `run`."""
        with trouble.network(self._where):
            async with self._answer(client) as (response, body):
                version = _version(response)
                with trouble.disk(self._folder):
                    file = self._open(response, version)
                if file is None:
                    return
                with file:
                    arrived, began, reported = 0, time.monotonic(), 0.0
                    async for chunk in body:
                        with trouble.disk(self._folder):
                            await asyncio.to_thread(file.write, chunk)
                        arrived += len(chunk)
                        self._check_size(file.tell(), at_most=True)
                        now = time.monotonic()
                        if now >= reported + REPORT_S:
                            reported = now
                            speed = arrived / max(now - began, 1e-3)
                            yield self._progress("downloading", attempt, file.tell(), version.total, speed)
        have = self._partial.size
        if have > version.total > 0:
            self.discard()
        if have != (version.total or have):
            raise TryAgain(trouble.failed(f"{self._where} sent {have} bytes of {version.total}"))
        yield self._progress("downloading", attempt, total=have)

    @asynccontextmanager
    async def _answer(self, client: httpx.AsyncClient) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[bytes]]]:
        """The answer that brings the file, and its body; redirects and pages that ask for a confirmation are behind."""
        headers = self._range()
        request = client.build_request("GET", self._address, headers=headers)
        # Not the library's own following of redirects, which reads the bodies on the way, however long.
        for _ in range(MOST_HOPS):
            self._check_hop(request.url)
            response = await client.send(request, stream=True)
            try:
                if response.next_request is not None:
                    request = response.next_request
                    continue
                trouble.check_status(response, self._where)
                body = response.aiter_raw()
                first = await anext(body, b"")
                if response.status_code != 200 or not is_page(first, response.headers.get("content-type", "")):
                    yield response, _chain(first, body)
                    return
                page = await _read(_chain(first, body), MOST_PAGE_BYTES)
                onward = confirmed(page, str(response.url))
                if onward is None:
                    raise page_error(page, self._address)
                request = client.build_request("GET", onward, headers=headers)
            finally:
                await response.aclose()
        raise trouble.refused(f"{self._where} leads from one address to the next", "Use the file's own address.")

    def _range(self) -> dict[str, str]:
        """Asks for the rest, if there is a beginning and a way to notice that it is another version's."""
        have, validator = self._partial.size, self._partial.version.validator
        if not have or not (validator or self._expected):
            return {}
        return {"Range": f"bytes={have}-", **({"If-Range": validator} if validator else {})}

    def _open(self, response: httpx.Response, version: Version) -> BinaryIO | None:
        """The file to write the answer to; None if everything is there already."""
        partial = self._partial
        if version.total:
            self._check_size(version.total)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise trouble.refused(f"{self._where} sends the file compressed ({encoding:.40})", "Use another mirror.")
        if response.status_code == 200:
            self._check_room(version.total)
            return partial.begin(version)
        same = not partial.version.contradicts(version)
        if same and response.status_code == 416 and partial.size == version.total:
            return None
        if same and response.status_code == 206 and partial.size == _content_range(response)[0]:
            self._check_room(version.total - partial.size)
            return partial.go_on()
        partial.discard()
        raise TryAgain(trouble.failed(f"{self._where} does not send the part that was asked for"))

    @contextmanager
    def _useless_if_wrong(self) -> Iterator[None]:
        """Deletes what came if it turns out to be of another file: going on with it would bring no other."""
        try:
            yield
        except LatentLayersError as error:
            if error.reason in _WRONG:
                self.discard()
            raise

    def _check_hop(self, url: httpx.URL) -> None:
        """Refuses to be led to local files, or from an encrypted connection to one that is not."""
        allowed = ("https",) if self._address.startswith("https:") else ("http", "https")
        if url.scheme not in allowed:
            raise trouble.refused(
                f"{self._where} leads to an address that begins with {url.scheme:.20}:", "Use another source."
            )

    def _check_size(self, size: int, *, at_most: bool = False) -> None:
        """Raises unless a whole file of `size` bytes, or with `at_most` this much of one, is what is expected."""
        if size > self._settings.most_bytes:
            raise trouble.too_large(self._where, self._settings.most_bytes)
        if self._size and (size > self._size or (size < self._size and not at_most)):
            raise trouble.wrong_size(self._where, size, self._size)

    def _check_room(self, needed: int) -> None:
        if needed + HEADROOM > shutil.disk_usage(self._folder).free:
            raise trouble.no_room(self._folder, needed)

    async def _check(self) -> None:
        """Size and hash of the finished file."""
        self._check_size(self._partial.size)
        self.sha256 = await asyncio.to_thread(digest, self.file)
        if self._expected not in ("", self.sha256):
            raise trouble.wrong_hash(self._where, self.sha256, self._expected)

    def _progress(
        self, phase: Phase, attempt: int, have: int | None = None, total: int | None = None, speed: float = 0.0
    ) -> Progress:
        have = self._partial.size if have is None else have
        total = self._partial.version.total or self._size if total is None else total
        return Progress(phase, have, total, (total - have) / speed if total and speed else None, attempt)

    def _client(self) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                proxy=self._settings.proxy or None,
                verify=_certificates(),
                timeout=httpx.Timeout(self._settings.idle_s, connect=CONNECT_S),
                headers={"user-agent": f"latentlayers/{__version__}", "accept-encoding": "identity"},
            )
        except (ValueError, httpx.InvalidURL) as error:
            raise trouble.bad_proxy(error) from error


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """The system's, which a company's proxy needs, and certifi's, which some systems lack."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _version(response: httpx.Response) -> Version:
    """What the answer says about the file as a whole."""
    headers = response.headers
    etag = headers.get("etag", "")
    total = _content_range(response)[1]
    if response.status_code == 200:
        total = int(headers.get("content-length", 0))  # the library has checked that it is a number
    return Version("" if etag.startswith("W/") else etag, headers.get("last-modified", ""), total)


def _content_range(response: httpx.Response) -> tuple[int | None, int]:
    """(first byte, bytes of the whole file); None and 0 where the answer does not say."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None:
        return None, 0
    return int(found[1]) if found[1] else None, int(found[2])


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in rest:
        yield chunk


async def _read(body: AsyncIterator[bytes], limit: int) -> bytes:
    """The first `limit` bytes, roughly."""
    data = bytearray()
    async for chunk in body:
        data += chunk
        if len(data) >= limit:
            break
    return bytes(data)
