"""The parts and writes of a run: what was surveyed, planned and written, by digest."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, delete, func, insert, select, update

from tasks.artifacts import Kind, Part
from tasks.record import Record
from tasks.run import Run
from tasks.store.bases import Noted, note
from tasks.store.database import Database, parts, runs, writes


class PartState(StrEnum):
    """How a part of a run stands."""

    #: Both sides are staged; it has to be compared.
    SURVEYED = "SURVEYED"
    #: The survey proved both sides equal.
    EQUAL = "EQUAL"
    #: Compared; the result is staged.
    PLANNED = "PLANNED"
    #: It could not be read; nothing is deleted in the whole run.
    UNREAD = "UNREAD"


class WritePhase(StrEnum):
    """What one write job does."""

    #: One commit for all changes whose target is Git.
    COMMIT = "COMMIT"
    #: Adds and updates of one namespace in Kestra.
    UPSERT = "UPSERT"
    #: Deletions of one namespace in Kestra.
    DELETE = "DELETE"


class PartRow(Record):
    """One part of a run; `survey` and `result` are names in the contents store."""

    run: str
    namespace: str
    kind: Kind
    state: PartState
    survey: str | None = None
    result: str | None = None

    @property
    def part(self) -> Part:
        return Part(self.namespace, self.kind)


class WriteRow(Record):
    """One write job of a run; `changes` and `result` are names in the contents store."""

    run: str
    #: A namespace, `_global`, or the empty string for the commit.
    namespace: str
    phase: WritePhase
    changes: str
    #: The namespaces that it writes: whose lanes it needs.
    namespaces: tuple[str, ...]
    result: str | None = None


class Parts:
    """Reads and writes the parts and writes of runs in one records database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def survey(self, run: Run, rows: Iterable[PartRow], **columns: Any) -> bool:
        """Records the survey of a run, once: its columns and its parts in one transaction.

        False when the run moved meanwhile, or has a survey: then nothing is recorded, so that
        the surveys of two deliveries never mix.
        """
        here = (runs.c.id == run.id, runs.c.state == run.state, runs.c.epoch == run.epoch)
        with self._database.write() as db:
            known = db.execute(select(parts.c.run).where(parts.c.run == run.id).limit(1)).first()
            if known is not None:
                return False
            changed = db.execute(update(runs).where(*here).values(**columns))
            new = [row.model_dump() for row in rows]
            if changed.rowcount == 1 and new:
                db.execute(insert(parts), new)
            return changed.rowcount == 1

    def of(self, run_id: str) -> list[PartRow]:
        """All parts of a run, sorted."""
        query = select(parts).where(parts.c.run == run_id)
        with self._database.read() as db:
            rows = db.execute(query.order_by(parts.c.namespace, parts.c.kind)).all()
        return [PartRow(**row._mapping) for row in rows]

    def one(self, run_id: str, part: Part) -> PartRow | None:
        """One part of a run, or None."""
        with self._database.read() as db:
            row = db.execute(_ONE, _named(run_id, part)).first()
        return PartRow(**row._mapping) if row else None

    def planned(self, run_id: str, part: Part, state: PartState, result: str) -> None:
        """Stores the result of a part; the first one stays."""
        values = {"new_state": state, "new_result": result}
        with self._database.write() as db:
            db.execute(_PLANNED, {**_named(run_id, part), **values})

    def progress(self, run_id: str) -> tuple[int, int]:
        """How many parts are done, of how many."""
        query = select(parts.c.state, func.count()).where(parts.c.run == run_id)
        with self._database.read() as db:
            rows = db.execute(query.group_by(parts.c.state)).all()
        number = sum(count for _, count in rows)
        return number - sum(count for state, count in rows if state == PartState.SURVEYED), number

    def forget(self, run_id: str) -> None:
        """Removes the parts of a run that has ended and wrote nothing."""
        with self._database.write() as db:
            db.execute(delete(parts).where(parts.c.run == run_id))

    def add_writes(self, rows: Iterable[WriteRow]) -> None:
        """Adds the write jobs of a run; rows that are there already stay as they are."""
        new = list(rows)
        if not new:
            return
        with self._database.write() as db:
            query = select(writes.c.namespace, writes.c.phase).where(writes.c.run == new[0].run)
            known = {(row.namespace, row.phase) for row in db.execute(query)}
            fresh = [
                row.model_dump(mode="json")
                for row in new
                if (row.namespace, row.phase) not in known
            ]
            if fresh:
                db.execute(insert(writes), fresh)

    def writes(self, run_id: str) -> list[WriteRow]:
        """All write jobs of a run, sorted."""
        query = select(writes).where(writes.c.run == run_id)
        with self._database.read() as db:
            rows = db.execute(query.order_by(writes.c.namespace, writes.c.phase)).all()
        return [WriteRow(**row._mapping) for row in rows]

    def write(self, run_id: str, namespace: str, phase: WritePhase) -> WriteRow | None:
        """One write job of a run, or None."""
        query = select(writes).where(writes.c.run == run_id, writes.c.namespace == namespace)
        with self._database.read() as db:
            row = db.execute(query.where(writes.c.phase == phase)).first()
        return WriteRow(**row._mapping) if row else None

    def noted(self, run_id: str, namespace: str, phase: WritePhase, changes: str) -> None:
        """Names the changes of a write job anew, with what it has noted; not after it has ended."""
        with self._database.write() as db:
            db.execute(_open(run_id, namespace, phase).values(changes=changes))

    def written(
        self, run_id: str, namespace: str, phase: WritePhase, result: str, noted: Noted
    ) -> None:
        """Stores the result of a write job and what it says of the base; the first one stays."""
        with self._database.write() as db:
            if db.execute(_open(run_id, namespace, phase).values(result=result)).rowcount:
                note(db, noted)

    def settled(self, run_id: str, namespace: str, phase: WritePhase, result: str) -> None:
        """Stores another result of a write job that has one."""
        with self._database.write() as db:
            here = _job(run_id, namespace, phase)
            db.execute(update(writes).where(*here).values(result=result))

    def contents(self) -> frozenset[str]:
        """Names in the contents store that parts and writes hold."""
        queries = (
            select(parts.c.survey, parts.c.result),
            select(writes.c.changes, writes.c.result),
        )
        with self._database.read() as db:
            rows = [tuple(row) for query in queries for row in db.execute(query)]
        return frozenset(name for row in rows for name in row if name)


def _open(run_id: str, namespace: str, phase: WritePhase) -> Update:
    """An UPDATE of a write job that has no result yet."""
    return update(writes).where(*_job(run_id, namespace, phase), writes.c.result.is_(None))


def _job(run_id: str, namespace: str, phase: WritePhase) -> tuple[ColumnElement[bool], ...]:
    return (writes.c.run == run_id, writes.c.namespace == namespace, writes.c.phase == phase)


def _named(run_id: str, part: Part) -> dict[str, object]:
    return {"of_run": run_id, "of_namespace": part.namespace, "of_kind": part.kind}


#: Each of thousands of planning jobs asks these; to build them takes longer than to answer them.
_HERE = (
    parts.c.run == bindparam("of_run"),
    parts.c.namespace == bindparam("of_namespace"),
    parts.c.kind == bindparam("of_kind"),
)
_ONE = select(parts).where(*_HERE)
_PLANNED = (
    update(parts)
    .where(*_HERE, parts.c.result.is_(None))
    .values(state=bindparam("new_state"), result=bindparam("new_result"))
)
