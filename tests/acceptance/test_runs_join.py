"""Many askers: equal asks become one run and one follower, one namespace is written in the order of
asking, other namespaces are not held up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from tasks.points import Fault, arm, hits
from tasks.run import Run
from tests.stack import Stack, stop, wait_for
from tests.texts import flow

NS = "company.team"
ASKERS = 30
SYNCS = 4


@pytest.fixture(scope="module")
def second_worker(processes: Stack) -> Iterator[None]:
    worker = processes.worker("w2")
    yield
    stop(worker)
    processes.workers.remove(worker)


def _known(stack: Stack) -> None:
    """A flow, and a server that was reached before, so that its lanes have a name."""
    stack.kestra.seed(flows=[flow(NS, "one")])
    assert stack.export(gitDirectory="first")["state"] == "APPLIED"


def _namespace_sync(stack: Stack, **task: Any) -> Any:
    value = {"namespace": NS, "sourceOfTruth": "KESTRA", **task}
    return stack.ask("namespace_sync", **value)


def _parked(stack: Stack) -> int:
    keys = stack.redis.scan_iter("tenantsync:lane:*:parked")
    return sum(int(stack.redis.hlen(key)) for key in keys)


# -- equal asks ---------------------------------------------------------------------------------


def test_thirty_equal_asks_are_one_run_and_one_follower_and_all_are_answered(
    stack: Stack,
) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    stack.hold("surveyed", 1)
    asked = [stack.ask(sourceOfTruth="KESTRA")]
    stack.held("surveyed", 1)
    first = stack.records.newest(1)[0]
    asked += [stack.ask(sourceOfTruth="KESTRA") for _ in range(ASKERS - 1)]

    def look() -> Run | None:
        newest = stack.records.newest(1)[0]
        return newest if len(stack.records.askers(newest.id)) == ASKERS - 1 else None

    follower = wait_for("all have asked for one more run", look)
    assert (stack.records.get(first.id).state, follower.state) == ("PLANNING", "QUEUED")
    assert follower.seq == first.seq + 1
    stack.release("surveyed")
    outcomes = [stack.outcome(one) for one in asked]
    assert {one["runId"] for one in outcomes} == {first.id, follower.id}
    assert {one["state"] for one in outcomes} == {"APPLIED", "UNCHANGED"}
    first, follower = stack.records.get(first.id), stack.records.get(follower.id)
    assert first.ended_at and follower.started_at and first.ended_at <= follower.started_at
    assert len(stack.commits()) == 1


def test_asks_that_differ_in_who_triggered_them_alone_are_equal(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    stack.hold("surveyed", 1)
    busy = stack.ask(sourceOfTruth="KESTRA")
    stack.held("surveyed", 1)
    asked = [
        stack.ask(sourceOfTruth="KESTRA", triggeredBy={"executionId": f"x{number}"})
        for number in range(2)
    ]
    other = stack.ask(sourceOfTruth="KESTRA", dryRun=True)
    assert stack.outcome(other)["state"] == "PLANNED", "another task waits for nobody"
    stack.release("surveyed")
    outcomes = [stack.outcome(one) for one in asked]
    assert outcomes[0]["runId"] == outcomes[1]["runId"] != stack.outcome(busy)["runId"]
    who = {one.who for one in stack.records.askers(outcomes[0]["runId"])}
    assert who == {"execution x0", "execution x1"}


def test_a_message_that_comes_twice_asks_once(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    task = {"sourceOfTruth": "KESTRA", "branch": "main"}
    told, message = [], str(uuid4())
    arm(stack.points, "asked", Fault.NOTE, times=2)
    for times in (1, 2):
        asked = stack.celery().send_task(
            "tenantsync.tenant_sync", [task], queue="tenantsync", task_id=message
        )
        stack.held("asked", times)
        told.append(stack.outcome(asked))
    stack.quiet()
    assert told[0]["runId"] == told[1]["runId"]
    assert stack.records.newest(1)[0].id == told[0]["runId"]
    assert len(stack.records.askers(told[0]["runId"])) == 1


@pytest.mark.parametrize("point", ["asked", "published"])
def test_an_ask_whose_worker_dies_is_one_run_all_the_same(stack: Stack, point: str) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    newest = stack.records.newest(1)
    stack.arm(point, Fault.KILL)
    asked = stack.ask(sourceOfTruth="KESTRA")
    outcome = stack.outcome(asked, 40)
    assert len(hits(stack.points, point)) == 1
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    assert [run.id for run in stack.records.newest(2)][1:] == [run.id for run in newest]


# -- order --------------------------------------------------------------------------------------


def _asked_in_order(stack: Stack, tasks: list[dict[str, Any]]) -> list[Any]:
    """Asks one after the other; the first is held before its plan, all others stand behind it."""
    stack.hold("surveyed", 1)
    asked = []
    for task in tasks:
        number = stack.records.newest(1)[0].seq
        asked.append(_namespace_sync(stack, **task))
        wait_for("it is asked", lambda n=number: stack.records.newest(1)[0].seq > n)
        stack.held("surveyed", 1)  # by the first, before the second could come there
    wait_for("the others are parked behind the first", lambda: _parked(stack) == len(tasks) - 1)
    return asked


@pytest.mark.usefixtures("second_worker")
def test_commits_of_one_namespace_are_made_in_the_order_of_asking(stack: Stack) -> None:
    _known(stack)
    asked = _asked_in_order(stack, [{"gitDirectory": f"d{number}"} for number in range(SYNCS)])
    assert len(stack.commits()) == 1, "somebody has overtaken"
    stack.release("surveyed")
    outcomes = [stack.outcome(one) for one in asked]
    assert {one["state"] for one in outcomes} == {"APPLIED"}
    assert list(reversed(stack.commits()))[1:] == [one["commitId"] for one in outcomes]


@pytest.mark.usefixtures("second_worker")
def test_a_namespace_of_kestra_is_written_in_the_order_of_asking(stack: Stack) -> None:
    _known(stack)
    tasks = []
    for number in range(SYNCS):
        branch, name = f"b{number}", f"f{number}"
        files = {f"{NS}/flows/{one}.yaml": flow(NS, one) for one in ("one", name)}
        stack.push(files, branch=branch)
        keep = {"whenMissingInSource": "KEEP", "kinds": ["FLOW"]}
        tasks.append({"sourceOfTruth": "GIT", "branch": branch, **keep})
    asked = _asked_in_order(stack, tasks)
    assert set(stack.kestra.flows()) == {(NS, "one")}, "somebody has overtaken"
    stack.kestra.reset_log()
    stack.release("surveyed")
    runs = [stack.records.get(stack.outcome(one)["runId"]) for one in asked]
    assert {run.state for run in runs} == {"APPLIED"}
    assert [run.id for run in sorted(runs, key=lambda run: str(run.ended_at))] == [
        run.id for run in runs
    ]
    writes = [call for call in stack.kestra.log() if call["path"].endswith("/flows/import")]
    assert len(writes) == SYNCS
    for one, following in pairwise(writes):
        assert one["ended"] <= following["started"], "two wrote one namespace at once"


def test_other_namespaces_are_written_meanwhile(stack: Stack) -> None:
    names = ("company.a", "company.b")
    stack.push({f"{name}/flows/one.yaml": flow(name, "one") for name in names})
    # From here on the leases are renewed, so that none ends while both are held.
    stack.hold("write.before", 2)
    asked = [_namespace_sync(stack, namespace=name, sourceOfTruth="GIT") for name in names]
    stack.held("write.before", 2)
    where = {dict(hit["where"])["namespace"] for hit in hits(stack.points, "write.before")}
    assert where == set(names)
    stack.release("write.before")
    assert {stack.outcome(one)["state"] for one in asked} == {"APPLIED"}


def test_who_waits_for_a_person_holds_up_nobody(stack: Stack) -> None:
    _known(stack)
    waiting = stack.outcome(_namespace_sync(stack, gitDirectory="w", review="always"))
    assert waiting["state"] == "WAITING"
    assert not stack.redis.keys("tenantsync:lane:*"), "it has left its lane before it is answered"
    refused = stack.outcome(_namespace_sync(stack, gitDirectory="r", sourceOfTruth="GIT"))
    assert refused["state"] == "REFUSED"
    assert stack.outcome(_namespace_sync(stack, gitDirectory="x"), 20)["state"] == "APPLIED"
    assert stack.outcome(stack.ask(sourceOfTruth="KESTRA", gitDirectory="y"), 20)["state"] == (
        "APPLIED"
    )
    assert stack.records.get(waiting["runId"]).state == "WAITING"
