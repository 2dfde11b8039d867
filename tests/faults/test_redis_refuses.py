"""Redis is there and takes no writes: it is full, or no primary any more. Nothing is lost, nothing
half recorded, no worker ends, and all goes on when it takes them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tasks.points import Fault, hits
from tests.faults.truth import nothing_is_left
from tests.ports import free_port
from tests.sides import both
from tests.stack import Stack, wait_for
from tests.texts import flow

#: The asker's Celery drops its connections to a server that refuses it without closing them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
#: Seconds in which a run ends: a minute of production at a fifth, and more for a slow machine.
LIMIT = 60
NAMESPACES = [f"company.n{number}" for number in range(3)]
#: As many jobs as one worker of the stack runs at a time.
SLOTS = 4
#: What the log says when the end of a job of a chord is not taken.
NOT_COUNTED = "Failed operation on_chord_part_return"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("refuses")) as stack:
        stack.worker("w1")
        yield stack


@pytest.fixture
def stack(pair: Stack) -> Stack:
    """One worker, both sides equal, and then a new flow per namespace in Git."""
    pair.fresh()
    pair.kestra.seed(flows=[flow(namespace, "one") for namespace in NAMESPACES])
    assert pair.export()["state"] == "APPLIED"
    pair.push({f"{ns}/flows/git.yaml": flow(ns, "git") for ns in NAMESPACES})
    return pair


@contextmanager
def _full_memory(stack: Stack) -> Iterator[None]:
    stack.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        stack.redis.config_set("maxmemory", 0)


@contextmanager
def _no_replicas(stack: Stack) -> Iterator[None]:
    stack.redis.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        stack.redis.config_set("min-replicas-to-write", 0)


@contextmanager
def _unsaved(stack: Stack) -> Iterator[None]:
    """A folder stands where its snapshot would be."""
    place = Path(stack.redis.config_get("dir")["dir"]) / "dump.rdb"
    place.mkdir()
    stack.redis.config_set("save", "3600 1")
    stack.redis.bgsave()
    told = partial(stack.redis.info, "persistence")
    wait_for("it cannot save", lambda: told()["rdb_last_bgsave_status"] == "err")
    try:
        yield
    finally:
        stack.redis.config_set("save", "")
        place.rmdir()


@contextmanager
def _replica(stack: Stack, *, stale: str) -> Iterator[None]:
    """Without stale reads it answers MASTERDOWN, with them READONLY."""
    stack.redis.config_set("replica-serve-stale-data", stale)
    stack.redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    try:
        yield
    finally:
        stack.redis.execute_command("REPLICAOF", "NO", "ONE")


Refusing = Callable[[Stack], AbstractContextManager[None]]
#: Where a job is held when writes are refused, and why they are.
MOMENTS = [
    pytest.param("read", {}, partial(_replica, stale="no"), id="read-MASTERDOWN"),
    pytest.param("recorded", {"job": "tenantsync.plan"}, _no_replicas, id="recorded-NOREPLICAS"),
    pytest.param("write.after", {}, partial(_replica, stale="yes"), id="write.after-READONLY"),
    pytest.param("recorded", {"job": "tenantsync.finish"}, _unsaved, id="finish-MISCONF"),
    pytest.param("finished", {}, _full_memory, id="finished-OOM"),
]


def _log(stack: Stack) -> str:
    return (stack.folder / "w1.log").read_text(errors="replace")


def _refused(stack: Stack) -> int:
    """How often the worker was told that it may not write; by Celery's own calls too."""
    words = ("takes no writes", "OutOfMemoryError", "TakesNoWrites", "ReadOnlyError", "MasterDown")
    return sum(map(_log(stack).count, words))


def _lives(stack: Stack) -> bool:
    return stack.workers[0].poll() is None


def _in_time(stack: Stack, seconds: float) -> None:
    """Waits until the clock of Redis has gone on so much."""
    start = stack.redis.time()[0]
    wait_for("it goes on", lambda: stack.redis.time()[0] >= start + seconds)


@pytest.mark.parametrize(("point", "match", "refusing"), MOMENTS)
def test_a_run_goes_on_when_writes_are_taken_again(
    stack: Stack, point: str, match: dict[str, str], refusing: Refusing
) -> None:
    stack.hold(point, 1, **match)
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held(point, 1)
    before = _refused(stack)
    with refusing(stack):
        stack.release(point)
        wait_for("it is refused", lambda: _refused(stack) > before, LIMIT)
    assert stack.outcome(asked, LIMIT)["state"] == "APPLIED"
    sides = both(stack)
    assert {one: sides["KESTRA"].get(one) for one in sides["GIT"]} == sides["GIT"]
    assert _lives(stack)
    nothing_is_left(stack)


def test_a_job_whose_end_is_not_counted_at_once_is_counted_later(stack: Stack) -> None:
    parts = len(NAMESPACES)
    stack.hold("recorded", parts, job="tenantsync.plan")
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held("recorded", parts)
    before = _log(stack).count(NOT_COUNTED)
    with _full_memory(stack):
        stack.release("recorded")
        wait_for("it is not counted", lambda: _log(stack).count(NOT_COUNTED) > before, LIMIT)
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    assert stack.records.get(outcome["runId"]).epoch == 0, "nobody had to publish it again"


def test_what_waits_in_the_queue_of_a_full_server_is_not_lost(stack: Stack) -> None:
    stack.hold("surveyed", SLOTS)
    asked = [_export(stack, number) for number in range(SLOTS)]
    stack.held("surveyed", SLOTS)
    asked += [_export(stack, number) for number in range(SLOTS, SLOTS + 3)]

    def look() -> bool:
        return len({one.task.git_directory for one in stack.records.newest(SLOTS + 3)}) == SLOTS + 3

    with _full_memory(stack):
        stack.release("surveyed")
        wait_for("all that was asked is recorded", look, LIMIT)
        assert _lives(stack)
    assert {stack.outcome(one, LIMIT)["state"] for one in asked} == {"APPLIED"}
    nothing_is_left(stack)


def _export(stack: Stack, number: int) -> Any:
    return stack.ask(sourceOfTruth="KESTRA", gitDirectory=f"d{number}")


def test_a_job_that_runs_while_the_server_is_full_for_long_runs_once(stack: Stack) -> None:
    namespace = NAMESPACES[1]
    stack.hold("write.before", 1, namespace=namespace)
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held("write.before", 1)
    with _full_memory(stack):
        # Longer than its messages and its lease live without a sign of life.
        _in_time(stack, float(stack.environment["TENANTSYNC_VISIBILITY"]) + 3)
    stack.arm("leased", Fault.NOTE)
    _in_time(stack, 2 * float(stack.environment["TENANTSYNC_HEARTBEAT"]) + 1)
    assert not hits(stack.points, "leased"), "nobody else took its place"
    stack.release("write.before")
    assert stack.outcome(asked, LIMIT)["state"] == "APPLIED"


def test_a_command_is_refused_by_name_and_nothing_is_recorded(stack: Stack) -> None:
    before = stack.records.newest(1)
    with _full_memory(stack):
        done = stack.run("sync", "tenant", "--source-of-truth", "GIT", "--branch", "main")
    assert done.returncode == 1
    assert "it takes no writes" in done.stderr
    assert "its memory is full: raise maxmemory" in done.stderr
    assert stack.records.newest(1) == before
