"""The database is away, cut off, locked, full or damaged: nothing is half recorded, nothing twice,
and the error says what to do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import event

from tasks.artifacts import Kind, Part
from tasks.errors import RecordsAway
from tasks.outcome import State
from tasks.plan import Target
from tasks.problems import Code, Problem
from tasks.requests import Side, TenantSync
from tasks.run import Phase, Run
from tasks.store import engine
from tasks.store.audit import audit_rows
from tasks.store.bases import BaseRow, Bases, Noted, scope
from tasks.store.database import Database
from tasks.store.known import Known, KnownSides, known_key
from tasks.store.parts import PartRow, Parts, PartState, WritePhase, WriteRow
from tasks.store.runs import Runs, now
from tests.waiting import wait_for
from tests.wire import Wire

TASK = TenantSync(kestra="prod", repository="flows", source_of_truth=Side.GIT, branch="main")
PART = Part("company.team", Kind.FLOW)
#: As libpq sends it; "READ COMMITTED" is another word.
COMMIT = b"COMMIT\0"
TARGET = Target(server="u", tenant="main", remote="r", branch="main", git_directory="")


def _new(runs: Runs, state: State = State.QUEUED, message: str = "m") -> Run:
    """A run that has come to a state without any trouble."""
    task = TASK.model_copy(update={"branch": message})
    run, _ = runs.ask(task, who="pat", message=message)
    for phase, to in ((Phase.SPLIT, None), (None, State.WAITING)):
        if state is State.QUEUED or (state is State.PLANNING and to is State.WAITING):
            break
        if phase is not None:
            run = _some(runs.claim(run.id, 0, phase, message="job", redelivered=False))
        if to is not None:
            run = _some(runs.move(run, to, plan_digest="d" * 64))
    return run


def _some(run: Run | None) -> Run:
    assert run is not None
    return run


def _events(database: Database, run: Run) -> list[str]:
    return [row.event for row in reversed(audit_rows(database, run.id))]


# -- the answer to a COMMIT is lost --------------------------------------------------------------


@pytest.fixture
def wire(postgresql: str) -> Iterator[Wire]:
    """Between these processes and an empty database of PostgreSQL."""
    wire = Wire(urlsplit(postgresql).port or 0)
    yield wire
    wire.close()


@pytest.fixture
def wired(wire: Wire, postgresql: str) -> Iterator[Database]:
    """The records behind the wire."""
    port = str(urlsplit(postgresql).port)
    database = Database(postgresql.replace(port, str(wire.port)))
    yield database
    database.close()


def _claim(runs: Runs, run: Run) -> Run | None:
    return runs.claim(run.id, 0, Phase.SPLIT, message="job", redelivered=False)


def _again(runs: Runs, run: Run) -> Run | None:
    return runs.claim(run.id, 0, Phase.SPLIT, message="job", redelivered=True)


def _approve(runs: Runs, run: Run) -> Run | None:
    return runs.decide(run, State.WRITING, "approved", person="sam", reason=None)


def _expire(runs: Runs, run: Run) -> Run | None:
    return runs.move(run, State.EXPIRED)


def _cancel(runs: Runs, run: Run) -> Run | None:
    return runs.cancel(run, "sam")


def _revive(runs: Runs, run: Run) -> Run | None:
    return runs.revive(run, None)


def _supersede(runs: Runs, run: Run) -> Run | None:
    return runs.get(run.id) if runs.supersede(run, run) else None


#: A transition → the state it starts in and what its run tells afterwards, each once.
TRANSITIONS: dict[str, tuple[Callable[[Runs, Run], Run | None], State, dict[str, Any], list[str]]]
TRANSITIONS = {
    "claim": (_claim, State.QUEUED, {"state": "PLANNING", "epoch": 0, "phase": "SPLIT"}, []),
    "again": (_again, State.PLANNING, {"state": "PLANNING", "epoch": 1, "phase": "SPLIT"}, []),
    "decide": (_approve, State.WAITING, {"state": "WRITING"}, ["waiting", "approved"]),
    "move": (_expire, State.WAITING, {"state": "EXPIRED"}, ["waiting", "expired"]),
    "cancel": (_cancel, State.PLANNING, {"cancelled_by": "sam"}, ["cancel asked"]),
    "revive": (_revive, State.PLANNING, {"epoch": 1, "revived": 1}, []),
    "supersede": (_supersede, State.WAITING, {"state": "SUPERSEDED"}, ["waiting", "superseded"]),
}


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_whose_commit_is_cut_is_done_once(
    wire: Wire, wired: Database, name: str, answered: bool
) -> None:
    act, state, wanted, events = TRANSITIONS[name]
    runs = Runs(wired)
    run = _new(runs, state)
    wire.cut(COMMIT, answered=answered)
    moved = _some(act(runs, run))
    assert wire.cuts == 1
    assert {key: getattr(moved, key) for key in wanted} == wanted
    assert moved == runs.get(run.id)
    assert _events(wired, run) == ["asked", *events]
    assert len(runs.reviews(run.id)) == (name == "decide")


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_an_ask_whose_commit_is_cut_is_new_and_asked_once(
    wire: Wire, wired: Database, answered: bool
) -> None:
    runs = Runs(wired)
    wire.cut(COMMIT, answered=answered)
    run, new = runs.ask(TASK, who="pat", message="m")
    assert (wire.cuts, new) == (1, True)
    assert [one.message for one in runs.askers(run.id)] == ["m"]
    assert [one.id for one in runs.newest()] == [run.id]
    assert _events(wired, run) == ["asked"]


def test_a_claim_that_somebody_else_made_is_not_taken_for_ones_own(
    wire: Wire, wired: Database, postgresql: str
) -> None:
    runs = Runs(wired)
    run = _new(runs)
    wire.cut(COMMIT, answered=False)
    with closing(Database(postgresql)) as other, psycopg.connect(postgresql) as first:
        # The lock of writers decides who is next: the same message, delivered a second time.
        first.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(b"tensync", "big")])
        with ThreadPoolExecutor(2) as pool:
            cut = pool.submit(_claim, runs, run)
            _waiting(postgresql, 1)
            twin = pool.submit(_claim, Runs(other), run)
            _waiting(postgresql, 2)
            first.commit()
            claimed = [cut.result(60), twin.result(60)]
    assert wire.cuts == 1
    assert [one is None for one in claimed].count(True) == 1


def _waiting(url: str, number: int) -> None:
    """Waits until so many transactions stand at the lock of writers."""
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

    def look() -> bool:
        with psycopg.connect(url) as db:
            row = db.execute(asked).fetchone()
        return row is not None and row[0] >= number

    wait_for(f"{number} wait for the lock", look)


def _parts(database: Database, run: Run) -> object:
    parts = Parts(database)
    row = PartRow(run=run.id, namespace=PART.namespace, kind=PART.kind, state=PartState.SURVEYED)
    claimed = _some(Runs(database).claim(run.id, 0, Phase.SPLIT, message="j", redelivered=True))
    parts.survey(claimed, [row], base_commit="c")
    parts.planned(run.id, PART, PartState.PLANNED, "result")
    return parts.of(run.id), Runs(database).get(run.id).base_commit


def _writes(database: Database, run: Run) -> object:
    parts, phase = Parts(database), WritePhase.UPSERT
    parts.add_writes(
        [WriteRow(run=run.id, namespace="a", phase=phase, changes="c", namespaces=("a",))]
    )
    parts.written(run.id, "a", phase, "first", Noted(target=TARGET, landed={PART: {"two": "2"}}))
    return parts.writes(run.id)


def _base(database: Database, run: Run) -> object:
    bases = Bases(database)
    pair, landed = scope(TARGET), {PART: {"two": "2", "one": None}}
    bases.seen_equal(pair, PART, BaseRow(), {"one": "1"}, ())
    noted = Noted(target=TARGET, landed=landed, settled=[PART], commit="commit")
    Runs(database).move(run, State.CANCELLED, noted=noted)
    bases.met("url", "uuid")
    row = bases.part(pair, PART)
    return row.items, row.settled, bases.commit(pair), bases.server("url")


def _known(database: Database, run: Run) -> object:
    sides, key = KnownSides(database), known_key(TARGET, [Kind.FLOW], [])
    value = Known(target=TARGET, fingerprint={}, read_at=now(), parts=())
    sides.take(TARGET, key, run.id)
    sides.give_back(key, run.id, value)
    return sides.take(TARGET, key, "other") in (None, value)  # forgotten is safe: all is read


def _problem(database: Database, run: Run) -> object:
    problem = Problem(code=Code.LATE_WRITE, where="a", message="late")
    Runs(database).add_problem(run.id, problem)
    return Runs(database).get(run.id).problems


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("work", [_parts, _writes, _base, _known, _problem])
def test_what_a_job_records_may_be_recorded_again(
    wire: Wire, wired: Database, work: Callable[[Database, Run], object], answered: bool
) -> None:
    """A job is done again from its start when one of its COMMITs was cut, whichever that was."""
    runs = Runs(wired)
    wanted, cut = _shown(work(wired, _new(runs, message="whole"))), 0
    while True:
        run = _new(runs, message=f"cut{cut}")
        _forget_bases(wired)
        wire.cut(COMMIT, answered=answered, spared=cut)
        before = wire.cuts
        with suppress(RecordsAway):
            work(wired, run)
        if wire.cuts == before:
            break
        assert _shown(work(wired, run)) == wanted
        cut += 1
    wire.spare()
    assert cut, "no COMMIT was cut"


def _forget_bases(database: Database) -> None:
    from tasks.store.database import bases, known, pairs, servers

    with database.write() as db:
        for table in (bases, pairs, servers, known):
            db.execute(table.delete())


def _shown(told: object) -> object:
    """Without the id of the run."""
    if isinstance(told, tuple | list):
        return [_shown(one) for one in told]
    return told.model_copy(update={"run": ""}) if isinstance(told, PartRow | WriteRow) else told


# -- the server ends what we do ------------------------------------------------------------------


def test_a_move_whose_connection_the_server_ends_is_done_all_the_same(postgresql: str) -> None:
    with closing(Database(postgresql)) as database, psycopg.connect(postgresql) as other:
        runs = Runs(database)
        run = _new(runs, State.WAITING)
        other.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(b"tensync", "big")])
        with ThreadPoolExecutor(1) as pool:
            moved = pool.submit(_expire, runs, run)
            _waiting(postgresql, 1)
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            other.commit()
            assert _some(moved.result(60)).state == "EXPIRED"
        assert _events(database, run) == ["asked", "waiting", "expired"]


def test_a_deadlock_with_another_program_is_tried_again(postgresql: str) -> None:
    with closing(Database(postgresql)) as database, psycopg.connect(postgresql) as other:
        runs = Runs(database)
        run = _new(runs, State.WAITING)
        other.execute("SET deadlock_timeout = '1min'")  # it is ours that is chosen to fail
        other.execute("SELECT 1 FROM runs FOR UPDATE")
        with ThreadPoolExecutor(2) as pool:
            moved = pool.submit(_expire, runs, run)
            _waiting_for_row(postgresql)
            locked = pool.submit(
                other.execute,
                "SELECT pg_advisory_xact_lock(%s)",
                [int.from_bytes(b"tensync", "big")],
            )
            locked.result(60)
            other.commit()
            assert _some(moved.result(60)).state == "EXPIRED"
        assert _events(database, run) == ["asked", "waiting", "expired"]


def _waiting_for_row(url: str) -> None:
    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"

    def look() -> bool:
        with psycopg.connect(url) as db:
            row = db.execute(asked).fetchone()
        return row is not None and row[0] > 0

    wait_for("ours waits for a row", look)


def test_a_server_that_takes_no_writes_is_named_with_the_remedy(postgresql: str) -> None:
    """As one that is no primary any more; to its driver that is no OperationalError."""
    with closing(Database(postgresql)) as database:
        with (
            pytest.raises(RecordsAway, match="read-only transaction; it takes no writes"),
            database.write() as db,
        ):
            db.exec_driver_sql("SET TRANSACTION READ ONLY")
            db.exec_driver_sql("DELETE FROM askers")
        assert Runs(database).newest() == []


# -- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
def records(file: Path) -> Iterator[Database]:
    """Records that wait for a lock for a tenth of a second only."""
    database = Database(f"sqlite:///{file}?timeout=0.1")
    yield database
    database.close()


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_while_the_file_is_locked_is_not_half_done(
    records: Database, file: Path, name: str
) -> None:
    act, state, wanted, events = TRANSITIONS[name]
    runs = Runs(records)
    run = _new(runs, state)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordsAway, match=f"{file}: database is locked; another program keeps"):
            act(runs, run)
        assert runs.get(run.id) == run
    moved = _some(act(runs, run))
    assert {key: getattr(moved, key) for key in wanted} == wanted
    assert _events(records, run) == ["asked", *events]


def test_a_full_disk_records_nothing_by_half_and_names_the_remedy(
    records: Database, file: Path
) -> None:
    runs = Runs(records)
    run = _new(runs)
    with closing(sqlite3.connect(file)) as other:
        (pages,) = other.execute("PRAGMA page_count").fetchone()

    def limit(connection: Any, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    event.listen(records.engine, "connect", limit)
    records.close()
    asked = 0
    with pytest.raises(RecordsAway, match=f"{file}: database or disk is full; free some"):
        while asked < 1000:
            _new(runs, message=f"full{asked}" + "x" * 200)
            asked += 1
    assert len(runs.newest(1000)) == asked + 1
    assert {len(_events(records, one)) for one in runs.newest(1000)} == {1}
    event.remove(records.engine, "connect", limit)
    records.close()
    assert _claim(runs, run) is not None


def test_a_file_that_takes_no_writes_is_named_with_the_remedy(
    records: Database, file: Path
) -> None:
    Runs(records)
    with closing(Database(f"sqlite:///file:{file}?mode=ro&uri=true")) as database:
        with pytest.raises(RecordsAway, match=r"readonly database; it takes no writes: .*writable"):
            _new(Runs(database))
        assert Runs(database).newest() == []


def test_a_file_that_is_none_of_sqlite_is_named_with_the_remedy(file: Path) -> None:
    file.write_bytes(b"no database at all " * 1000)
    with pytest.raises(RecordsAway, match=f"{file}: file is not a database; the file is damaged"):
        Database(f"sqlite:///{file}")
    assert file.read_bytes().startswith(b"no database at all")


def test_a_damaged_file_is_named_with_the_remedy(file: Path) -> None:
    with closing(Database(f"sqlite:///{file}")) as database:
        for number in range(50):
            _new(Runs(database), message=f"m{number}" + "x" * 200)
    with closing(sqlite3.connect(file)) as whole:
        whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = bytearray(file.read_bytes())
    pages[4096 * 2 :] = b"\xff" * (len(pages) - 4096 * 2)
    file.write_bytes(pages)
    with pytest.raises(RecordsAway, match=r"malformed; the file is damaged: stop all workers"):
        Database(f"sqlite:///{file}")


def test_a_new_file_that_another_process_is_making_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, waits = tmp_path / "r.db", Event()

    def sleep(seconds: float) -> None:
        waits.set()
        time.sleep(seconds)

    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("CREATE TABLE first (a)")
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            opened = pool.submit(Database, f"sqlite:///{file}")
            wait_for("it waits, or has given up", lambda: waits.is_set() or opened.done())
            other.execute("COMMIT")
            with closing(opened.result(60)) as database:
                assert Runs(database).newest(1) == []
