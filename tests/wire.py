"""A wire to a server of this machine that changes what it answers, or is cut at a word."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Change = Callable[[bytes], bytes]


class Wire:
    """Listens at `port` and passes everything on; `change` is done to each piece of an answer, and
    with `tls` clients must speak it."""

    def __init__(
        self,
        server: int,
        change: Change = lambda answer: answer,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._change, self._tls = server, change, tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._word, self._answered, self._spared = b"", False, 0
        #: How often it was cut.
        self.cuts = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, word: bytes, *, answered: bool, spared: int = 0) -> None:
        """The next connection that says `word`, but for the first `spared` of them, is cut: before
        the server hears of it, or with `answered` when the server has answered it, which nobody
        hears."""
        with self._lock:
            self._word, self._answered, self._spared = word, answered, spared

    def spare(self) -> None:
        """Nothing more is cut."""
        self.cut(b"", answered=False)

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def _serve_one(self, client: socket.socket) -> None:
        with (
            suppress(OSError),
            client,
            socket.create_connection(("127.0.0.1", self._server)) as server,
        ):
            near = self._tls.wrap_socket(client, server_side=True) if self._tls else client
            with near:
                deaf = threading.Event()
                asks = threading.Thread(target=self._ask, args=(near, server, deaf), daemon=True)
                asks.start()
                self._answer(server, near, deaf)

    def _ask(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while piece := client.recv(1 << 16):
                if self._strikes(piece):
                    if not self._answered:
                        break
                    deaf.set()
                server.sendall(piece)
            else:
                server.shutdown(socket.SHUT_WR)
                return
            for end in (server, client):
                end.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while (piece := server.recv(1 << 16)) and not deaf.is_set():
                client.sendall(self._change(piece))
        # To close it would not end the connection as long as the other thread reads from it.
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _strikes(self, piece: bytes) -> bool:
        with self._lock:
            if not self._word or self._word not in piece:
                return False
            if self._spared:
                self._spared -= 1
                return False
            self._word, self.cuts = b"", self.cuts + 1
            return True


@contextmanager
def between(
    port: int,
    change: Change = lambda answer: answer,
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """The port of a wire to `port` of this machine."""
    wire = Wire(port, change, tls)
    try:
        yield wire.port
    finally:
        wire.close()


def shifted(seconds: int) -> Change:
    """Shifts the answer of Redis to TIME: an array of two texts, the first with the ten digits of
    the seconds."""

    def change(answer: bytes) -> bytes:
        return re.sub(
            rb"\*2\r\n\$10\r\n(\d{10})\r\n",
            lambda match: b"*2\r\n$10\r\n%d\r\n" % (int(match[1]) + seconds),
            answer,
        )

    return change
