"""How is the records database opened? An engine for SQLite or PostgreSQL whose transactions hold
the one lock of writers from their start."""

from __future__ import annotations

import re
import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from tasks.errors import ConfigError

#: Seconds to connect, and for which a lock of SQLite is waited for; the address may say otherwise.
_CONNECT, _LOCKED = 10, 30
#: Seconds between two looks whether a new file is free.
_LOOK = 0.05
#: A server that vanishes without a word is noticed within a minute (names of libpq): by probes
#: while we wait for its answer, and by bytes that it does not acknowledge (milliseconds).
_NOTICED: dict[str, object] = {
    "connect_timeout": _CONNECT,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,
}
#: The advisory lock of PostgreSQL that a writing transaction holds.
_WRITERS = int.from_bytes(b"tensync", "big")
#: Seconds that a writing transaction on PostgreSQL may stand still between two statements, which
#: are milliseconds apart, until the server takes it back. Without it a host that is frozen or cut
#: off keeps all others from writing for as long as it is (the server's own default is no limit).
STANDSTILL = 5


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


def engine_of(url: str) -> Engine:
    """The engine for an address of records; connects to nothing yet. Raises ConfigError."""
    place = address(url)
    if place.get_backend_name() != "sqlite":
        try:
            engine = create_engine(
                place,
                pool_size=2,
                max_overflow=8,
                pool_pre_ping=True,
                connect_args=_but_for(place, _NOTICED) if "psycopg" in place.drivername else {},
            )
        except (ModuleNotFoundError, NoSuchModuleError):
            raise ConfigError(
                "records database: the driver of PostgreSQL is not installed: "
                "pip install 'tenantsync[postgresql]'"
            ) from None
        event.listen(engine, "begin", _lock_writers)
        return engine
    arguments = _but_for(place, {"timeout": _LOCKED}) | {"check_same_thread": False}
    engine = create_engine(place, connect_args=arguments)
    event.listen(engine, "connect", _tune_sqlite)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _but_for(place: URL, arguments: dict[str, object]) -> dict[str, object]:
    """The arguments that the address itself does not set."""
    return {name: value for name, value in arguments.items() if name not in place.query}


def _tune_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    _to_wal(connection)
    # WAL with NORMAL loses no committed row when a process dies, only on power loss.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _to_wal(connection: Any) -> None:
    """Has a new file keep its journal beside it. That needs the file alone, and SQLite does not
    wait for it as it does for other locks: of two processes that open a new file one is refused."""
    milliseconds = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    end = time.monotonic() + milliseconds / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= end:
                raise
            time.sleep(_LOOK)
        else:
            return


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
