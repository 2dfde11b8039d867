"""A hostile http server: it says back every login that it is given, in many forms."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import quote


class Reflector:
    """Listens at `url` and answers every request that logs in by `status` and by a text, in JSON or
    plain, which holds the login; others are asked to log in. `told` lists what it said."""

    def __init__(self, status: int = 403, filler: str = "") -> None:
        self.status = status
        #: Stands before the login in every answer.
        self.filler = filler
        #: Where every request is redirected to, below which the login is written; None = nowhere.
        self.redirect: str | None = None
        self.told: list[str] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.reflector = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def said_back(header: str) -> Iterator[str]:
    """What a login header holds, in the forms in which programs show it."""
    kind, _, value = header.partition(" ")
    yield header
    yield f"{kind}%20{quote(value, safe='')}"
    user, secret = "", value
    if kind.lower() == "basic":
        user, _, secret = base64.b64decode(value).decode().partition(":")
    yield f"user {user} password {secret}"
    yield from (quote(secret, safe=""), quote(secret, safe="").lower(), secret.upper())
    yield from (json.dumps({"token": secret}), secret.encode().hex())
    yield base64.b64encode(secret.encode()).decode()
    for spelt in (secret, quote(secret, safe="")):
        yield f"https://{user}:{spelt}@example.org/"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """What it said is listed in `told`."""

    def _answer(self) -> None:
        owner: Reflector = self.server.reflector  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        who = "Proxy" if self.command == "CONNECT" else "WWW"
        sent = self.headers.get("Proxy-Authorization" if who == "Proxy" else "Authorization")
        if token := self.headers.get("X-Amz-Security-Token"):
            sent = f"Bearer {token}"
        if sent is None:
            asked = {f"{who}-Authenticate": 'Basic realm="here"'}
            return self._send(407 if who == "Proxy" else 401, b"", asked)
        words = [*said_back(sent)]
        owner.told += words
        headers = {"X-Said": quote(sent, safe=" =/+")}
        if owner.redirect is not None:
            return self._send(302, b"", {"Location": f"{owner.redirect}/{quote(words[2])}"})
        return self._send(owner.status, self._body(owner.filler + "; ".join(words)), headers)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_CONNECT = _answer

    def _body(self, text: str) -> bytes:
        """As object stores, Kestra and the forges say it, or as git shows it to people."""
        if "X-Amz-Security-Token" in self.headers:
            said = f"<Code>AccessDenied</Code><Message>{html.escape(text)}</Message>"
            return f"<Error>{said}</Error>".encode()
        if "git-" in self.path:
            return text.encode()
        errors = [{"path": "login", "message": text}]
        rule = {"protected": True, "effective_branch_protection_name": text}
        return json.dumps({"message": text, "_embedded": {"errors": errors}, **rule}).encode()

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        kinds = {b"{": "application/json", b"<": "application/xml"}
        kind = kinds.get(body[:1], "text/plain; charset=utf-8")
        sized = {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in {**headers, **sized}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
