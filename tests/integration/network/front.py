"""A TLS server before a plain one: real certificates, and clients without one turned away."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Front:
    """Takes TLS connections at `url` and passes their bytes to the server at `behind`.

    `refused` counts the connections whose handshake failed, on either side's wish.
    """

    def __init__(self, behind: str, context: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        parts = urlsplit(behind)
        self._behind = (parts.hostname or "", parts.port or 80)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"https://{host}:{self._listener.getsockname()[1]}"
        self.refused = 0
        self.taken = 0
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            one.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            with client, self._handshake(client) as secure:
                self.taken += 1
                with socket.create_connection(self._behind, 10) as server:
                    self._open.add(server)
                    back = threading.Thread(target=pump, args=(server, secure), daemon=True)
                    back.start()
                    pump(secure, server)
                    back.join()
                    self._open.discard(server)
        except OSError:  # SSLError is one
            pass
        finally:
            self._open.discard(client)

    def _handshake(self, client: socket.socket) -> ssl.SSLSocket:
        try:
            return self._context.wrap_socket(client, server_side=True)
        except OSError:
            self.refused += 1
            with suppress(OSError):  # read what was sent, else a reset overtakes the alert
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass
            raise


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until one end closes."""
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
