"""Source, target, base: what differs, and why? The decision table, without any policy.

S, T and B are the digests of one name; – is absent, ? a part that no run which may delete has
settled yet. Where the base knows a name of such a part, adds and updates use it, which can only
find more conflicts; a deletion there is always row 8.

    row  S  T  B       action  cause
    1    =  =  any     none, the digest becomes the base
    2    s  –  – or ?  ADD     NEW
    3    s  –  =s      ADD     DRIFT
    4    s  –  ≠s      ADD     BOTH_MOVED
    5    –  t  =t      DELETE  REMOVED_IN_SOURCE
    6    –  t  ≠t      DELETE  BOTH_MOVED
    7    –  t  –       DELETE  NEVER_IN_SOURCE
    8    –  t  ?       DELETE  FIRST_CONTACT
    9    s  t  =t      UPDATE  CHANGED
    10   s  t  =s      UPDATE  DRIFT
    11   s  t  other   UPDATE  BOTH_MOVED
    12   s  t  ?       UPDATE  FIRST_CONTACT
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tasks.artifacts import Snapshot
from tasks.plan import Action, Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What both sides held when they were last seen equal: name → digest.

    `settled`: a run that may delete has ended APPLIED or UNCHANGED for this part. Until then an
    item without a digest is unknown, not absent, and a deletion is a first contact.
    """

    items: Mapping[str, str] = field(default_factory=dict)
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One artifact that is not equal on both sides, as the table sees it."""

    name: str
    #: The row of the table, 2 to 12.
    row: int
    action: Action
    cause: Cause
    #: Digests of the target and of the source; None = absent.
    before: str | None
    after: str | None

    @property
    def conflict(self) -> bool:
        """Both sides moved since they were last seen equal: `onConflict` decides."""
        return self.cause is Cause.BOTH_MOVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """All differences of a part, sorted by name, and what is equal (row 1): the new base."""

    differences: tuple[Difference, ...]
    equal: Mapping[str, str]


def compare(source: Snapshot, target: Snapshot, base: Base) -> Compared:
    """Compares one part. Names that either side withholds are not looked at."""
    withheld = source.withheld | target.withheld
    names = {*source.entries, *target.entries}
    differences, equal = [], {}
    for name in sorted(one for one in names if not is_withheld(one, withheld)):
        held, holds = _digest(source, name), _digest(target, name)
        if held == holds and held is not None:
            equal[name] = held
        else:
            differences.append(_difference(name, held, holds, base))
    return Compared(differences=tuple(differences), equal=equal)


def is_withheld(name: str, withheld: Collection[str]) -> bool:
    """Whether a name is withheld: itself, by `folder/` for all below a folder, or by `/` for the
    whole part."""
    if not withheld:
        return False
    parts = name.split("/")
    folders = ("/".join(parts[:depth]) + "/" for depth in range(1, len(parts)))
    return "/" in withheld or name in withheld or any(one in withheld for one in folders)


def _digest(snapshot: Snapshot, name: str) -> str | None:
    entry = snapshot.entries.get(name)
    return entry.digest if entry is not None else None


def _difference(name: str, source: str | None, target: str | None, base: Base) -> Difference:
    row, action, cause = _row(source, target, base.items.get(name), settled=base.settled)
    return Difference(name=name, row=row, action=action, cause=cause, before=target, after=source)


def _row(
    source: str | None, target: str | None, base: str | None, *, settled: bool
) -> tuple[int, Action, Cause]:
    if target is None:
        return _absent_in_target(source, base)
    if source is None:
        return _absent_in_source(target, base, settled=settled)
    return _different(source, target, base, settled=settled)


def _absent_in_target(source: str | None, base: str | None) -> tuple[int, Action, Cause]:
    if base is None:
        return 2, Action.ADD, Cause.NEW
    if base == source:
        return 3, Action.ADD, Cause.DRIFT
    return 4, Action.ADD, Cause.BOTH_MOVED


def _absent_in_source(target: str, base: str | None, *, settled: bool) -> tuple[int, Action, Cause]:
    if not settled:
        # A digest may be there from a run that was not allowed to delete; that run proved
        # nothing about what is missing.
        return 8, Action.DELETE, Cause.FIRST_CONTACT
    if base == target:
        return 5, Action.DELETE, Cause.REMOVED_IN_SOURCE
    if base is None:
        return 7, Action.DELETE, Cause.NEVER_IN_SOURCE
    return 6, Action.DELETE, Cause.BOTH_MOVED


def _different(
    source: str, target: str, base: str | None, *, settled: bool
) -> tuple[int, Action, Cause]:
    if base == target:
        return 9, Action.UPDATE, Cause.CHANGED
    if base == source:
        return 10, Action.UPDATE, Cause.DRIFT
    if base is None and not settled:
        return 12, Action.UPDATE, Cause.FIRST_CONTACT
    return 11, Action.UPDATE, Cause.BOTH_MOVED
