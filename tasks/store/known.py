"""What a run last found equal, so that the next one may ask whether anything has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import insert, select, update

from tasks.artifacts import Kind, Part
from tasks.plan import Target
from tasks.record import Record
from tasks.store.bases import scope
from tasks.store.database import Database, known


class Known(Record):
    """Both sides, when a run that read all of them found them equal."""

    target: Target
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


def known_key(target: Target, kinds: Iterable[Kind], named: Iterable[str]) -> str:
    """The name of a pair of sides, and of the kinds and namespaces that a task is about."""
    about = [scope(target), sorted(kinds), sorted(named)]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _place(target: Target) -> str:
    """The name of a tenant, with whatever repository it is synced."""
    return hashlib.sha256(json.dumps([target.server, target.tenant]).encode()).hexdigest()


class KnownSides:
    """One row per pair of sides and what a task is about, held by the run that last took it.

    A run that reads takes the row before it reads, and gives it back only if nobody has taken it
    since: a run that writes takes all rows of its tenant before it writes and again afterwards.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, target: Target, key: str, run_id: str) -> Known | None:
        """The row, which says nothing any more until the run gives it back."""
        here = known.c.key == key
        with self._database.write() as db:
            found = db.execute(select(known.c.value).where(here)).first()
            if found is None:
                place = _place(target)
                db.execute(insert(known).values(key=key, place=place, run=run_id, value=None))
            else:
                db.execute(update(known).where(here).values(run=run_id, value=None))
        value = found.value if found is not None else None
        return Known.model_validate(value) if value is not None else None

    def give_back(self, key: str, run_id: str, value: Known) -> None:
        """Notes what a run has found equal, unless another has taken the row meanwhile."""
        mine = (known.c.key == key, known.c.run == run_id)
        with self._database.write() as db:
            db.execute(update(known).where(*mine).values(value=value.to_dict()))

    def take_all(self, target: Target, run_id: str) -> None:
        """Every row of a tenant says nothing any more: a run writes to it or to its branch."""
        with self._database.write() as db:
            here = known.c.place == _place(target)
            db.execute(update(known).where(here).values(run=run_id, value=None))
