"""What doctor says of the database of the records."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import create_engine, text

from tasks.store.database import Database
from tasks.store.looking import look
from tasks.store.upgrade import SCHEMA_VERSION
from tests.integration.doctor.patient import Patient


def made(url: str, version: int = SCHEMA_VERSION) -> str:
    """Records with tables that say they have this version; the URL."""
    database = Database(url)
    with database.write() as connection:
        connection.execute(text(f"UPDATE meta SET version = {version}"))
    database.close()
    return url


def test_records_of_another_version(patient: Patient, tmp_path: Path) -> None:
    url = made(f"sqlite:///{tmp_path / 'older.db'}", SCHEMA_VERSION - 1)
    told = patient.told(TENANTSYNC_DATABASE_URL=url)
    told.has("warning", "database-version", f"have version {SCHEMA_VERSION - 1}", "backup")
    url = made(f"sqlite:///{tmp_path / 'newer.db'}", SCHEMA_VERSION + 1)
    told = patient.told(TENANTSYNC_DATABASE_URL=url)
    told.has("broken", "database-version", f"version {SCHEMA_VERSION + 1}", "upgrade tenantsync")


def test_tables_of_another_version_are_left_as_they_are(patient: Patient, tmp_path: Path) -> None:
    url = made(f"sqlite:///{tmp_path / 'older.db'}", SCHEMA_VERSION - 1)
    patient.told(TENANTSYNC_DATABASE_URL=url)
    with create_engine(url).connect() as connection:
        assert connection.execute(text("SELECT version FROM meta")).scalar() == SCHEMA_VERSION - 1
    connection.engine.dispose()


def test_a_file_that_is_no_database(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"something else\n" * 100)
    told = patient.told(TENANTSYNC_DATABASE_URL=f"sqlite:///{tmp_path / 'records.db'}")
    told.has("broken", "database", "not a database")


def test_a_folder_that_is_not_there(patient: Patient, tmp_path: Path) -> None:
    told = patient.told(TENANTSYNC_DATABASE_URL=f"sqlite:///{tmp_path / 'lost' / 'records.db'}")
    told.has("broken", "database", "there is no folder", "make it")


def test_a_database_is_the_same_before_and_after_it_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    before = look(url)
    Database(url).close()
    assert (before.version, look(url).version) == (None, SCHEMA_VERSION)
    assert before.identity == look(url).identity
    assert before.identity != look(f"sqlite:///{tmp_path / 'other.db'}").identity


def test_a_database_server_that_is_away(patient: Patient) -> None:
    url = "postgresql://sync:hunter2@127.0.0.1:9/tenantsync"
    told = patient.told(TENANTSYNC_DATABASE_URL=url)
    told.has("broken", "database", "onnection refused", "TENANTSYNC_DATABASE_URL is right")
    told.has("note", "contents", "TENANTSYNC_CONTENTS_URL")
    assert "hunter2" not in str(told)


@pytest.fixture
def server(postgresql: str) -> str:
    """The URL of a PostgreSQL server with tables of ours."""
    return made(postgresql)


def execute(url: str, *statements: str) -> None:
    engine = create_engine(
        url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_good_database_server(patient: Patient, server: str) -> None:
    told = patient.told(TENANTSYNC_DATABASE_URL=server)
    told.has("ok", "database", "your own: can be written")
    told.has("ok", "database-version")


def test_a_database_that_is_not_there(patient: Patient, server: str) -> None:
    told = patient.told(TENANTSYNC_DATABASE_URL=f"{server}_lost")
    told.has("broken", "database", "does not exist", "create it, empty")


def test_a_database_of_another_version(patient: Patient, server: str) -> None:
    made(server, SCHEMA_VERSION + 1)
    try:
        told = patient.told(TENANTSYNC_DATABASE_URL=server)
    finally:
        execute(server, f"UPDATE meta SET version = {SCHEMA_VERSION}")
    told.has("broken", "database-version", "upgrade tenantsync")


def test_a_database_that_takes_no_writes(patient: Patient, server: str) -> None:
    name = urlsplit(server).path.strip("/")
    execute(server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        told = patient.told(TENANTSYNC_DATABASE_URL=server)
    finally:
        reset = f"ALTER DATABASE {name} RESET default_transaction_read_only"
        execute(server, "SET default_transaction_read_only = off", reset)
    told.has("broken", "database", "read-only transaction", "name the primary")


def test_a_user_who_may_not_write(patient: Patient, server: str) -> None:
    execute(
        server, "CREATE ROLE reader LOGIN", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    )
    told = patient.told(TENANTSYNC_DATABASE_URL=server.replace("sync@", "reader@"))
    told.has("broken", "database", "permission denied")


def test_a_user_whom_the_server_does_not_know(patient: Patient, server: str) -> None:
    """The server trusts whoever it knows, so this is as near to a wrong password as it comes."""
    told = patient.told(TENANTSYNC_DATABASE_URL=server.replace("sync@", "stranger:hunter2@"))
    told.has("broken", "database", 'role "stranger" does not exist')
    assert "hunter2" not in str(told)
