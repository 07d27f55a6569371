"""A web server on this machine that misbehaves as it is told."""

import contextlib
import dataclasses
import http.server
import threading
from collections.abc import Iterator
from typing import Any

PAGE = b"<!DOCTYPE html><title>Login</title>"


@dataclasses.dataclass
class Server:
    """What a server has and does; a test changes it at any time.

    Attributes:
        content: The file, under every address; or files by address, from "/" on.
        etag: Its entity tag; None to send none.
        modified: Its date; None to send none.
        knows_range: Whether it sends parts of the file.
        cuts: Bytes of the file after which connections are cut, one each.
        statuses: Answers to give first, one each: 503, or (503, headers).
        page: Answer with a web page instead of the file; its type, or None for no.
        heeds_if_range: Whether it compares the condition of a part with the file.
        on_cut: Called before each cut.
        sent: Bytes of the file that were sent, one number for each connection.
        asked: Headers of each request, with the address as "path".
    """

    content: Any
    etag: str | None = '"one"'
    modified: str | None = None
    knows_range: bool = True
    cuts: list[int] = dataclasses.field(default_factory=list)
    statuses: list = dataclasses.field(default_factory=list)
    page: str | None = None
    heeds_if_range: bool = True
    on_cut: object = lambda: None
    sent: list[int] = dataclasses.field(default_factory=list)
    asked: list[dict[str, str]] = dataclasses.field(default_factory=list)
    url: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        self.asked.append({**request.headers, "path": request.path})
        if self.statuses:
            status = self.statuses.pop(0)
            status, headers = status if isinstance(status, tuple) else (status, {})
            _send_head(request, status, {"Content-Length": 0, **headers})
            return
        if self.page:
            headers = {"Content-Type": self.page, "Content-Length": len(PAGE)}
            _send_head(request, 200, headers)
            request.wfile.write(PAGE)
            return
        content, start = self.content, 0
        if isinstance(content, dict):
            content = content[request.path]
        headers = {"ETag": self.etag, "Last-Modified": self.modified}
        condition = request.headers.get("If-Range")
        holds = condition in (None, *headers.values()) or not self.heeds_if_range
        if self.knows_range and holds and "Range" in request.headers:
            start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                _send_head(request, 416, {"Content-Length": 0})
                return
            end = f"{len(content) - 1}/{len(content)}"
            headers["Content-Range"] = f"bytes {start}-{end}"
        headers["Content-Length"] = len(content) - start
        _send_head(request, 206 if "Content-Range" in headers else 200, headers)
        cut = len(content)
        if self.cuts and self.cuts[0] > start:
            cut = self.cuts.pop(0)
        # Before the last byte goes: who has it all may look at once.
        self.sent.append(cut - start)
        request.wfile.write(content[start:cut])
        if cut < len(content):
            self.on_cut()
            request.close_connection = True


def _send_head(request, status, headers):
    request.send_response(status)
    for name, value in headers.items():
        if value is not None:
            request.send_header(name, str(value))
    request.end_headers()


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Runs a server; its address, which ends with a slash, is its `url`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as running:
        thread = threading.Thread(
            target=running.serve_forever, args=(0.01,), daemon=True
        )
        thread.start()
        server.url = f"http://localhost:{running.server_port}/"
        try:
            yield server
        finally:
            running.shutdown()
            thread.join()
