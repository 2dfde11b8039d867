"""How many slots of one worker may the jobs of one server take? Some are kept free of it, so that
a server that stalls holds up nobody who asks another one.

A place is one locked byte of a file, which the kernel frees when its process dies. Such a lock is
the process's: a child of a worker runs one job at a time.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Bytes between the places of two servers: more than a worker has slots.
_STEP = 1 << 10


def share(slots: int, *, doubtful: bool) -> int:
    """The slots that one of several servers may take of so many: three quarters while it answers,
    a quarter while it is in doubt; one at least."""
    kept = max(1, slots // 4)
    return max(1, kept if doubtful else slots - kept)


class Slots:
    """The places of one worker, whose jobs run in children of one process; `file` may be shared by
    all workers."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._worker = f"{socket.gethostname()}/{os.getppid()}"

    @contextmanager
    def taken(self, server: str, limit: int) -> Iterator[bool]:
        """A place of this server's `limit` for the time of the block; False where all are taken."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield any(_locked(descriptor, self._start(server) + n) for n in range(limit))
        finally:
            os.close(descriptor)

    def _start(self, server: str) -> int:
        named = hashlib.sha256(f"{self._worker} {server}".encode()).digest()
        return int.from_bytes(named[:6]) * _STEP


def _locked(descriptor: int, byte: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except OSError:
        return False
    return True
