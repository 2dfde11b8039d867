"""Which connection does a request go out on? A few, each lent to one thread at a time."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import httpx


class Connections:
    """Up to `size` connections of one process to one server; safe to use from many threads.

    Every connection is an HTTP client of its own. One client shared by threads loses answers: its
    pool asks whether an idle connection was closed while another thread begins to use it, takes
    the answer of that thread for the end, and closes it (seen with httpcore 1.0.9).
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._process = 0
        self._idle: list[httpx.Client] = []
        self._places = threading.BoundedSemaphore(size)

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

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        """Reading them takes about 20 ms, so all connections share them."""
        return httpx.create_ssl_context()

    def _new(self) -> httpx.Client:
        return httpx.Client(
            verify=self._certificates,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            headers={"User-Agent": "tenantsync"},
        )

    def _give_back(self, client: httpx.Client, idle: list[httpx.Client]) -> None:
        with self._lock:
            kept = idle is self._idle
            if kept:
                idle.append(client)
        if not kept:
            client.close()
