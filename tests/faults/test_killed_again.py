"""A job that dies again and again in one phase: its message alone brings the run to its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.points import Fault, arm, hits
from tests.stack import Stack, stop
from tests.texts import flow
from tests.waiting import wait_for

#: Seconds in which a run ends whose message is delivered again and again.
LIMIT = 60


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Workers whose janitor comes in an hour: what it would mend stays broken."""
    folder = tmp_path_factory.mktemp("again")
    with Stack(folder, TENANTSYNC_JANITOR="3600") as stack:
        yield stack


@pytest.fixture
def stack(alone: Stack) -> Iterator[Stack]:
    alone.fresh()
    alone.kestra.seed(flows=[flow("company.team", "one")])
    for name in ("w1", "w2"):
        if not any(worker.args[3] == name and worker.poll() is None for worker in alone.workers):
            alone.worker(name)
    yield alone


JOBS = ["split", "gather", "begin", "finish"]


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("job", JOBS)
def test_a_phase_whose_job_dies_more_than_once_goes_on(stack: Stack, job: str, times: int) -> None:
    arm(stack.points, "claim", Fault.KILL, times=times, match={"job": f"tenantsync.{job}"})
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
    assert len(hits(stack.points, "claim")) == times
    assert outcome["state"] == "APPLIED", outcome
    assert stack.commits() == [outcome["commitId"]]


def test_two_workers_that_die_one_after_the_other_lose_nothing(stack: Stack) -> None:
    match = {"job": "tenantsync.split"}
    stack.worker("w3")
    arm(stack.points, "claim", Fault.KILL_GROUP, times=2, match=match)
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
    assert len({hit["pid"] for hit in hits(stack.points, "claim")}) == 2
    assert outcome["state"] == "APPLIED", outcome
    stop(stack.workers[-1])


def test_what_takes_over_publishes_nothing_that_is_done_twice(stack: Stack) -> None:
    arm(stack.points, "split.published", Fault.KILL, times=2)
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    assert stack.commits() == [outcome["commitId"]]
    assert stack.sync(sourceOfTruth="KESTRA")["state"] == "UNCHANGED"


def test_a_job_that_always_dies_ends_its_run_and_says_so(stack: Stack) -> None:
    arm(stack.points, "surveyed", Fault.KILL, times=None)
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
    assert outcome["state"] == "FAILED", outcome
    assert "started too often" in outcome["problems"][0]["message"]
    assert len(hits(stack.points, "surveyed")) == 4


@pytest.mark.parametrize(
    ("point", "state"),
    [("ended", "APPLIED"), ("finished", "APPLIED"), ("rested", "APPLIED"), ("decided", "PLANNED")],
)
def test_who_asked_is_answered_though_the_job_fails_after_the_end_of_its_run(
    stack: Stack, point: str, state: str
) -> None:
    arm(stack.points, point, Fault.RAISE)
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA", dryRun=state == "PLANNED"), LIMIT)
    assert len(hits(stack.points, point)) == 1
    assert outcome["state"] == state, outcome
    keys = stack.redis.keys
    wait_for(
        "nothing is left of it",
        lambda: not keys("tenantsync:lane*") and not keys("tenantsync:run:*:jobs"),
        LIMIT,
    )
