"""One dead, stalling or overloaded Kestra holds up no run of another, and its own runs go on when
it is back, or end and say since when it is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import yaml

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from sandbox.settings import Settings
from tests.stack import Stack, wait_for
from tests.texts import flow
from workers.circuits import Answers, Circuits

#: More runs than the worker has slots.
MANY = 6


@dataclass
class Two:
    """The stack, whose server is `dead`, and a second server with a repository of its own."""

    stack: Stack
    alive: SandboxServer

    @property
    def dead(self) -> SandboxServer:
        return self.stack.kestra

    def ask(self, kestra: str, number: int, **task: Any) -> Any:
        """One of several runs that are not equal, so that none joins another."""
        namespace = f"{kestra}.n{number}"
        value = {"sourceOfTruth": "KESTRA", "kestra": kestra, "repository": kestra, **task}
        return self.stack.ask("namespace_sync", namespace=namespace, **value)

    def stall(self) -> None:
        self.dead.arm(Fault(latency=30_000, times=None))

    @property
    def standing(self) -> Answers:
        return Circuits(self.stack.redis).look(self.dead.url).answers


@pytest.fixture
def two(processes: Stack, request: pytest.FixtureRequest) -> Iterator[Two]:
    stack = processes.fresh()
    with SandboxServer(Settings(uuid="5andb0xKestraServer002")) as alive:
        stack.git.create(f"{stack.repository.stem}-two")
        _configure(stack, alive, timeout=getattr(request, "param", 4))
        for server, name in ((stack.kestra, "dead"), (alive, "alive")):
            server.seed(flows=[flow(f"{name}.n{number}", "f") for number in range(20)])
        yield Two(stack, alive)
        with suppress(ConnectionError):  # a test may have stopped it
            stack.kestra.disarm()
        stack.quiet(120)


def _configure(stack: Stack, alive: SandboxServer, timeout: float) -> None:
    stack.configure()
    config = yaml.safe_load(stack.config.read_text())
    kestra, repository = config["kestra"]["main"], config["repositories"]["main"]
    config["kestra"] = {
        "dead": {**kestra, "timeout": timeout},
        "alive": {**kestra, "url": alive.url},
    }
    other = repository["url"].removesuffix(".git") + "-two.git"
    config["repositories"] = {"dead": repository, "alive": {**repository, "url": other}}
    stack.config.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.parametrize("two", [600], indirect=True)
def test_the_runs_of_another_server_end_while_one_stalls(two: Two) -> None:
    """Nothing has failed yet when they end: the requests of the first are still under way."""
    two.dead.arm(Fault(latency=600_000, times=None))
    stalled = [two.ask("dead", number) for number in range(MANY)]
    wait_for("three slots are taken", lambda: _asked_in_vain(two) >= 3)
    others = [two.ask("alive", number) for number in range(10)]
    assert {two.stack.outcome(one, 120)["state"] for one in others} == {"APPLIED"}
    moving = {run.id for run in two.stack.records.newest(100) if run.state.in_motion}
    assert len(moving) == len(stalled)
    assert two.standing is Answers.CLOSED
    assert not any(one.ready() for one in stalled)
    two.dead.stop()  # which cuts the connections of whoever still waits


def _asked_in_vain(two: Two) -> int:
    for armed in two.dead._call("GET", "faults"):
        return int(armed["hits"])
    return 0


def test_runs_go_on_when_their_server_is_back(two: Two) -> None:
    two.stall()
    stalled = [two.ask("dead", number) for number in range(MANY)]
    wait_for("the circuit is open", lambda: two.standing is Answers.OPEN)
    assert two.stack.outcome(two.ask("alive", 0))["state"] == "APPLIED"
    assert two.standing is Answers.OPEN
    two.dead.disarm()
    assert {two.stack.outcome(one)["state"] for one in stalled} == {"APPLIED"}
    assert two.standing is Answers.CLOSED


@pytest.mark.parametrize(
    "fault",
    [
        Fault(latency=30_000, times=None),
        Fault(
            status=503,
            body="<html>gateway</html>",
            headers={"content-type": "text/html"},
            times=None,
        ),
    ],
    ids=["stalls", "503"],
)
def test_runs_of_a_server_that_stays_away_end_and_say_since_when(two: Two, fault: Fault) -> None:
    two.dead.arm(fault)
    asked = [two.ask("dead", number) for number in range(MANY)]
    outcomes = [two.stack.outcome(one, 120) for one in asked]
    assert {one["state"] for one in outcomes} == {"FAILED"}
    messages = [problem["message"] for one in outcomes for problem in one["problems"]]
    assert all(two.dead.url in message for message in messages), messages
    assert all("is away since" in message for message in messages), messages
    assert two.stack.outcome(two.ask("alive", 1))["state"] == "APPLIED"
    two.dead.disarm()
    again = two.ask("dead", 0, commitMessage="again")
    assert two.stack.outcome(again)["state"] == "APPLIED"


def test_a_lone_run_waits_for_its_server_as_long_as_its_patience(two: Two) -> None:
    two.dead.arm(Fault(status=503, times=None))
    outcome = two.stack.outcome(two.ask("dead", 0), 120)
    assert outcome["state"] == "FAILED", outcome
    assert "is away since" in outcome["problems"][-1]["message"]
    run = two.stack.records.get(outcome["runId"])
    assert run.started_at and run.ended_at
    patience = timedelta(seconds=float(two.stack.environment["TENANTSYNC_PATIENCE"]))
    assert run.ended_at - run.started_at >= patience


def test_a_run_that_is_cancelled_while_its_server_is_away_ends_so(two: Two) -> None:
    stack = two.stack
    stack.hold("claim", 1, job="tenantsync.begin")
    two.ask("dead", 0)
    stack.held("claim", 1)
    two.dead.arm(Fault(status=503, times=None))
    stack.release("claim")
    wait_for("the circuit is open", lambda: two.standing is Answers.OPEN)
    run = stack.records.newest(1)[0]
    cancel = stack.celery().send_task("tenantsync.cancel", [{"runId": run.id}], queue="tenantsync")
    assert cancel.get(timeout=60) in {"WRITING", "CANCELLED"}
    assert stack.ended(run.id).state == "CANCELLED"
    assert stack.records.get(run.id).problems == ()


def test_a_writer_whose_server_goes_away_before_it_has_written_says_that_nothing_landed(
    two: Two,
) -> None:
    """It is turned away before it has its lane: nothing was sent, so nothing is unknown."""
    stack = two.stack
    assert stack.outcome(two.ask("dead", 0))["state"] == "APPLIED"
    stack.push({"dead.n0/flows/f.yaml": flow("dead.n0", "f", "git")})
    stack.hold("claim", 1, job="tenantsync.begin")
    reconcile = two.ask("dead", 0, sourceOfTruth="GIT")
    stack.held("claim", 1)
    two.dead.arm(Fault(method="GET", target="/flows|/files", status=503, times=None))
    stack.release("claim")
    outcome = stack.outcome(reconcile, 120)
    assert outcome["state"] == "FAILED", outcome
    assert two.dead.flows()["dead.n0", "f"] == flow("dead.n0", "f")
    two.dead.disarm()
    again = two.ask("dead", 0, sourceOfTruth="GIT", commitMessage="again")
    assert stack.outcome(again)["state"] == "APPLIED"
    assert two.dead.flows()["dead.n0", "f"] == flow("dead.n0", "f", "git")
