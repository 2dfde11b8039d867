"""The audit: who did what, one row for every move and every decision; rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from tasks.store.database import LONGEST, Database, audit


def note(
    db: Connection, run_id: str | None, who: str, what: str, details: Mapping[str, Any]
) -> None:
    """Adds a row inside the transaction of what it tells."""
    db.execute(
        insert(audit).values(
            at=datetime.now(UTC), run=run_id, who=who[:LONGEST], event=what, details=dict(details)
        )
    )


def audit_rows(database: Database, run_id: str | None = None, limit: int = 100) -> list[Row[Any]]:
    """The newest audit rows first, of one run or of all."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if run_id is not None:
        query = query.where(audit.c.run == run_id)
    with database.read() as db:
        return list(db.execute(query))
