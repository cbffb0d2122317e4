"""Web pages that come instead of a file: logins, quota messages, and Google Drive's question before large files."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from latentlayers.checkpoints.download.address import shown
from latentlayers.errors import Exhausted, InvalidInput, LatentLayersError

MOST_PAGE_BYTES = 256 << 10
_STARTS = (b"<!doctype html", b"<html")
_QUOTA = ("quota exceeded", "too many users have viewed or downloaded")
_CONFIRM_FORM = "download-form"


def is_page(start: bytes, content_type: str) -> bool:
    """Whether a body that starts so is HTML. The type alone proves nothing: some servers call everything text/html."""
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith(_STARTS) or (content_type.startswith("text/html") and start.startswith(b"<"))


def confirmed(page: bytes, address: str) -> str | None:
    """The address of the file itself if the page only asks whether one is sure; None if it asks nothing."""
    form = _Page(page)
    if form.action is None:
        return None
    target = urljoin(address, form.action)
    if urlsplit(target)[:2] != urlsplit(address)[:2]:
        return None
    return f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(form.fields)}"


def page_error(page: bytes, address: str) -> LatentLayersError:
    """What to say about a page that is no way to the file: DOWNLOAD_QUOTA or DOWNLOAD_NOT_A_FILE."""
    text = page.decode(errors="replace").lower()
    if any(words in text for words in _QUOTA):
        return Exhausted(
            "DOWNLOAD_QUOTA",
            f"{shown(address)} has been downloaded too often today.",
            "Try again tomorrow, or use a mirror.",
        )
    title = _Page(page).title.strip()
    return InvalidInput(
        "DOWNLOAD_NOT_A_FILE",
        f"{shown(address)} is a web page{f' ({title:.80})' if title else ''}, not a checkpoint.",
        "Copy the address of the download link itself. If a login is needed, download in the browser and add the file.",
    )


class _Page(HTMLParser):
    """The few things of interest: title, and Drive's form with its hidden fields."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.title, self.action, self.fields = "", None, {}
        self._in_title = self._in_form = False
        self.feed(page.decode(errors="replace"))

    title: str
    action: str | None
    fields: dict[str, str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_title = tag == "title"
        if tag == "form" and given.get("id") == _CONFIRM_FORM:
            self._in_form, self.action = True, given.get("action") or ""
        elif tag == "input" and self._in_form and given.get("name"):
            self.fields[given["name"] or ""] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        self._in_form &= tag != "form"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
