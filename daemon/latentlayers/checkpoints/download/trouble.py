"""What can go wrong on the way to a file, in words; and which of it is worth another try.

`where` is always an address as `address.shown` gives it.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from latentlayers import atomic
from latentlayers.errors import Exhausted, InvalidInput, LatentLayersError, NotFound, PreconditionFailed, Unavailable

MOST_WAIT_S = 120.0  # a server that asks for more patience than this ends the download
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class TryAgain(Exception):
    """Something that may be gone the next time.

    Args:
        error: what to say if it is not.
        pause_s: how long the server asked to wait; None: it did not.
    """

    def __init__(self, error: LatentLayersError, pause_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.pause_s = error, pause_s


def check_status(response: httpx.Response, where: str) -> None:
    """Does nothing if the server answers with (a part of) the file.

    Raises:
        TryAgain: it is overloaded. NotFound: DOWNLOAD_NOT_FOUND. PreconditionFailed: DOWNLOAD_REFUSED.
        Exhausted: DOWNLOAD_QUOTA, it wants to be left alone for longer than `MOST_WAIT_S`.
    """
    status = response.status_code
    if status in (200, 206, 416):
        return
    said = f"{where} answers {status} {response.reason_phrase}".rstrip()
    if status in _PASSING:
        pause = _retry_after(response)
        error = Exhausted("DOWNLOAD_QUOTA", f"{said}.", "Try again later, or use a mirror.", retry_after=pause)
        if pause is not None and pause > MOST_WAIT_S:
            raise error
        raise TryAgain(error if status == 429 else failed(said), pause)
    if status in (404, 410):
        raise NotFound("DOWNLOAD_NOT_FOUND", f"{said}: the file is not there.", "Check the address, or use a mirror.")
    raise refused(said, "Look at the address in a browser; a login may be needed. A downloaded file can be added too.")


def failed(what: str) -> Unavailable:
    """The network, or the server, did not do it."""
    return Unavailable(
        "DOWNLOAD_FAILED",
        f"The download failed: {what}.",
        "Check the network (and HTTPS_PROXY or LATENTLAYERS_PROXY); the same command goes on where it stopped.",
    )


def refused(what: str, remedy: str) -> PreconditionFailed:
    return PreconditionFailed("DOWNLOAD_REFUSED", f"{what}.", remedy)


def too_large(where: str, limit: int) -> InvalidInput:
    return InvalidInput(
        "DOWNLOAD_TOO_LARGE", f"{where} has more than {limit} bytes.", "No checkpoint is that large: check the address."
    )


def wrong_size(where: str, size: int, expected: int) -> PreconditionFailed:
    return PreconditionFailed(
        "DOWNLOAD_SIZE_WRONG",
        f"{where} has {size} bytes instead of {expected}: it is another file.",
        "Use another mirror, or the file's own address.",
    )


def wrong_hash(where: str, sha256: str, expected: str) -> PreconditionFailed:
    return PreconditionFailed(
        "DOWNLOAD_HASH_WRONG",
        f"{where} has the sha256 {sha256} instead of {expected}; it was deleted.",
        "Try again; if that gives the same, the file is not the one that was meant.",
    )


def bad_proxy(error: Exception) -> InvalidInput:
    return InvalidInput("PROXY_INVALID", f"The proxy is not usable: {error!s:.200}.", "Write http://HOST:PORT.")


def no_room(folder: Path, needed: int = 0) -> Exhausted:
    amount = f"{needed / 1e6:.0f} MB" if needed else "the download"
    return Exhausted(
        "DISK_FULL",
        f"There is no room for {amount} in {folder}.",
        "Free some space; the same command goes on where it stopped.",
    )


@contextmanager
def network(where: str) -> Iterator[None]:
    """Within this block the HTTP library's exceptions become ours.

    Raises:
        TryAgain: the connection could not be made, broke, or went quiet.
        Unavailable: CERTIFICATE_REFUSED, PROXY_REFUSED. InvalidInput: SOURCE_INVALID.
    """
    try:
        yield
    except httpx.ProxyError as error:
        raise Unavailable(
            "PROXY_REFUSED", f"The proxy refuses: {error!s:.200}.", "Correct HTTPS_PROXY or LATENTLAYERS_PROXY."
        ) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InvalidInput("SOURCE_INVALID", f"{where} is not an address: {error!s:.200}.", "Correct it.") from error
    except httpx.TimeoutException as error:
        raise TryAgain(failed(f"{where} went quiet")) from error
    except httpx.HTTPError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise Unavailable(
                "CERTIFICATE_REFUSED",
                f"The certificate of {where} is not trusted.",
                "Behind a company proxy, set SSL_CERT_FILE to its certificate and restart the daemon.",
            ) from error
        raise TryAgain(failed(f"{where}: {str(error) or type(error).__name__:.200}")) from error


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """Within this block a full disk is DISK_FULL, and other trouble with `folder` LIBRARY_WRITE_FAILED."""
    try:
        yield
    except OSError as error:
        if atomic.no_room(error):
            raise no_room(folder) from error
        raise LatentLayersError(
            "LIBRARY_WRITE_FAILED", f"{folder} cannot be written to: {error.strerror}.", "Make it writable for you."
        ) from error


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; the header holds these or a date."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value[:9])
    with suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None
