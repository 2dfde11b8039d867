"""Which changes one call made, so that a write can be answered 200 and lost all the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_changes: ContextVar[list[tuple[str, Callable[[], None]]] | None] = ContextVar(
    "changes", default=None
)


def note(key: str, undo: Callable[[], None]) -> None:
    """Tell the journal of the call under way that `key` changed and how to take it back."""
    changes = _changes.get()
    if changes is not None:
        changes.append((key, undo))


@contextmanager
def losing(pattern: str | None) -> Iterator[None]:
    """Take back, when the block ends, all its changes whose key matches `pattern`."""
    if pattern is None:
        yield
        return
    changes: list[tuple[str, Callable[[], None]]] = []
    token = _changes.set(changes)
    try:
        yield
    finally:
        _changes.reset(token)
        for key, undo in reversed(changes):
            if re.search(pattern, key):
                undo()
