"""What doctor says of the workers that answer: each is a real process that sees something else
than the command does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.store.contents import OWNER
from tests.integration.doctor.patient import Told, told
from tests.stack import Stack, stop
from tests.wire import between, shifted
from workers.report import report
from workers.settings import load

SYNCS = {"backup": {"sourceOfTruth": "KESTRA", "branch": "main"}}


def ask(stack: Stack, *arguments: str, **more: str) -> Told:
    return told({**stack.environment, **more}, *arguments)


def test_where_all_is_well_nothing_is_complained_of(stack: Stack) -> None:
    stack.configure(SYNCS)
    found = ask(stack)
    assert not found.bad
    assert found.code == 0
    found.has("ok", "workers", "w1@", "all see the same configuration, database and contents")
    found.has("ok", "repository-push", "may be pushed to")
    found.has("note", "repository-branch", "will be created as the first one")


def test_a_store_that_hangs_does_not_hold_up_a_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blob = "ab" * 32
    pipe = tmp_path / "contents" / "ab" / blob
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)  # whoever opens it waits for a writer
    monkeypatch.setenv("TENANTSYNC_DATA", str(tmp_path))
    found = report(load(), blob, limit=0.2)
    assert found.contents_problem == "it did not answer within 0.2 s"
    pipe.write_bytes(b"")  # lets the reader go


@pytest.fixture
def other(processes: Stack, tmp_path: Path) -> Iterator[Any]:
    """Starts a second worker, w2, with other settings; it ends with the test."""
    started = []

    def start(**more: str) -> None:
        (tmp_path / "data").mkdir()
        started.append(processes.worker("w2", TENANTSYNC_DATA=str(tmp_path / "data"), **more))

    yield start
    for process in started:
        stop(process)
        processes.workers.remove(process)
    (processes.folder / "w2.log").unlink()


def same(stack: Stack) -> dict[str, str]:
    """The stores of the first worker, by name."""
    data = stack.folder / "data"
    return {
        "TENANTSYNC_DATABASE_URL": f"sqlite:///{data / 'tenantsync.db'}",
        "TENANTSYNC_CONTENTS_URL": str(data / "contents"),
    }


def test_workers_that_share_everything_by_other_words(stack: Stack, other: Any) -> None:
    other(**same(stack))
    found = ask(stack)
    assert not found.bad
    found.has("ok", "workers", "w1@", "w2@")


def test_a_worker_that_cannot_read_the_contents_is_named(
    stack: Stack, other: Any, tmp_path: Path
) -> None:
    elsewhere = {"TENANTSYNC_CONTENTS_URL": str(tmp_path / "elsewhere")}
    # A copy of the folder: a worker that is shown a foreign one does not start.
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(stack.folder / "data" / "contents" / OWNER, tmp_path / "elsewhere")
    other(**{**same(stack), **elsewhere})
    # What a look from the other host has left there proves nothing to the next one from here.
    for environment, worker in ((elsewhere, "w1"), ({}, "w2")):
        found = ask(stack, **environment)
        (one,) = found.bad
        assert (one.check, one.level) == ("worker-contents", "broken")
        assert one.subject.startswith(f"worker {worker}@")
        assert "TENANTSYNC_CONTENTS_URL" in one.text
    assert found.code == 1


def test_a_worker_with_its_own_sqlite_is_named(stack: Stack, other: Any) -> None:
    other()
    found = ask(stack)
    one = found.has("broken", "worker-database", "another one", "SQLite serves the one data dir")
    assert one.subject.startswith("worker w2@")
    assert {one.check for one in found.bad} == {"worker-database", "worker-contents"}


def test_a_worker_with_another_configuration_is_named(
    stack: Stack, other: Any, tmp_path: Path
) -> None:
    changed = tmp_path / "other.yaml"
    changed.write_text(stack.config.read_text() + "\n# changed\n")
    other(**same(stack), TENANTSYNC_CONFIG=str(changed))
    found = ask(stack)
    one = found.has("warning", "worker-configuration", "give all hosts the same")
    assert one.subject.startswith("worker w2@")
    changed.unlink()
    ask(stack).has("broken", "worker-configuration", "cannot read its configuration")


def test_a_worker_with_other_times_is_named(stack: Stack, other: Any) -> None:
    other(**same(stack), TENANTSYNC_LEASE="9")
    found = ask(stack)
    found.has("warning", "worker-settings", "TENANTSYNC_LEASE 9, here 6", "make them alike")
    assert len(found.bad) == 1


def test_workers_on_one_database_server(
    stack: Stack, other: Any, postgresql: str, tmp_path: Path
) -> None:
    shared = {
        "TENANTSYNC_DATABASE_URL": postgresql,
        "TENANTSYNC_CONTENTS_URL": str(tmp_path / "contents"),
    }
    other(**shared)
    found = ask(stack, **shared)
    # w1 still has the SQLite and the contents of its data directory.
    assert {one.check for one in found.bad} == {"worker-database", "worker-contents"}
    assert {one.subject[:10] for one in found.bad} == {"worker w1@"}
    found.has("broken", "worker-database", "PostgreSQL server")


def test_a_worker_whose_clock_has_run_away_is_named(stack: Stack, other: Any) -> None:
    away = [0]
    server = int(stack.redis_url.rsplit(":", 1)[1].split("/")[0])
    with between(server, lambda answer: shifted(away[0])(answer)) as port:
        other(**same(stack), TENANTSYNC_REDIS_URL=f"redis://127.0.0.1:{port}/0")
        assert not ask(stack).bad
        away[0] = 30
        one = ask(stack).has("broken", "worker-clock", "30.", "NTP")
    assert one.subject.startswith("worker w2@")


def test_contents_of_other_records_are_named(stack: Stack, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / OWNER).write_text("0" * 32)
    found = ask(stack, TENANTSYNC_CONTENTS_URL=str(foreign))
    found.has("broken", "contents", "belongs to other records", "TENANTSYNC_CONTENTS_URL")
