"""Which test may use a real server now? One at a time: they share its only tenant."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Waits until no other process of this machine holds the server, and holds it."""
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"tenantsync-tests-{name}.lock"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
