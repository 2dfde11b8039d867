"""Which changes one call made: they are logged, and a write can be answered 200 and lost all the
same."""

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
def journal(losing: str | None = None) -> Iterator[list[str]]:
    """The keys of all changes that the block makes, in order, once it has ended; those that match
    the pattern `losing` are taken back then, and stay in the list."""
    changes: list[tuple[str, Callable[[], None]]] = []
    keys: list[str] = []
    token = _changes.set(changes)
    try:
        yield keys
    finally:
        _changes.reset(token)
        keys += [key for key, _ in changes]
        for key, undo in reversed(changes):
            if losing is not None and re.search(losing, key):
                undo()
