"""How do the tables of an older program become those of this one? Numbered steps, forward only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

Step = Callable[[Connection], None]


#: The columns that name a content in version 1, which had no room for a slice of one.
_CONTENTS_OF_1 = {
    "runs": ("plan", "patch", "ion"),
    "parts": ("survey", "result"),
    "writes": ("changes", "result"),
}


def _to_2(db: Connection) -> None:
    """Who claimed the phase of a run; whose records these are, and where their contents lie; what
    probes know; room for slices of contents."""
    db.exec_driver_sql("DROP TABLE IF EXISTS known")  # some programs with version 1 made one
    db.exec_driver_sql(
        "CREATE TABLE known (key VARCHAR(64) NOT NULL, place VARCHAR(64) NOT NULL, "
        "run VARCHAR(32) NOT NULL, value JSON, PRIMARY KEY (key))"
    )
    db.exec_driver_sql("CREATE INDEX ix_known_place ON known (place)")
    db.exec_driver_sql("ALTER TABLE runs ADD COLUMN claimant VARCHAR(255)")
    db.exec_driver_sql("ALTER TABLE meta ADD COLUMN identity VARCHAR(32)")
    db.exec_driver_sql("ALTER TABLE meta ADD COLUMN contents TEXT")
    if db.dialect.name == "postgresql":  # SQLite knows no width
        for table, columns in _CONTENTS_OF_1.items():
            for column in columns:
                db.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR(128)")


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
