"""An http proxy of a company: it wants a login, refuses hosts, and counts what goes through it."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from tests.integration.network.front import pump

_HEAD = 64 * 1024


class Proxy:
    """Listens at `url`; takes CONNECT and plain requests (one for each connection).

    `tunnels` and `forwarded` list the `host:port` of what went through, `refused` the status of
    what did not, `heads` everything that clients sent before a tunnel was open.
    """

    def __init__(
        self,
        login: tuple[str, str] | None = None,
        closed: tuple[str, ...] = (),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._login = login and base64.b64encode(":".join(login).encode()).decode()
        #: Hosts that are not let through.
        self.closed = closed
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.tunnels: list[str] = []
        self.forwarded: list[str] = []
        self.refused: list[int] = []
        self.heads: list[bytes] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if self._context is None:
                return self._answer(client)
            with self._context.wrap_socket(client, server_side=True) as secure:
                return self._answer(secure)

    def _answer(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        self.heads.append(head)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        connect = method == "CONNECT"
        parts = urlsplit(f"//{target}" if connect else target)
        host, port = parts.hostname or "", parts.port or 80
        if not self._logged_in(head):
            return self._refuse(client, 407, "Proxy-Authenticate: Basic realm=proxy\r\n")
        if host in self.closed:
            return self._refuse(client, 403)
        try:
            server = socket.create_connection((host, port), 10)
        except OSError:
            return self._refuse(client, 502)
        with server:
            if connect:
                self.tunnels.append(f"{host}:{port}")
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                self.forwarded.append(f"{host}:{port}")
                server.sendall(_to_origin(head, parts.path, parts.query))
            server.sendall(rest)
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()
        return None

    def _logged_in(self, head: bytes) -> bool:
        wanted = f"Proxy-Authorization: Basic {self._login}".lower()
        return self._login is None or wanted in head.decode().lower()

    def _refuse(self, client: socket.socket, status: int, more: str = "") -> None:
        self.refused.append(status)
        client.sendall(
            f"HTTP/1.1 {status} No\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    read = b""
    while b"\r\n\r\n" not in read:
        chunk = client.recv(_HEAD)
        if not chunk:
            raise ConnectionError
        read += chunk
    head, rest = read.split(b"\r\n\r\n", 1)
    return head + b"\r\n\r\n", rest


def _to_origin(head: bytes, path: str, query: str) -> bytes:
    """The head as the server gets it: its own path, no word for the proxy, one request alone."""
    first, *lines = head.decode().rstrip().split("\r\n")
    method = first.split(" ")[0]
    kept = [one for one in lines if not one.lower().startswith(("proxy-", "connection:"))]
    asked = f"{method} {path or '/'}{f'?{query}' if query else ''} HTTP/1.1"
    return "\r\n".join([asked, *kept, "Connection: close", "", ""]).encode()
