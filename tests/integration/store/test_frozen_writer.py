"""A writer that stands still in the middle of a transaction, as on a host that is frozen or cut
off: on PostgreSQL one transaction writes at a time, so all others would wait for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tasks.store.audit import audit_rows, note
from tasks.store.database import Database
from tests.stack import ROOT

#: Begins to write, and says so from inside the transaction; ends it when it is told to.
WRITER = """
import sys
from tasks.errors import Unreachable
from tasks.store.audit import note
from tasks.store.database import Database
database = Database(sys.argv[1])
try:
    with database.write() as db:
        note(db, None, "frozen", "written", {})
        print("inside", flush=True)
        sys.stdin.readline()
except Unreachable as error:
    print(f"unreachable: {error.message}")
    sys.exit(7)
"""


@pytest.fixture
def frozen(postgresql: str) -> Iterator[subprocess.Popen[str]]:
    Database(postgresql).close()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, postgresql],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "inside\n"
    os.kill(writer.pid, signal.SIGSTOP)
    yield writer
    writer.kill()
    writer.communicate()


@pytest.mark.timeout(60)
def test_the_others_write_after_a_moment_and_it_has_written_nothing(
    postgresql: str, frozen: subprocess.Popen[str]
) -> None:
    database = Database(postgresql)
    with database.write() as db:  # waits for its turn
        note(db, None, "other", "written", {})
    os.kill(frozen.pid, signal.SIGCONT)
    said, _ = frozen.communicate("go on\n", timeout=60)
    assert frozen.returncode == 7, said
    assert said.startswith("unreachable: records database: ")
    assert [row.who for row in audit_rows(database)] == ["other"]
    database.close()
