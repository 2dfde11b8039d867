"""What does an error of the records database mean, and what is to be done about it?"""

from __future__ import annotations

import re

from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
)

from tasks.errors import LoginRefused, NotFound, TenantSyncError, Unreachable

#: SQLSTATEs after which the same transaction may go through: serialization failure, deadlock, one
#: that stood still for too long (PostgreSQL, Appendix A).
_AGAIN = frozenset({"40001", "40P01", "25P03"})
#: What a damaged file of SQLite is called (sqlite.org/rescode.html: CORRUPT, NOTADB).
_DAMAGED = r"malformed|not a database"


def is_trouble(error: DBAPIError) -> bool:
    """Whether the database itself is in trouble (away, locked, full, damaged), and not what it was
    asked wrong."""
    # A damaged file is a plain DatabaseError; its other subclasses tell of what was asked.
    known = isinstance(error, OperationalError | InterfaceError | InternalError)
    return known or type(error) is DatabaseError or error.connection_invalidated


def is_cut(error: DBAPIError) -> bool:
    """Whether it is worth asking again at once: the connection was lost, so that nobody knows what
    became of the transaction, or the server chose it to fail."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _AGAIN


def meaning(error: DBAPIError, place: URL) -> TenantSyncError:
    """The error as a person reads it, with the remedy: LoginRefused, NotFound or Unreachable."""
    said = str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__
    file = place.database if place.get_backend_name() == "sqlite" else None
    where = f"records database{f' {file}' if file else ''}: {said}"
    if re.search(r"password|authentication failed|no pg_hba.conf entry", said):
        return LoginRefused(
            f"{where}; mend the user and password in TENANTSYNC_DATABASE_URL, or let the server "
            "accept them (pg_hba.conf)"
        )
    if re.search(r'database ".*" does not exist', said):
        return NotFound(f"{where}; create it, empty: tenantsync makes its own tables")
    return Unreachable(f"{where}; {_remedy(said, file)}")


def _remedy(said: str, file: str | None) -> str:
    if re.search(r"read-?only", said):
        return (
            "it takes no writes: name the primary in TENANTSYNC_DATABASE_URL, or make the file "
            "and its folder writable"
        )
    if re.search(r"is full|disk I/O error|[Nn]o space left", said):
        return "free some of its disk, or see whether it fails"
    if file and re.search(_DAMAGED, said):
        return (
            "the file is damaged: stop all workers and put back a backup of it. Without one, move "
            f"it and {file}-wal away: what both sides hold stays, but plans, reviews and what "
            "was last seen equal are gone, so that the next sync is a first contact"
        )
    if file and "locked" in said:
        return "another program keeps it locked: end that program, or use PostgreSQL"
    if file:
        return "see that its folder can be written"
    return "see that it runs and that TENANTSYNC_DATABASE_URL is right"
