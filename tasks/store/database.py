"""Where the records live: the tables, and short transactions on SQLite or PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)

from tasks.errors import ConfigError, Unreachable
from tasks.points import reach
from tasks.store.upgrade import SCHEMA_VERSION, bring_up

#: Characters of the name of a person or service, or of the id of a message.
LONGEST = 255
#: Characters of the name of a content, which may be a slice: `sha256@offset+length`.
_CONTENT = 128

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


#: The advisory lock of PostgreSQL that a writing transaction holds.
_WRITERS = int.from_bytes(b"tensync", "big")
#: Seconds that a writing transaction on PostgreSQL may stand still between two statements, which
#: are milliseconds apart, until the server takes it back. Without it a host that is frozen or cut
#: off keeps all others from writing for as long as it is (the server's own default is no limit).
STANDSTILL = 5
#: What PostgreSQL calls a transaction that it has taken back for that (its manual, appendix A).
_TAKEN_BACK = "25P03"


class Database:
    """The records database; one per process, opened on first use.

    `write()` is a transaction that holds the write lock from its start, so that what was read in
    it is still true when it commits; `read()` sees committed rows and locks nothing.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction. Raises Unreachable when the database is away or stays locked."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            if not _is_away(error):
                raise
            raise Unreachable(f"records database: {_plain(error)}") from None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Committed rows, without a lock. Raises Unreachable like `write`."""
        try:
            with self.engine.connect() as connection:
                yield connection.execution_options(isolation_level="AUTOCOMMIT")
        except OperationalError as error:
            raise Unreachable(f"records database: {_plain(error)}") from None

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


def address(url: str) -> URL:
    """The parts of an address of records. Raises ConfigError, which does not repeat it: it may
    hold a password."""
    # SQLAlchemy takes the plain scheme for psycopg2, which is not what the extra installs.
    try:
        place = make_url(re.sub(r"^postgresql:", "postgresql+psycopg:", url))
    except (ArgumentError, ValueError):
        raise _no_address() from None
    # Behind an @ in a password its rest is taken for the host, which stands in error texts.
    beyond = "" if place.get_backend_name() == "sqlite" else f"{place.host}{place.database}"
    if "@" in beyond or "password" in place.query:
        raise _no_address()
    return place


def _no_address() -> ConfigError:
    return ConfigError(
        "TENANTSYNC_DATABASE_URL is no address of a database: write "
        "postgresql://USER:PASSWORD@HOST/NAME, with %40 for an @ in the password"
    )


def _engine(url: str) -> Engine:
    place = address(url)
    if place.get_backend_name() != "sqlite":
        try:
            engine = create_engine(place, pool_size=2, max_overflow=8, pool_pre_ping=True)
        except (ModuleNotFoundError, NoSuchModuleError):
            raise ConfigError(
                "records database: the driver of PostgreSQL is not installed: "
                "pip install 'tenantsync[postgresql]'"
            ) from None
        event.listen(engine, "begin", _lock_writers)
        return engine
    engine = create_engine(place, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _tune_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _tune_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    # WAL with NORMAL loses no committed row when a process dies, only on power loss.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads first fails with "locked" when it comes to write.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _lock_writers(connection: Connection) -> None:
    # Under READ COMMITTED a row that was read may change before the transaction commits. The lock
    # ends with the transaction, also when its process dies.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        limit = f"set_config('idle_in_transaction_session_timeout', '{STANDSTILL}s', true)"
        connection.exec_driver_sql(f"SELECT {limit}, pg_advisory_xact_lock({_WRITERS})")


def _is_away(error: DBAPIError) -> bool:
    """Whether the server or the connection is to blame, so that the same may go well later."""
    return isinstance(error, OperationalError) or (
        getattr(error.orig, "sqlstate", None) == _TAKEN_BACK
    )


def _plain(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0]
