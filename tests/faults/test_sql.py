"""The records are locked, cut off or started again in the middle of a run: jobs wait and go on,
nothing is done twice, and no run ends by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.faults.truth import nothing_is_left
from tests.postgresql import NoServer, PostgreSQL
from tests.postgresql import postgresql as running
from tests.sides import both
from tests.stack import Stack, wait_for
from tests.texts import flow
from tests.wire import Wire

#: Seconds in which a run ends: a minute of production at a fifth, and more for a slow machine.
LIMIT = 90
NAMESPACES = [f"company.n{number}" for number in range(2)]
#: As libpq sends it; "READ COMMITTED" is another word.
COMMIT = b"COMMIT\0"
#: Where a job is held while the records are in trouble, and the direction of its run.
MOMENTS = [
    ("surveyed", "GIT"),
    ("write.after", "GIT"),
    ("push.after", "KESTRA"),
]


def _ready(stack: Stack) -> Stack:
    """Both sides equal, and then something new on each."""
    stack.fresh()
    stack.kestra.seed(flows=[flow(namespace, "one") for namespace in NAMESPACES])
    assert stack.export()["state"] == "APPLIED"
    return stack


def _changed(stack: Stack, source: str, number: int = 0) -> None:
    name, text = f"new{number}", f"text {number}"
    if source == "KESTRA":
        stack.kestra.seed(flows=[flow(ns, name, text) for ns in NAMESPACES])
    else:
        stack.push({f"{ns}/flows/{name}.yaml": flow(ns, name, text) for ns in NAMESPACES})


def _ended_truly(stack: Stack, outcome: dict[str, object], source: str, commits: int) -> None:
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    sides = both(stack)
    target = sides["KESTRA" if source == "GIT" else "GIT"]
    assert {one: target.get(one) for one in sides[source]} == sides[source]
    assert len(stack.commits()) == commits + (source == "KESTRA")
    run = stack.records.get(str(outcome["runId"]))
    assert run.revived <= 1
    nothing_is_left(stack)


def _log(stack: Stack) -> str:
    return (stack.folder / "w1.log").read_text(errors="replace")


# -- SQLite --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lockable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A worker that waits for a lock for a fifth of a second only."""
    folder = tmp_path_factory.mktemp("locked")
    file = folder / "data" / "tenantsync.db"
    url = f"sqlite:///{file}?timeout=0.2"
    with Stack(folder, None, TENANTSYNC_DATABASE_URL=url) as stack:
        stack.worker("w1")
        yield stack


def _file(stack: Stack) -> Path:
    return stack.folder / "data" / "tenantsync.db"


@pytest.mark.parametrize(("point", "source"), [MOMENTS[0], MOMENTS[2]])
def test_a_run_goes_on_when_its_records_are_unlocked(
    lockable: Stack, point: str, source: str
) -> None:
    _goes_on_after(lockable, point, source, "database is locked")


@pytest.mark.parametrize(("point", "source"), [MOMENTS[1]])
def test_a_run_goes_on_when_its_records_were_locked_for_longer_than_its_jobs_try(
    lockable: Stack, point: str, source: str
) -> None:
    _goes_on_after(lockable, point, source, "waits for the records")


def _goes_on_after(lockable: Stack, point: str, source: str, words: str) -> None:
    """A run whose records are locked from the point on until the log of its worker says so."""
    stack = _ready(lockable)
    _changed(stack, source)
    commits = len(stack.commits())
    stack.hold(point, 1)
    asked = stack.ask(sourceOfTruth=source, whenMissingInSource="KEEP")
    stack.held(point, 1)
    before = _log(stack).count(words)
    with closing(sqlite3.connect(_file(stack), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stack.release(point)
        wait_for(f"the log says: {words}", lambda: _log(stack).count(words) > before, LIMIT)
        other.execute("COMMIT")
    _ended_truly(stack, stack.outcome(asked, LIMIT), source, commits)


def test_what_is_asked_while_the_records_are_locked_is_asked_once_they_are_not(
    lockable: Stack,
) -> None:
    stack = _ready(lockable)
    _changed(stack, "GIT")
    commits = len(stack.commits())
    before = _log(stack).count("try 1: records database")
    with closing(sqlite3.connect(_file(stack), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = stack.run("sync", "tenant", "--source-of-truth", "GIT", "--branch", "main")
        assert done.returncode == 1
        assert "database is locked; another program keeps it locked" in done.stderr
        asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
        wait_for(
            "it is refused", lambda: _log(stack).count("try 1: records database") > before, LIMIT
        )
        other.execute("COMMIT")
    _ended_truly(stack, stack.outcome(asked, LIMIT), "GIT", commits)


# -- PostgreSQL ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """A server that may be started again."""
    try:
        with running("-F") as server:
            yield server
    except NoServer as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def wire(server: PostgreSQL) -> Iterator[Wire]:
    wire = Wire(server.port)
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def wired(
    tmp_path_factory: pytest.TempPathFactory, server: PostgreSQL, wire: Wire
) -> Iterator[Stack]:
    """A worker that reaches its records over the wire; the test looks at them without it."""
    url = server.create()
    far = url.replace(str(server.port), str(wire.port))
    folder = tmp_path_factory.mktemp("wired")
    with Stack(folder, None, TENANTSYNC_DATABASE_URL=url) as stack:
        stack.worker("w1", TENANTSYNC_DATABASE_URL=far)
        yield stack


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_run_whose_commits_are_cut_is_done_once(
    wired: Stack, wire: Wire, request: pytest.FixtureRequest, answered: bool
) -> None:
    """Each COMMIT of a run in turn; the export cuts before, the other direction after."""
    source = "KESTRA" if answered else "GIT"
    stack, number = _ready(wired), 0
    step = 1 if request.config.option.all_commits else 7
    while True:
        _changed(stack, source, number)
        commits, cuts = len(stack.commits()), wire.cuts
        wire.cut(COMMIT, answered=answered, spared=number)
        asked = stack.ask(sourceOfTruth=source, whenMissingInSource="KEEP")
        _ended_truly(stack, stack.outcome(asked, LIMIT), source, commits)
        if wire.cuts == cuts:
            break
        number += step
    wire.spare()
    assert number >= 8, "a run commits more often"


@pytest.mark.parametrize(("point", "source"), [MOMENTS[0], MOMENTS[1]])
def test_a_run_goes_on_when_its_server_is_started_again(
    wired: Stack, server: PostgreSQL, point: str, source: str
) -> None:
    stack = _ready(wired)
    _changed(stack, source)
    commits = len(stack.commits())
    stack.hold(point, 1)
    asked = stack.ask(sourceOfTruth=source, whenMissingInSource="KEEP")
    stack.held(point, 1)
    before = _log(stack).count("records database: ")
    server.stop()
    stack.release(point)
    wait_for("it is away", lambda: _log(stack).count("records database: ") > before, LIMIT)
    server.start()
    _ended_truly(stack, stack.outcome(asked, LIMIT), source, commits)


def test_a_run_whose_connections_the_server_ends_goes_on(wired: Stack) -> None:
    stack = _ready(wired)
    _changed(stack, "GIT")
    commits = len(stack.commits())
    stack.hold("gathered", 1)
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held("gathered", 1)
    stack.forget_records()  # the test's own connections
    with psycopg.connect(stack.environment["TENANTSYNC_DATABASE_URL"], autocommit=True) as other:
        ended = other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    assert (True,) in ended
    stack.release("gathered")
    _ended_truly(stack, stack.outcome(asked, LIMIT), "GIT", commits)
