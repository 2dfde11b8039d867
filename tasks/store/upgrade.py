"""How do the tables of an older program become those of this one? Numbered steps, forward only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

Step = Callable[[Connection], None]


def _to_2(db: Connection) -> None:
    """Who claimed the phase of a run; whose records these are, and where their contents lie; what
    probes knew. The last was made by programs with version 1 too, at the end."""
    db.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS known "
        "(scope VARCHAR(64) NOT NULL, value JSON NOT NULL, PRIMARY KEY (scope))"
    )
    db.exec_driver_sql("ALTER TABLE runs ADD COLUMN claimant VARCHAR(255)")
    db.exec_driver_sql("ALTER TABLE meta ADD COLUMN identity VARCHAR(32)")
    db.exec_driver_sql("ALTER TABLE meta ADD COLUMN contents TEXT")


#: The version that each step leads to; every change of the tables is a new one. A step names
#: tables and columns as they were then, in SQL that SQLite and PostgreSQL both take, because the
#: tables of the program go on changing.
STEPS: Mapping[int, Step] = {2: _to_2}
#: The version of the tables that this program reads and writes.
SCHEMA_VERSION = max(STEPS)


def bring_up(db: Connection, found: int) -> None:
    """Carries out the steps that lead from version `found` to this program's, in the caller's
    transaction: all of them or none."""
    for version in range(found + 1, SCHEMA_VERSION + 1):
        STEPS[version](db)
