"""Redis is there and takes no writes: it is full, or no primary any more. Nothing is lost, nothing
half recorded, no worker ends, and all goes on when it takes them again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.points import Fault, hits
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


@pytest.fixture(autouse=True)
def dropped_connections() -> Iterator[None]:
    """What was dropped is collected here, not in the middle of another test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("refuses")) as stack:
        stack.worker("w1")
        yield stack


@pytest.fixture
def stack(pair: Stack) -> Iterator[Stack]:
    """One worker, both sides equal, and then a new flow per namespace in Git."""
    pair.fresh()
    pair.kestra.seed(flows=[flow(namespace, "one") for namespace in NAMESPACES])
    assert pair.export()["state"] == "APPLIED"
    pair.push({f"{ns}/flows/git.yaml": flow(ns, "git") for ns in NAMESPACES})
    yield pair
    _full(pair, False)


def _full(stack: Stack, full: bool) -> None:
    stack.redis.config_set("maxmemory", 1 if full else 0)


def _refused(stack: Stack) -> int:
    """How often the worker was told that it may not write; by Celery's own calls too."""
    log = (stack.folder / "w1.log").read_text(errors="replace")
    return log.count("takes no writes") + log.count("OutOfMemoryError")


def _lives(stack: Stack) -> bool:
    return stack.workers[0].poll() is None


def _nothing_is_left(stack: Stack) -> None:
    queues = ("tenantsync", *(f"tenantsync\x06\x16{priority}" for priority in (3, 6, 9)))

    def look() -> bool:
        waiting = stack.redis.hlen("unacked") + sum(stack.redis.llen(name) for name in queues)
        return not waiting and not stack.redis.keys("tenantsync:lane*")

    wait_for("Redis is empty of this run", look, LIMIT)


def _in_time(stack: Stack, seconds: float) -> None:
    """Waits until the clock of Redis has gone on so much."""
    start = stack.redis.time()[0]
    wait_for("it goes on", lambda: stack.redis.time()[0] >= start + seconds)


@pytest.mark.parametrize("point", ["read", "gathered", "write.after", "finished"])
def test_a_run_goes_on_when_there_is_room_again(stack: Stack, point: str) -> None:
    stack.hold(point, 1)
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held(point, 1)
    before = _refused(stack)
    _full(stack, True)
    stack.release(point)
    wait_for("it is refused", lambda: _refused(stack) > before, LIMIT)
    _full(stack, False)
    assert stack.outcome(asked, LIMIT)["state"] == "APPLIED"
    sides = both(stack)
    assert {one: sides["KESTRA"].get(one) for one in sides["GIT"]} == sides["GIT"]
    assert _lives(stack)
    _nothing_is_left(stack)


def test_what_waits_in_the_queue_of_a_full_server_is_not_lost(stack: Stack) -> None:
    stack.hold("surveyed", SLOTS)
    asked = [_export(stack, number) for number in range(SLOTS)]
    stack.held("surveyed", SLOTS)
    asked += [_export(stack, number) for number in range(SLOTS, SLOTS + 3)]
    _full(stack, True)
    stack.release("surveyed")

    def look() -> bool:
        return len({one.task.git_directory for one in stack.records.newest(SLOTS + 3)}) == SLOTS + 3

    wait_for("all that was asked is recorded", look, LIMIT)
    assert _lives(stack)
    _full(stack, False)
    assert {stack.outcome(one, LIMIT)["state"] for one in asked} == {"APPLIED"}
    _nothing_is_left(stack)


def _export(stack: Stack, number: int) -> Any:
    return stack.ask(sourceOfTruth="KESTRA", gitDirectory=f"d{number}")


def test_a_job_that_runs_while_the_server_is_full_for_long_runs_once(stack: Stack) -> None:
    namespace = NAMESPACES[1]
    stack.hold("write.before", 1, namespace=namespace)
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held("write.before", 1)
    _full(stack, True)
    # Longer than its messages and its lease live without a sign of life.
    _in_time(stack, float(stack.environment["TENANTSYNC_VISIBILITY"]) + 3)
    _full(stack, False)
    stack.arm("leased", Fault.NOTE)
    _in_time(stack, 2 * float(stack.environment["TENANTSYNC_HEARTBEAT"]) + 1)
    assert not hits(stack.points, "leased"), "nobody else took its place"
    stack.release("write.before")
    assert stack.outcome(asked, LIMIT)["state"] == "APPLIED"


def test_a_command_is_refused_by_name_and_nothing_is_recorded(stack: Stack) -> None:
    before = stack.records.newest(1)
    _full(stack, True)
    done = stack.run("sync", "tenant", "--source-of-truth", "GIT", "--branch", "main")
    assert done.returncode == 1
    assert "it takes no writes" in done.stderr
    assert "its memory is full: raise maxmemory" in done.stderr
    assert stack.records.newest(1) == before
    _full(stack, False)
    stack.run("sync", "tenant", "--source-of-truth", "GIT", "--branch", "main", check=True)


@pytest.mark.parametrize(
    ("point", "stale"), [("read", "no"), ("write.after", "yes")], ids=["MASTERDOWN", "READONLY"]
)
def test_a_run_goes_on_when_its_server_is_a_primary_again(
    stack: Stack, point: str, stale: str
) -> None:
    stack.hold(point, 1)
    asked = stack.ask(sourceOfTruth="GIT", whenMissingInSource="KEEP")
    stack.held(point, 1)
    before = _refused(stack)
    stack.redis.config_set("replica-serve-stale-data", stale)
    stack.redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
    stack.release(point)
    wait_for("it is refused", lambda: _refused(stack) > before, LIMIT)
    stack.redis.execute_command("REPLICAOF", "NO", "ONE")
    assert stack.outcome(asked, LIMIT)["state"] == "APPLIED"
    assert _lives(stack)
    _nothing_is_left(stack)
