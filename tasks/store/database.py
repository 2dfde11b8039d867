"""Where the records live: the tables, and short transactions on SQLite or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import (
    DBAPIError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.errors import ConfigError, RecordsAway
from tasks.points import reach
from tasks.store.engine import engine_of
from tasks.store.failure import is_cut, is_trouble, meaning
from tasks.store.upgrade import SCHEMA_VERSION, bring_up

#: Characters of the name of a person or service, or of the id of a message.
LONGEST = 255
#: Characters of the name of a content, which may be a slice: `sha256@offset+length`.
_CONTENT = 128

T = TypeVar("T")

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("version", Integer, primary_key=True),
    #: The id of these records; their contents store bears it too (`tasks.store.belonging`).
    Column("identity", String(32)),
    #: Where the contents were when that was noted.
    Column("contents", Text),
)
runs = Table(
    "runs",
    metadata,
    #: The order of asking; lanes are ordered by it.
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), unique=True, nullable=False),
    Column("task", JSON, nullable=False),
    #: Digest of the task without `triggeredBy`: equal tasks join.
    Column("equality", String(64), nullable=False, index=True),
    #: The same without `dryRun` too: plans of one sync supersede each other.
    Column("sync", String(64), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("epoch", Integer, nullable=False, default=0),
    #: The phase that a job has claimed under this epoch.
    Column("phase", String(16)),
    #: The id of the message whose job claimed it.
    Column("claimant", String(LONGEST)),
    #: How often the janitor has raised the epoch of this phase.
    Column("revived", Integer, nullable=False, default=0),
    Column("cancelled_by", String(LONGEST)),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("planned_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    #: The last time that this run went forward; the janitor looks at runs that stand still.
    Column("moved_at", DateTime(timezone=True), nullable=False),
    #: server uuid, tenant, remote, branch, directory once they are resolved (plan.Target).
    Column("target", JSON),
    Column("base_commit", String(64)),
    Column("new_branch", Boolean, nullable=False, default=False),
    Column("facts", JSON, nullable=False, default=dict),
    Column("plan_digest", String(64)),
    Column("plan", String(_CONTENT)),
    Column("patch", String(_CONTENT)),
    Column("ion", String(_CONTENT)),
    Column("deletions", Integer),
    Column("counts", JSON),
    Column("problems", JSON, nullable=False, default=list),
    Column("commit_id", String(64)),
    Column("commit_url", Text),
    Column("follows", String(32)),
    Column("followed_by", String(32)),
    #: How many runs in a row followed because something was stale.
    Column("depth", Integer, nullable=False, default=0),
)
askers = Table(
    "askers",
    metadata,
    #: The id of the message that asked: a repeated message never asks twice.
    Column("message", String(LONGEST), primary_key=True),
    Column("run", String(32), ForeignKey("runs.id"), nullable=False, index=True),
    Column("who", String(LONGEST), nullable=False),
    Column("triggered_by", JSON),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("withdrawn", Boolean, nullable=False, default=False),
)
parts = Table(
    "parts",
    metadata,
    Column("run", String(32), ForeignKey("runs.id"), primary_key=True),
    Column("namespace", String(160), primary_key=True),
    Column("kind", String(16), primary_key=True),
    #: SURVEYED, EQUAL (proven unchanged by the survey), PLANNED or UNREAD.
    Column("state", String(16), nullable=False),
    Column("survey", String(_CONTENT)),
    Column("result", String(_CONTENT)),
)
writes = Table(
    "writes",
    metadata,
    Column("run", String(32), ForeignKey("runs.id"), primary_key=True),
    #: A namespace, or the empty string for the commit.
    Column("namespace", String(160), primary_key=True),
    #: COMMIT, UPSERT or DELETE.
    Column("phase", String(16), primary_key=True),
    Column("changes", String(_CONTENT), nullable=False),
    #: The namespaces that it writes: whose lanes it needs.
    Column("namespaces", JSON, nullable=False),
    Column("result", String(_CONTENT)),
)
bases = Table(
    "bases",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("namespace", String(160), primary_key=True),
    Column("kind", String(16), primary_key=True),
    #: name -> digest when both sides were last seen equal.
    Column("items", JSON, nullable=False),
    #: A run that may delete has ended APPLIED or UNCHANGED for this part.
    Column("settled", Boolean, nullable=False, default=False),
    Column("version", Integer, nullable=False, default=0),
)
pairs = Table(
    "pairs",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("target", JSON, nullable=False),
    #: The last commit at which both sides were seen equal.
    Column("commit_id", String(64), nullable=False),
)
known = Table(
    "known",
    metadata,
    #: A pair of sides and what a task is about (`tasks.store.known.known_key`).
    Column("key", String(64), primary_key=True),
    #: The tenant, with whatever repository it is synced.
    Column("place", String(64), nullable=False, index=True),
    #: The run that has taken the row last.
    Column("run", String(32), nullable=False),
    #: `tasks.store.known.Known`; NULL while a run has it.
    Column("value", JSON(none_as_null=True)),
)
servers = Table(
    "servers",
    metadata,
    Column("url", Text, primary_key=True),
    Column("uuid", String(64), nullable=False),
)
reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run", String(32), ForeignKey("runs.id"), nullable=False, index=True),
    Column("plan_digest", String(64), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("person", String(LONGEST), nullable=False),
    Column("reason", Text),
    Column("at", DateTime(timezone=True), nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("run", String(32), index=True),
    Column("who", String(LONGEST), nullable=False),
    Column("event", String(32), nullable=False),
    Column("details", JSON, nullable=False),
)
Index("runs_open", runs.c.state, runs.c.moved_at)


class Database:
    """The records database; one per process, opened on first use.

    `write()` is a transaction that holds the write lock from its start, so that what was read in
    it is still true when it commits; `read()` sees committed rows and locks nothing.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = engine_of(url)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction. Raises RecordsAway when the database is away, stays locked, is full or
        damaged.

        After that nobody knows whether it took effect: the answer to the COMMIT may be lost.
        """
        with self._named(), self.engine.begin() as connection:
            yield connection

    def again(self, body: Callable[[Connection], T]) -> T:
        """Does `body` in a transaction, and once more where the connection was lost meanwhile.

        `body` has to find its own success: the first COMMIT may have taken effect. The second
        transaction has the lock of writers, so the first is over by then. Raises RecordsAway.
        """
        try:
            with self.engine.begin() as connection:
                return body(connection)
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, PoolTimeout) or not is_cut(error):
                with self._named():
                    raise
        with self.write() as connection:
            return body(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Committed rows, without a lock. Raises RecordsAway like `write`."""
        with self._named(), self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout:
            raise RecordsAway("records database: no connection became free in time") from None
        except DBAPIError as error:
            if not is_trouble(error):
                raise
            raise RecordsAway(meaning(error, self.engine.url).message) from None

    def time(self) -> float:
        """What the clock of the server shows: seconds since 1970. That of SQLite is this
        machine's."""
        if self.engine.dialect.name == "sqlite":
            return time.time()
        with self.read() as db:
            asked = db.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())")
            return float(asked.scalar_one())

    def close(self) -> None:
        self.engine.dispose()

    def _prepare(self) -> None:
        """Makes the tables, or brings older ones up to this program; refuses newer ones.

        One process does it, in one transaction, while others wait.
        """
        try:
            with self.read() as db:
                found = _version(db)
            if found != SCHEMA_VERSION:
                with self.write() as db:
                    _make(db, _version(db))  # another process may have been first
        except ProgrammingError as error:
            raise ConfigError(
                f"records database: {_plain(error)}; the login must own the tables of the records, "
                "or be allowed to make them"
            ) from None


def _version(db: Connection) -> int | None:
    """The version of the tables, None where there are none. Raises ConfigError for a version
    that only a newer program knows."""
    if not inspect(db).has_table(meta.name):
        return None
    found: int | None = db.execute(select(meta.c.version)).scalar()
    if found is not None and found > SCHEMA_VERSION:
        raise ConfigError(
            f"records database: its tables have version {found}, this program knows "
            f"{SCHEMA_VERSION}; upgrade tenantsync on this host"
        )
    return found


def _make(db: Connection, found: int | None) -> None:
    if found is None:
        metadata.create_all(db)
        db.execute(insert(meta).values(version=SCHEMA_VERSION))
    elif found < SCHEMA_VERSION:
        bring_up(db, found)
        db.execute(update(meta).values(version=SCHEMA_VERSION))
        reach("upgraded")


def _plain(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0]
