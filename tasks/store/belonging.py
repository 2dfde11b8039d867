"""Do these contents belong to these records? Workers that share the one and not the other would
plan what nobody can write; so both bear one id, and a worker looks at it when it starts."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tasks.errors import ConfigError
from tasks.points import reach
from tasks.store.contents import OWNER, ContentMissing, Contents
from tasks.store.database import Database, meta, runs


def mismatch(database: Database, contents: Contents) -> str | None:
    """What is wrong between the records and the contents, and the remedy; None where they belong
    together or have not met yet. Reads only. Raises Unreachable and ConfigError as both do."""
    with database.read() as db:
        return _mismatch(db, contents)


def join(database: Database, contents: Contents) -> None:
    """Notes on both, when they first meet, that they belong together.

    Raises ConfigError with the remedy where they do not.
    """
    _give_id(database)
    with database.read() as db:
        known = _row(db)
    if known.contents is not None and contents.owner() == known.identity:
        return  # as at every start but the first: no other writer waits for a slow bucket
    # Under the lock of writers, so that of two stores that are both new only one is taken.
    with database.write() as db:
        wrong = _mismatch(db, contents)
        if wrong is not None:
            raise ConfigError(wrong)
        row = _row(db)
        if contents.owner() is None:
            contents.give_to(row.identity)
            reach("given")
        if row.contents is None:
            db.execute(update(meta).values(contents=contents.url))


def _give_id(database: Database) -> None:
    """The records get their id in a transaction of its own, so that a store that was given to
    them just before a process died is still theirs."""
    with database.write() as db:
        fresh = update(meta).where(meta.c.identity.is_(None))
        db.execute(fresh.values(identity=secrets.token_hex(16)))


def _mismatch(db: Connection, contents: Contents) -> str | None:
    row, owner = _row(db), contents.owner()
    if owner is not None and owner == row.identity:
        return None
    if owner is not None:
        return (
            f"contents store {contents.url}: it belongs to other records ({owner[:8]}) than those "
            f"of this database ({(row.identity or 'new')[:8]}); two databases cannot share one "
            f"store: give this one another TENANTSYNC_CONTENTS_URL, or remove the file {OWNER} "
            "there if those records are gone for good"
        )
    if row.contents is None and _holds_newest(db, contents):
        return None
    return (
        f"contents store {contents.url}: it is not the one of these records"
        + (f", which a worker first found at {row.contents}" if row.contents else "")
        + "; give every worker the same folder or bucket (TENANTSYNC_CONTENTS_URL). If it was "
        + f"moved, bring its file {OWNER} along; if it is lost for good, write "
        + f"{row.identity or 'the id of the records'} into a file {OWNER} here"
    )


def _holds_newest(db: Connection, contents: Contents) -> bool:
    """Whether what the newest plan of records that are older than their id names is there."""
    newest = select(runs.c.plan).where(runs.c.plan.is_not(None)).order_by(runs.c.seq.desc())
    name = db.execute(newest.limit(1)).scalar()
    if name is None:
        return True
    try:
        return bool(contents.get(name))
    except ContentMissing:
        return False


def _row(db: Connection) -> Row[Any, Any]:
    return db.execute(select(meta.c.identity, meta.c.contents)).one()
