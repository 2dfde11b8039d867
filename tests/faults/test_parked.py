"""Redis is lost while many runs stand parked in one lane: all go on, in the order of asking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tasks.outcome import State
from tests.faults.truth import nothing_is_left
from tests.restarting import Servers
from tests.stack import Stack, wait_for
from tests.texts import flow

#: The asker's Celery drops its connections to a server that went away without closing them.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.timeout(400),
]
NS = "company.team"
RUNS = 30
#: Seconds for all of them on a machine that does much else.
LIMIT = 240


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("parked")) as stack:
        stack.worker("w1")
        yield stack


@pytest.fixture
def parked(pair: Stack) -> tuple[Stack, list[Any]]:
    """Thirty exports of one namespace, each into a folder of its own: the first one holds the
    lane, the others are parked behind it."""
    stack = pair.fresh()
    stack.kestra.seed(flows=[flow(NS, "one")])
    assert stack.export(gitDirectory="first")["state"] == "APPLIED"
    stack.hold("committed", 1)
    asked = []
    for number in range(RUNS):
        task = {"namespace": NS, "sourceOfTruth": "KESTRA", "gitDirectory": f"d{number}"}
        asked.append(stack.ask("namespace_sync", **task))
    stack.held("committed", 1)
    wait_for(f"{RUNS - 1} are parked", lambda: _parked(stack) == RUNS - 1, LIMIT)
    return stack, asked


def _parked(stack: Stack) -> int:
    keys = stack.redis.scan_iter("tenantsync:lane:*:parked")
    return sum(int(stack.redis.hlen(key)) for key in keys)


def _all_went_on(stack: Stack, asked: list[Any]) -> None:
    wait_for("all are at rest", lambda: not stack.records.in_motion(_MOVING), LIMIT)
    runs = sorted(stack.records.newest(RUNS), key=lambda run: run.seq)
    assert [run.state for run in runs] == ["APPLIED"] * RUNS
    # Each made its own commit, in the order in which they were asked, and once.
    assert stack.commits()[RUNS - 1 :: -1] == [run.commit_id for run in runs]
    assert len(stack.commits()) == RUNS + 1
    assert {stack.outcome(one, 60)["state"] for one in asked} == {"APPLIED"}
    nothing_is_left(stack)


_MOVING = [state for state in State if state.in_motion]


def test_runs_that_are_parked_go_on_in_order_when_redis_forgets_everything(
    parked: tuple[Stack, list[Any]],
) -> None:
    stack, asked = parked
    stack.redis.flushall()
    stack.release("committed")
    _all_went_on(stack, asked)


def test_runs_that_are_parked_go_on_in_order_when_redis_is_killed_and_started_again(
    parked: tuple[Stack, list[Any]],
) -> None:
    stack, asked = parked
    with Servers() as servers:
        folder = servers.end(stack)
        stack.release("committed")
        servers.start(stack, folder)
        _all_went_on(stack, asked)
