"""The records in each database that can hold them: SQLite, and a real PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.database import Database
from tests.ports import free_port


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of its own; skips where the program is not installed."""
    program = shutil.which("pg_ctl")
    if program is None:
        pytest.skip("needs the server programs of PostgreSQL (initdb, pg_ctl) on the PATH")
    home, port = Path(tempfile.mkdtemp(prefix="pg")), free_port()
    data, who = home / "data", None
    if os.getuid() == 0:  # the server refuses to run as root
        who = "nobody"
        shutil.chown(home, who)
    control = [program, "--pgdata", str(data), "--log", str(home / "log"), "--wait"]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -F"
    try:
        _run([program, "initdb", "--pgdata", str(data), "-o", "-A trust -U sync"], who, home)
        _run([*control, "-o", options, "start"], who, home)
        yield f"postgresql://sync@127.0.0.1:{port}/postgres"
        _run([*control, "--mode", "immediate", "stop"], who, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(command: list[str], who: str | None, home: Path) -> None:
    subprocess.run(
        command, user=who, cwd=home, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Empty records."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'records.db'}"
    else:
        url = request.getfixturevalue("postgresql")
    database = Database(url)
    yield database
    database.close()
