"""Which calls does a server get? A reverse proxy on this machine that writes them down."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urlsplit

#: Seconds that the server behind may take for one answer.
PATIENCE = 120.0
#: Headers of one connection, which are not passed on.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True)
class Passed:
    """One call that went through; `path` begins after `/api/v1`."""

    method: str
    path: str
    query: str
    status: int

    @property
    def writes(self) -> bool:
        """Whether it may have changed something: every call but reads and validations."""
        return self.method != "GET" and not self.path.endswith("/validate")

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f"?{self.query}" if self.query else "")


class Proxy:
    """Passes on what it gets at `url` to the server at `target`, byte for byte."""

    def __init__(self, target: str) -> None:
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.target = urlsplit(target)
        self._http.passed = self._passed = []
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def log(self) -> list[Passed]:
        """The calls since the last `reset_log`, oldest first."""
        return list(self._passed)

    def reset_log(self) -> None:
        """Forgets the calls."""
        self._passed.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    target: SplitResult
    passed: list[Passed]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of the proxy's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _upstream: http.client.HTTPConnection | None = None

    def do_GET(self) -> None:
        self._pass_on()

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """The list of the proxy takes its place."""

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        response = self._asked(body)
        content = response.read()
        parts = urlsplit(self.path)
        path = unquote(parts.path).partition("/api/v1")[2]
        self.server.passed.append(Passed(self.command, path, unquote(parts.query), response.status))
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send_response_only(response.status, response.reason)
            for name, value in self._kept(response.getheaders()):
                self.send_header(name, value)
            if response.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def _asked(self, body: bytes) -> http.client.HTTPResponse:
        target = self.server.target
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(
                target.hostname or "", target.port, timeout=PATIENCE
            )
        headers = dict(self._kept(self.headers.items()))
        self._upstream.request(
            self.command, target.path.rstrip("/") + self.path, body or None, headers
        )
        return self._upstream.getresponse()

    @staticmethod
    def _kept(headers: Any) -> Iterator[tuple[str, str]]:
        return ((name, value) for name, value in headers if name.lower() not in _HOP)
