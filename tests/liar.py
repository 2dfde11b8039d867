"""A server that answers what a test wants it to, whatever HTTP or Kestra allow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and the pieces of the body, sent as they are. `length` is what the header
    says of it; None: the body ends with the connection."""

    body: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(slots=True)
class Liar:
    """Answers each GET and POST by `answers`, called with the path and its query."""

    url: str
    answers: Callable[[str], Answer]
    asked: list[str] = field(default_factory=list)


@contextmanager
def liar(answers: Callable[[str], Answer]) -> Iterator[Liar]:
    """Serves until the block ends."""
    served = Liar("", answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            answer = served.answers(self.path)
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.length is not None:
                self.send_header("Content-Length", str(answer.length))
            self.end_headers()
            with suppress(ConnectionError):
                for piece in answer.body:
                    self.wfile.write(piece)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
