"""A web server for tests: serves bytes, and misbehaves as it is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PIECE = 16 << 10


@dataclass
class Served:
    """One file, and what the server does wrong about it.

    Attributes:
        etag, modified: sent as ETag and Last-Modified; "" is not sent.
        ranges: whether it sends parts; if_range: whether it looks at If-Range before it does.
        cuts: how many bytes of the body each of the next connections sends before it breaks.
        hold_after: how many bytes are sent before it goes quiet until the server ends; None: it does not.
        length: what it says the whole file has; None: the truth; -1: nothing.
        refusals: (status, headers, body) to answer with before it serves the file.
    """

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    hold_after: int | None = None
    length: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    refusals: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)


class FileServer(ThreadingHTTPServer):
    """Serves `files` by path; it is its own forward proxy, too.

    Attributes:
        requests: (what was asked for, headers in lower case), in order; whole addresses if it was used as a proxy.
    """

    daemon_threads = True
    files: dict[str, Served]

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.files, self.requests, self.ending = {}, [], threading.Event()

    requests: list[tuple[str, Mapping[str, str]]]

    @property
    def root(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def serve(self, path: str, content: bytes, **settings: object) -> Served:
        """Puts a file at `path`, which begins with a slash."""
        self.files[path] = Served(content, **settings)  # type: ignore[arg-type]
        return self.files[path]

    def ranges(self) -> list[str]:
        """The Range header of every request; "" if there was none."""
        return [headers.get("range", "") for _, headers in self.requests]


@contextmanager
def file_server(tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    server = FileServer(tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the console."""

    def do_GET(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.server.requests.append((self.path, headers))
        served = self.server.files.get(urlsplit(self.path).path)
        self.close_connection = True
        if served is None:
            self._answer(404, {}, b"nothing here")
        elif served.refusals:
            self._answer(*served.refusals.pop(0))
        else:
            self._serve(served, headers)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._head(status, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def _serve(self, served: Served, headers: Mapping[str, str]) -> None:
        size = len(served.content)
        start = self._start(served, headers)
        known = {"ETag": served.etag, "Last-Modified": served.modified, **served.headers}
        sent = {key: value for key, value in known.items() if value}
        if start is not None and start >= size:
            self._answer(416, {**sent, "Content-Range": f"bytes */{size}"}, b"")
            return
        body = served.content[start or 0 :]
        total = size if served.length is None else served.length
        if total >= 0:
            sent["Content-Length"] = str(total - (start or 0))
        if start is not None:
            sent["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._head(200 if start is None else 206, sent)
        self._send(served, body)

    def _start(self, served: Served, headers: Mapping[str, str]) -> int | None:
        """Where the part that was asked for begins; None: the whole file is to be sent."""
        asked = headers.get("range", "")
        if not served.ranges or not asked:
            return None
        same = headers.get("if-range", served.etag) in (served.etag, served.modified)
        return int(asked.removeprefix("bytes=").removesuffix("-")) if same or not served.if_range else None

    def _send(self, served: Served, body: bytes) -> None:
        cut = served.cuts.pop(0) if served.cuts else len(body)
        hold = len(body) if served.hold_after is None else served.hold_after
        try:
            end = min(cut, hold, len(body))
            for begin in range(0, end, PIECE):
                self.wfile.write(body[begin : min(begin + PIECE, end)])
            self.wfile.flush()
            if served.hold_after is not None and hold <= cut:
                self.server.ending.wait()
        except OSError:  # the caller has gone
            pass

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Connection", "close")
        self.end_headers()
