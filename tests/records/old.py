"""Records as an older program left them: dumps of a whole database, tables and rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import column as named
from sqlalchemy import insert, inspect, select, table, text

from tasks.store.database import Database, metadata

_HERE = Path(__file__).parent
#: The newest run of the dumps, which waits for a person, in each engine's.
WAITING = {"sqlite": "r65gjfhv4vj", "postgresql": "rdy5bwrjvx2"}


def make_version_1(url: str) -> None:
    """Makes the tables and rows of the program with version 1 in an empty database."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as lite:
            lite.executescript((_HERE / "version1-sqlite.sql").read_text())
        lite.close()
        return
    with psycopg.connect(url) as db:
        db.execute((_HERE / "version1-postgresql.sql").read_bytes())


def copy_as_version_1(new: Database, url: str) -> None:
    """Makes a database of version 1 with the rows of one of today: what the program with version 1
    would have written in its place, without the columns that it did not know."""
    make_version_1(url)
    old = _Opened(url)
    tables = [each for each in metadata.sorted_tables if each.name in old.tables()]
    for each in reversed(tables):
        old.run(text(f"DELETE FROM {each.name}"))
    old.run(text("INSERT INTO meta VALUES (1)"))
    for each in tables:
        if each.name == "meta":
            continue
        columns = [column for column in each.c if column.name in old.columns(each.name)]
        with new.read() as db:
            rows = [dict(row._mapping) for row in db.execute(select(*columns))]
        if rows:
            # The columns keep the types of today, which write JSON and times as version 1 did.
            shape = table(each.name, *(named(column.name, column.type) for column in columns))
            old.run(insert(shape), rows)
    old.close()


class _Opened:
    """A database whose tables are left as they are."""

    def __init__(self, url: str) -> None:
        from tasks.store.engine import engine_of

        self._engine = engine_of(url)

    def run(self, statement: Any, rows: list[dict[str, Any]] | None = None) -> None:
        with self._engine.begin() as db:
            db.execute(statement, rows)

    def tables(self) -> set[str]:
        return set(inspect(self._engine).get_table_names())

    def columns(self, name: str) -> set[str]:
        return {column["name"] for column in inspect(self._engine).get_columns(name)}

    def close(self) -> None:
        self._engine.dispose()
