"""What did a check find?"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from tasks.errors import TenantSyncError
from tasks.record import Record


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    #: Nothing to mend; something to know.
    NOTE = "note"
    #: It works, but not as it should.
    WARNING = "warning"
    #: Syncs will fail.
    BROKEN = "broken"


class Finding(Record):
    """What one check found, and what to do about it."""

    level: Level
    subject: str
    text: str


def ok(subject: str, text: str) -> Finding:
    return Finding(level=Level.OK, subject=subject, text=text)


def note(subject: str, text: str) -> Finding:
    return Finding(level=Level.NOTE, subject=subject, text=text)


def warning(subject: str, text: str) -> Finding:
    return Finding(level=Level.WARNING, subject=subject, text=text)


def broken(subject: str, text: str) -> Finding:
    return Finding(level=Level.BROKEN, subject=subject, text=text)


def looked(subject: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """What a look found; an error on purpose is a finding as well."""
    try:
        return look()
    except TenantSyncError as error:
        return [broken(subject, error.message)]
