"""Which deletion and which addition are one artifact that moved?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tasks.artifacts import Kind
from tasks.plan import Action, Change, Held
from tasks.requests import Side

#: What makes two halves one: target, kind, and the text without its id and namespace lines
#: (flows), or the bytes (the rest).
_Likeness = tuple[Side, Kind, str]


def with_moves(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes with `moved_to` on each deletion that has an addition like it.

    One addition takes one deletion, in the order of keys. Deletions that are held back because
    their namespace is protected are paired as well: the move then creates and keeps.
    """
    additions: dict[_Likeness, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda one: one.key):
        if change.action is Action.ADD and (like := _likeness(change)) is not None:
            additions[like].append(change)
    moved: dict[object, str] = {}
    for change in sorted(changes, key=lambda one: one.key):
        like = _likeness(change) if _leaves(change) else None
        if like is not None and additions[like]:
            moved[change.key] = str(additions[like].pop(0).key)
    return tuple(
        change.model_copy(update={"moved_to": moved[change.key]}) if change.key in moved else change
        for change in changes
    )


def _leaves(change: Change) -> bool:
    return change.action is Action.DELETE or change.held is Held.PROTECTED


def _likeness(change: Change) -> _Likeness | None:
    if change.kind is Kind.FLOW:
        return (change.target, change.kind, change.body) if change.body else None
    found = change.after if change.action is Action.ADD else change.before
    return (change.target, change.kind, found) if found else None
