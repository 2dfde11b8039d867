"""What is there of the records before anything is opened for writing: which database it is, and
which version its tables have. Changes nothing."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, select, text, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from tasks.errors import ConfigError, NotFound
from tasks.store.database import meta
from tasks.store.engine import address
from tasks.store.failure import meaning

#: Seconds to connect.
_CONNECT = 5
#: Linux tells all processes of one kernel, in whatever container, the same.
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """A records database as it was found."""

    #: Equal for all who use the same database, and for nobody else. Holds no secret.
    identity: str
    #: The version of its tables; None where there are none yet.
    version: int | None


def machine() -> str:
    """What tells this machine from others: its boot, else its name."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


def look(url: str) -> Records:
    """What is at the URL of the records.

    Raises ConfigError for a URL or driver that cannot be used, LoginRefused, NotFound for a
    database that is not there, and Unreachable.
    """
    place = address(url)
    if place.get_backend_name() != "sqlite":
        with _connected(place) as connection:
            return Records(identity=_server(connection, place), version=_version(connection))
    file = Path(place.database or "").resolve()
    if not file.parent.is_dir():
        raise NotFound(f"records database: there is no folder {file.parent}; make it")
    if not file.exists():
        return Records(identity=_file(file), version=None)
    with _connected(place) as connection:
        return Records(identity=_file(file), version=_version(connection))


def try_to_write(url: str) -> None:
    """Writes the version of the tables as it is; only a write shows what refuses writes.

    Raises Unreachable with what the database says.
    """
    with _connected(address(url)) as connection:
        connection.execute(update(meta).values(version=meta.c.version))
        connection.commit()


@contextmanager
def _connected(place: URL) -> Iterator[Connection]:
    arguments = {} if place.get_backend_name() == "sqlite" else {"connect_timeout": _CONNECT}
    try:
        engine = create_engine(place, connect_args=arguments)
    except (ImportError, NoSuchModuleError):
        raise ConfigError(
            f"records database: no driver for {place.drivername} is installed; install tenantsync "
            "with its extra postgresql"
        ) from None
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise meaning(error, place) from None
    finally:
        engine.dispose()


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(meta.name):
        return None
    return connection.execute(select(meta.c.version)).scalar()


def _file(file: Path) -> str:
    """A name in a folder of this machine: the same before and after the file is made, and for
    containers that see the folder under another path."""
    folder = file.parent.stat()
    return f"SQLite {file.name} in folder {folder.st_dev}:{folder.st_ino} of machine {machine()}"


def _server(connection: Connection, place: URL) -> str:
    """The cluster's own number, where this user may read it, and the names within it."""
    name, schema = connection.execute(text("SELECT current_database(), current_schema()")).one()
    try:
        asked = text("SELECT system_identifier FROM pg_control_system()")
        cluster = f"cluster {connection.execute(asked).scalar()}"
    except DBAPIError:
        connection.rollback()
        asked = text("SELECT inet_server_addr(), inet_server_port()")
        cluster = " ".join(str(part) for part in connection.execute(asked).one())
    return f"{place.get_backend_name()} {name}.{schema} of {cluster}"
