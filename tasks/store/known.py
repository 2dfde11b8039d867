"""What a run last found equal, so that the next one may ask whether anything has changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, insert, select

from tasks.artifacts import Kind, Part
from tasks.plan import Target
from tasks.record import Record
from tasks.store.bases import scope
from tasks.store.database import Database, known


class Known(Record):
    """Both sides, when a run that read all of them found no difference."""

    target: Target
    #: The kinds and the namespaces that the task named.
    kinds: frozenset[Kind]
    named: frozenset[str]
    #: What the probes had answered before the first read (`tasks.kestra.probe.Fingerprint`).
    fingerprint: Mapping[str, str | int]
    #: The tree of the directory of the sync in Git; None: there is no such directory.
    tree: str | None = None
    #: When the reading began.
    read_at: datetime
    #: (namespace, kind, number of artifacts) of every part.
    parts: tuple[tuple[str, Kind, int], ...]

    @property
    def counts(self) -> Mapping[Part, int]:
        return {Part(namespace, kind): count for namespace, kind, count in self.parts}


class KnownSides:
    """One row per pair of sides."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, target: Target) -> Known | None:
        """The row of a pair, which is gone now: a run that ends in any other way than by finding
        both sides equal leaves none, and the next one reads everything."""
        here = known.c.scope == scope(target)
        with self._database.read() as db:
            row = db.execute(select(known.c.value).where(here)).scalar()
        if row is None:
            return None
        with self._database.write() as db:
            taken = db.execute(delete(known).where(here)).rowcount == 1
        return Known.model_validate(row) if taken else None

    def put(self, value: Known) -> None:
        """Notes what was found equal."""
        pair = scope(value.target)
        with self._database.write() as db:
            db.execute(delete(known).where(known.c.scope == pair))
            db.execute(insert(known).values(scope=pair, value=value.to_dict()))
