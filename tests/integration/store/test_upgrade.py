"""Records that an older program wrote are brought up to this one: all at once or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from tasks.artifacts import Kind, Part
from tasks.errors import ConfigError
from tasks.outcome import State
from tasks.plan import Target
from tasks.points import VARIABLE, Fault, arm, hits, release
from tasks.requests import Side, TenantSync
from tasks.store.audit import audit_rows
from tasks.store.bases import Bases, scope
from tasks.store.database import Database, metadata
from tasks.store.parts import Parts
from tasks.store.runs import Runs
from tasks.store.upgrade import SCHEMA_VERSION
from tests.records.old import WAITING, make_version_1
from tests.stack import ROOT
from tests.waiting import wait_for

_OPEN = "import sys; from tasks.store.database import Database; Database(sys.argv[1]).close()"


@pytest.fixture
def old(url: str) -> str:
    """A database that the program with version 1 wrote, with rows in every table."""
    make_version_1(url)
    return url


def _opening(url: str, points: Path) -> subprocess.Popen[str]:
    """Another process that opens the records."""
    return subprocess.Popen(
        [sys.executable, "-c", _OPEN, url],
        cwd=ROOT,
        env={**os.environ, VARIABLE: str(points)},
        stderr=subprocess.PIPE,
        text=True,
    )


def _engine(url: str) -> Any:
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def _version(url: str) -> int:
    engine = _engine(url)
    with engine.connect() as db:
        version = int(db.execute(text("SELECT version FROM meta")).scalar_one())
    engine.dispose()
    return version


def _type(engine: Any, told: Any) -> str:
    # SQLite takes any text whatever the width, and keeps the one that was first said.
    return re.sub(r"\(\d+\)", "", str(told)) if engine.name == "sqlite" else str(told)


def _tables(url: str) -> dict[str, Any]:
    """Every table with its columns and indexes, as the database tells them."""
    engine = _engine(url)
    look = inspect(engine)
    told = {
        name: (
            {
                (column["name"], _type(engine, column["type"]), column["nullable"])
                for column in look.get_columns(name)
            },
            {(index["name"], tuple(index["column_names"])) for index in look.get_indexes(name)},
            tuple(look.get_pk_constraint(name)["constrained_columns"]),
        )
        for name in look.get_table_names()
    }
    engine.dispose()
    return told


def test_old_tables_become_those_of_a_new_database(
    old: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert _version(old) == 1
    Database(old).close()
    if old.startswith("sqlite"):
        fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    else:
        fresh = request.getfixturevalue("postgresql_server").create()
    Database(fresh).close()
    assert _tables(old) == _tables(fresh)
    assert _version(old) == _version(fresh) == SCHEMA_VERSION


def test_the_rows_of_every_table_are_read_as_before(old: str) -> None:
    tables = [table for table in metadata.sorted_tables if table.name in _tables(old)]
    database = Database(old)
    with database.read() as db:
        for table in tables:
            assert db.execute(table.select()).all(), f"no row in {table.name}"
    runs, parts, bases = Runs(database), Parts(database), Bases(database)
    newest = runs.find("last")
    assert newest.id == WAITING[old.partition(":")[0]]
    assert (newest.state, newest.deletions, newest.claimant) == (State.WAITING, 6, None)
    assert [run.state for run in runs.newest()] == [
        *(State.WAITING, State.REJECTED, State.UNCHANGED, State.APPLIED, State.APPLIED)
    ]
    target = newest.target
    assert isinstance(target, Target)
    base = bases.part(scope(target), Part("company.team", Kind.FLOW))
    assert base.settled
    assert len(base.items) == 8
    assert bases.commit(scope(target)) == runs.newest()[-2].base_commit
    assert [one.person for one in runs.reviews(runs.newest()[1].id)] == ["anna"]
    assert [row.namespace for row in parts.writes(newest.id)] == ["company.team"]
    assert len(parts.of(newest.id)) == 7
    assert len(audit_rows(database)) == 13
    assert [one.run for one in runs.askers(newest.id)] == [newest.id]
    database.close()


def test_a_run_that_is_asked_after_the_upgrade_comes_last(old: str) -> None:
    database = Database(old)
    task = TenantSync(kestra="main", repository="main", source_of_truth=Side.GIT, branch="b")
    run, new = Runs(database).ask(task, who="anna", message="m")
    assert new
    assert run.seq == 6
    database.close()


def test_of_many_processes_one_upgrades_and_the_others_wait(old: str, tmp_path: Path) -> None:
    arm(tmp_path, "upgraded", Fault.HOLD, times=None)
    first = _opening(old, tmp_path)
    wait_for("the first upgrades", lambda: hits(tmp_path, "upgraded"), 30)
    others = [_opening(old, tmp_path) for _ in range(3)]
    release(tmp_path, "upgraded")
    for process in (first, *others):
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert len(hits(tmp_path, "upgraded")) == 1
    assert _version(old) == SCHEMA_VERSION


def test_an_upgrade_that_is_cut_off_leaves_the_old_version(old: str, tmp_path: Path) -> None:
    before = _tables(old)
    arm(tmp_path, "upgraded", Fault.KILL)
    killed = _opening(old, tmp_path)
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    assert (_version(old), _tables(old)) == (1, before)
    Database(old).close()
    assert _version(old) == SCHEMA_VERSION


def test_processes_that_make_the_tables_at_once_agree(url: str, tmp_path: Path) -> None:
    processes = [_opening(url, tmp_path) for _ in range(4)]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert _version(url) == SCHEMA_VERSION


def test_a_database_of_a_newer_program_is_refused_with_both_versions(database: Database) -> None:
    with database.write() as db:
        db.execute(text("UPDATE meta SET version = 99"))
    with pytest.raises(ConfigError, match=rf"version 99, this program knows {SCHEMA_VERSION}"):
        Database(database.url)
