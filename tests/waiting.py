"""Waiting for a state, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], limit: float = 60) -> T:
    """What `look` gives as soon as it is true; fails naming `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {limit:g} s: {what}")
