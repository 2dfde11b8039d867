"""Which deletion and which addition are one artifact that moved?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from tasks.artifacts import Key, Kind
from tasks.plan import Action, Change, Held
from tasks.requests import Side

#: What makes two halves one: target, kind, and the text without its id and namespace lines
#: (flows), or the bytes (the rest).
_Likeness = tuple[Side, Kind, str]
#: What two halves that are alike may share besides, the strongest sign first.
_SHARED: tuple[Callable[[Change], str], ...] = (
    lambda change: change.name,
    lambda change: change.namespace,
    lambda _: "",
)


def with_moves(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes with `moved_to` on each deletion that has an addition like it.

    One addition takes one deletion: of equal ones that of the same name, else that of the same
    namespace, else the first by key. Deletions that are held back because their namespace is
    protected are paired as well: the move then creates and keeps.
    """
    if not any(_leaves(change) for change in changes):
        return tuple(changes)
    additions: dict[_Likeness, list[Change]] = defaultdict(list)
    deletions: dict[_Likeness, list[Change]] = defaultdict(list)
    for change in sorted(changes, key=lambda one: one.key):
        like = _likeness(change)
        if like is not None and change.action is Action.ADD:
            additions[like].append(change)
        elif like is not None and _leaves(change):
            deletions[like].append(change)
    moved: dict[Key, str] = {}
    for like, leaving in deletions.items():
        moved |= _pairs(leaving, additions.get(like, []))
    return tuple(
        change.model_copy(update={"moved_to": moved[change.key]}) if change.key in moved else change
        for change in changes
    )


def _pairs(deletions: Iterable[Change], additions: Iterable[Change]) -> dict[Key, str]:
    """Key of a deletion → key of the addition that it goes with."""
    left, free = list(deletions), list(additions)
    pairs: dict[Key, str] = {}
    for shared in _SHARED:
        offers: dict[str, list[Change]] = defaultdict(list)
        for addition in reversed(free):
            offers[shared(addition)].append(addition)
        for deletion in left:
            if offered := offers[shared(deletion)]:
                pairs[deletion.key] = str(offered.pop().key)
        taken = set(pairs.values())
        left = [one for one in left if one.key not in pairs]
        free = [one for one in free if str(one.key) not in taken]
    return pairs


def _leaves(change: Change) -> bool:
    return change.action is Action.DELETE or change.held is Held.PROTECTED


def _likeness(change: Change) -> _Likeness | None:
    if change.kind is Kind.FLOW:
        return (change.target, change.kind, change.body) if change.body else None
    found = change.after if change.action is Action.ADD else change.before
    return (change.target, change.kind, found) if found else None
