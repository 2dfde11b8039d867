"""Which connection does a request go out on? A few, each lent to one thread at a time."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tasks import tls
from tasks.channel import channel
from tasks.connections import KestraConnection


class Connections:
    """As many connections of one process to one server as it may have; safe for many threads.

    Every connection is an HTTP client of its own. One client shared by threads loses answers: its
    pool asks whether an idle connection was closed while another thread begins to use it, takes
    the answer of that thread for the end, and closes it (seen with httpcore 1.0.9).
    """

    def __init__(self, connection: KestraConnection) -> None:
        self._connection, self._size = connection, connection.connections
        self._lock = threading.Lock()
        self._process = 0
        self._idle: list[httpx.Client] = []
        self._places = threading.BoundedSemaphore(self._size)
        self._certificates: tuple[tuple[int | None, ...], ssl.SSLContext] | None = None

    @contextmanager
    def one(self, patience: float) -> Iterator[httpx.Client]:
        """A connection for one request. Raises httpx.PoolTimeout when all are in use for
        `patience` seconds."""
        places, idle = self._of_this_process()
        if not places.acquire(timeout=patience):
            raise httpx.PoolTimeout("all connections are in use")
        try:
            with self._lock:
                client = idle.pop() if idle else self._new()
            try:
                yield client
            except BaseException:
                client.close()
                raise
            self._give_back(client, idle)
        finally:
            places.release()

    def close(self) -> None:
        """Closes the connections that are not in use, and the others when they come back."""
        with self._lock:
            idle, self._idle = self._idle, []
        if self._process == os.getpid():
            for client in idle:
                client.close()

    def _of_this_process(self) -> tuple[threading.BoundedSemaphore, list[httpx.Client]]:
        with self._lock:
            if self._process != os.getpid():
                # A forked process must not speak on the sockets of its parent.
                self._process = os.getpid()
                self._idle = []
                self._places = threading.BoundedSemaphore(self._size)
            return self._places, self._idle

    def _context(self) -> ssl.SSLContext:
        """Reading certificates takes about 20 ms, so all connections share them until a file is
        renewed."""
        stamp = tls.stamp(self._connection)
        if self._certificates is None or self._certificates[0] != stamp:
            self._certificates = stamp, tls.context(self._connection)
        return self._certificates[1]

    def _new(self) -> httpx.Client:
        return channel(self._connection, self._connection.url, self._context())

    def _give_back(self, client: httpx.Client, idle: list[httpx.Client]) -> None:
        with self._lock:
            kept = idle is self._idle
            if kept:
                idle.append(client)
        if not kept:
            client.close()
