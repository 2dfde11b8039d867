"""Is a change still what was planned? Each one is looked at again inside its lane."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from tasks.artifacts import Entry, Part, Snapshot
from tasks.compare import is_withheld
from tasks.plan import Change
from tasks.problems import Problem
from tasks.record import Record
from tasks.requests import Side


class Verdict(StrEnum):
    """What is to be done about a planned change now."""

    #: The target holds it already; nothing is sent.
    LANDED = "LANDED"
    #: Both sides are as planned.
    WRITE = "WRITE"
    #: A side has moved since the plan.
    STALE = "STALE"


def look(
    change: Change, source: Snapshot, target: Snapshot, taken: Collection[str] = ()
) -> Verdict:
    """Rule 2: target = after → landed; source = after and target = before → write; else stale.

    A name that is withheld now (two files with one id, a draft, ignored) has moved. In Git the
    place counts as well: a file that was renamed, and a new path that another file has `taken`
    meanwhile, have moved.
    """
    if is_withheld(change.name, source.withheld | target.withheld):
        return Verdict.STALE
    source_now, target_now = _digest(source, change.name), _digest(target, change.name)
    if target_now == change.after:
        return Verdict.LANDED
    as_planned = source_now == change.after and target_now == change.before
    return Verdict.WRITE if as_planned and _in_place(change, target, taken) else Verdict.STALE


def _in_place(change: Change, target: Snapshot, taken: Collection[str]) -> bool:
    if change.target is Side.KESTRA:
        return True
    entry = target.entries.get(change.name)
    return entry.path == change.path if entry is not None else change.path not in taken


def _digest(snapshot: Snapshot, name: str) -> str | None:
    entry = snapshot.entries.get(name)
    return entry.digest if entry is not None else None


def snapshots_as_planned(changes: Iterable[Change], *, source: bool) -> Mapping[Part, Snapshot]:
    """The snapshots of a side whose commit has not moved: what the plan saw is still true."""
    parts: dict[Part, dict[str, Entry]] = {}
    for change in changes:
        entries = parts.setdefault(change.part, {})
        seen = change.after if source else change.before
        if seen is not None:
            entries[change.name] = Entry(digest=seen, oid=seen, path=change.path, mode=change.mode)
    return {part: Snapshot(entries=entries) for part, entries in parts.items()}


class How(StrEnum):
    """How one change of a plan ended."""

    LANDED = "LANDED"
    #: A side had moved.
    STALE = "STALE"
    #: The other side said no, or answered yes and holds something else.
    FAILED = "FAILED"
    #: Not sent, because the run was cancelled, `onStale` is FAIL, or what it needs did not land.
    HELD = "HELD"
    #: Sent, and what the target holds could not be read.
    UNKNOWN = "UNKNOWN"


class OvertakenText(Record):
    """A text of another writer that a write has overwritten unseen."""

    #: The number that the server gave it.
    revision: int
    #: When it was saved, as the server writes it.
    updated: str | None = None
    #: Its name in the contents store; None = it is lost.
    kept_content: str | None = None


class Ended(Record):
    """How one change ended; `message` says why when it did not land."""

    change: Change
    how: How
    message: str | None = None
    #: The revision that the target had when it was looked at; None = it was not looked at, or
    #: counts none.
    revision: int | None = None
    overtaken: tuple[OvertakenText, ...] = ()


class Written(Record):
    """What one write job did; staged as its result."""

    ended: tuple[Ended, ...] = ()
    problems: tuple[Problem, ...] = ()
    commit: str | None = None
    commit_url: str | None = None

    @property
    def landed(self) -> tuple[Change, ...]:
        return tuple(one.change for one in self.ended if one.how is How.LANDED)
