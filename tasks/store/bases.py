"""The base: what each part was when both sides were last seen equal, per pair of sides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, insert, select, update

from tasks.artifacts import Kind, Part
from tasks.plan import Target
from tasks.record import Record
from tasks.store.database import Database, bases, pairs, servers

#: The layout of syncs; another layout of the same branch has its own base.
SYNC_LAYOUT = "sync"
#: Namespaces up to which a query names them; for more, all rows are read.
_NAMED = 50


class BaseRow(Record):
    """The base of one part: name → digest, and whether a run that may delete has settled it."""

    items: Mapping[str, str] = {}
    settled: bool = False
    version: int = 0


def scope(target: Target, layout: str = SYNC_LAYOUT) -> str:
    """The name of a pair of sides: sha256 over server uuid, tenant, remote, branch, gitDirectory
    and layout (a mapping of namespaces is part of the layout)."""
    value = json.dumps([target.to_dict(), layout], sort_keys=True)
    return hashlib.sha256(value.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What a result of a run says of the base. It is noted in the transaction that records this
    result: a job that comes late, when another delivery has recorded it and other runs have written
    since, would note what is so no more."""

    target: Target
    #: What was read back on the target: name → digest, None = deleted.
    landed: Mapping[Part, Mapping[str, str | None]] = field(default_factory=dict)
    #: Versions that the rows of parts had before that was read, where it was read without a lane:
    #: a row that another run has changed since is left as it is.
    read_at: Mapping[Part, int] = field(default_factory=dict)
    #: Parts for which a run that may delete ended APPLIED or UNCHANGED.
    settled: Collection[Part] = ()
    #: The commit at which both sides are equal now.
    commit: str | None = None


class Bases:
    """Reads and writes base rows in one records database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def parts(self, pair: str) -> Mapping[Part, BaseRow]:
        """All base rows of a pair."""
        with self._database.read() as db:
            return _rows(db, pair)

    def part(self, pair: str, part: Part) -> BaseRow:
        """The base of one part; empty and not settled where there is none."""
        with self._database.read() as db:
            return _read(db, pair, part)

    def seen_equal(
        self,
        pair: str,
        part: Part,
        read_at: BaseRow,
        equal: Mapping[str, str],
        differing: Iterable[str],
    ) -> None:
        """Notes the items that were read equal; names that neither side holds are dropped.

        `read_at` is the row as it was before the sides were read: when another run has changed
        it since, nothing is noted, because what was read may be older than that.
        """
        kept = {name: read_at.items[name] for name in differing if name in read_at.items}
        items = kept | dict(equal)
        if items == read_at.items:
            return
        with self._database.write() as db:
            if _read(db, pair, part).version == read_at.version:
                changed = read_at.model_copy(update={"items": items})
                _store(db, pair, {part: changed}, {part} if read_at.version else ())

    def commit(self, pair: str) -> str | None:
        """The last commit at which both sides were seen equal."""
        with self._database.read() as db:
            return db.execute(select(pairs.c.commit_id).where(pairs.c.scope == pair)).scalar()

    def server(self, url: str) -> str | None:
        """The uuid that the server at this URL had when it was last reached."""
        with self._database.read() as db:
            return db.execute(select(servers.c.uuid).where(servers.c.url == url)).scalar()

    def met(self, url: str, uuid: str) -> None:
        """Notes the uuid of the server at this URL."""
        if self.server(url) == uuid:
            return
        with self._database.write() as db:
            here = servers.c.url == url
            if not db.execute(update(servers).where(here).values(uuid=uuid)).rowcount:
                db.execute(insert(servers).values(url=url, uuid=uuid))


def note(db: Connection, noted: Noted) -> None:
    """Notes it in the transaction of the caller."""
    pair = scope(noted.target)
    if noted.landed:
        known = _rows(db, pair, {part.namespace for part in noted.landed})
        rows = {part: known.get(part, BaseRow()) for part in noted.landed}
        merged = {
            part: _merged(row, noted.landed[part])
            for part, row in rows.items()
            if row.version == noted.read_at.get(part, row.version)
        }
        _store(db, pair, merged, known)
    if noted.settled:
        _settle(db, pair, noted.settled)
    if noted.commit is not None:
        here = pairs.c.scope == pair
        if not db.execute(update(pairs).where(here).values(commit_id=noted.commit)).rowcount:
            values = {"target": noted.target.to_dict(), "commit_id": noted.commit}
            db.execute(insert(pairs).values(scope=pair, **values))


def _settle(db: Connection, pair: str, parts: Collection[Part]) -> None:
    known = _rows(db, pair)
    rows = {part: known.get(part, BaseRow()) for part in parts}
    settled = {
        part: row.model_copy(update={"settled": True})
        for part, row in rows.items()
        if not row.settled
    }
    _store(db, pair, settled, known)


def _here(pair: str, part: Part) -> object:
    return and_(
        bases.c.scope == pair, bases.c.namespace == part.namespace, bases.c.kind == part.kind
    )


def _read(db: Connection, pair: str, part: Part) -> BaseRow:
    row = db.execute(select(bases).where(_here(pair, part))).first()  # type: ignore[arg-type]
    return _base(row) if row else BaseRow()


def _base(row: Row[tuple[object, ...]]) -> BaseRow:
    # Without another check of each digest: what is in the table was a BaseRow.
    return BaseRow.model_construct(items=row.items, settled=row.settled, version=row.version)


def _rows(
    db: Connection, pair: str, namespaces: Collection[str] | None = None
) -> dict[Part, BaseRow]:
    """The rows of a pair, of some of its namespaces where these are few: each of a run's writers
    asks for its own."""
    query = select(bases).where(bases.c.scope == pair)
    if namespaces is not None and len(namespaces) <= _NAMED:
        query = query.where(bases.c.namespace.in_(namespaces))
    rows = db.execute(query).all()
    return {Part(row.namespace, Kind(row.kind)): _base(row) for row in rows}


def _merged(row: BaseRow, landed: Mapping[str, str | None]) -> BaseRow:
    merged = {**row.items, **landed}
    left = {name: digest for name, digest in merged.items() if digest is not None}
    return row.model_copy(update={"items": left})


def _store(
    db: Connection, pair: str, changed: Mapping[Part, BaseRow], there: Collection[Part]
) -> None:
    """Writes rows, those of parts that are `there` over what they were."""
    values = {part: _values(pair, part, row) for part, row in changed.items()}
    old = [value for part, value in values.items() if part in there]
    new = [value for part, value in values.items() if part not in there]
    if old:
        db.execute(_OVERWRITE, old)
    if new:
        db.execute(_ADD, new)


def _values(pair: str, part: Part, row: BaseRow) -> dict[str, object]:
    return {
        "of_pair": pair,
        "of_namespace": part.namespace,
        "of_kind": part.kind,
        "new_items": dict(row.items),
        "new_settled": row.settled,
        "new_version": row.version + 1,
    }


_NEW: dict[str, Any] = {
    "items": bindparam("new_items"),
    "settled": bindparam("new_settled"),
    "version": bindparam("new_version"),
}
_OVERWRITE = (
    update(bases)
    .where(
        bases.c.scope == bindparam("of_pair"),
        bases.c.namespace == bindparam("of_namespace"),
        bases.c.kind == bindparam("of_kind"),
    )
    .values(_NEW)
)
_ADD = insert(bases).values(
    scope=bindparam("of_pair"),
    namespace=bindparam("of_namespace"),
    kind=bindparam("of_kind"),
    **_NEW,
)
