"""Another service: it knows the broker, the names of the public jobs, and JSON; and what a person
sees of all that in Flower."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from celery import Celery

from sandbox.faults import Fault
from tests.ports import free_port
from tests.stack import ROOT, Stack, stop, wait_for
from tests.texts import flow

NS = "company.team"
#: A script that knows nothing of this project: no import of it, no path to it.
SCRIPT = """
import json, sys
from celery import Celery
app = Celery(broker=sys.argv[1], backend=sys.argv[1])
asked = app.send_task(sys.argv[2], [json.loads(sys.argv[3])], queue="tenantsync")
try:
    print(json.dumps(asked.get(timeout=60)))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


def _stranger(stack: Stack, job: str, task: object) -> dict[str, Any]:
    """What a process of another service is told."""
    arguments = (stack.redis_url, f"tenantsync.{job}", json.dumps(task))
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, *arguments],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_stranger_reads_the_outcome(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one"), flow(NS, "two")])
    by = {"executionId": "4kTx9", "namespace": NS, "flowId": "deploy"}
    task = {"sourceOfTruth": "KESTRA", "branch": "main", "triggeredBy": by}
    told = _stranger(stack, "tenant_sync", task)
    run = stack.records.newest(1)[0]
    assert set(told) == {
        *("runId", "state", "counts", "diff", "planDigest"),
        *("commitId", "problems", "startedAt", "endedAt"),
    }, "without a forge there is no commitURL, without a follower no followedBy"
    assert (told["runId"], told["state"], told["problems"]) == (run.id, "APPLIED", [])
    assert told["counts"] == {
        "add": 2,
        "update": 0,
        "delete": 0,
        "landed": 2,
        "protected": 0,
        "conflict": 0,
        "stale": 0,
    }
    assert told["planDigest"] == run.plan_digest
    assert told["commitId"] == stack.commits()[0]
    assert told["diff"].endswith(f"runs/{run.id}/diff.ion")
    started, ended = (datetime.fromisoformat(told[name]) for name in ("startedAt", "endedAt"))
    assert started.tzinfo is not None and started < ended
    assert "Kestra-Execution: 4kTx9" in stack.git_out("log", "-1", "--format=%B").decode()
    (asker,) = stack.records.askers(run.id)
    assert (asker.who, asker.triggered_by) == ("execution 4kTx9", by)


def test_a_stranger_is_told_what_is_wrong_with_its_task(stack: Stack) -> None:
    told = _stranger(stack, "tenant_sync", {"sourceOfTruth": "KESTRA", "brnch": "main"})
    assert told["error"] == "TaskError"
    assert "brnch: no such field; did you mean branch?" in told["message"]
    told = _stranger(stack, "namespace_sync", {"sourceOfTruth": "KESTRA", "branch": "main"})
    assert "namespace: Field required" in told["message"]
    for nothing in ("main", [], None, 7):
        assert _stranger(stack, "tenant_sync", nothing)["error"] == "TaskError"


def test_an_outcome_is_kept_for_a_day_under_the_id_of_the_message(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    asked = stack.ask(sourceOfTruth="KESTRA")
    stack.outcome(asked)
    left = stack.redis.ttl(f"celery-task-meta-{asked.id}")
    assert 86_000 < left <= 86_400


def test_anything_but_json_is_thrown_away_unread(stack: Stack) -> None:
    app = Celery(broker=stack.redis_url, backend=stack.redis_url)
    app.conf.update(task_serializer="pickle", accept_content=["json", "pickle"])
    before = len(stack.records.newest(1000))
    task = {"sourceOfTruth": "KESTRA", "branch": "main"}
    app.send_task("tenantsync.tenant_sync", [task], queue="tenantsync", serializer="pickle")
    assert stack.export(dryRun=True)["state"] == "UNCHANGED", "the worker goes on"
    assert len(stack.records.newest(1000)) == before + 1
    wait_for("it is gone", lambda: not stack.redis.hlen("unacked"))


def test_a_job_of_an_unknown_name_changes_nothing(stack: Stack) -> None:
    before = len(stack.records.newest(1000))
    stack.celery().send_task("tenantsync.no_such_job", [{}], queue="tenantsync")
    assert stack.export(dryRun=True)["state"] == "UNCHANGED", "the worker goes on"
    assert len(stack.records.newest(1000)) == before + 1


# -- Flower -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flower:
    """Flower as a person opens it, by its API."""

    port: int

    def tasks(self) -> dict[str, dict[str, Any]]:
        """All jobs that it has seen, by id."""
        found: dict[str, dict[str, Any]] = self.get("/api/tasks") or {}
        return found

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=10
            ) as answer:
                return json.load(answer)
        except OSError:
            return None


@pytest.fixture
def flower(stack: Stack) -> Iterator[Flower]:
    port = free_port()
    with (stack.folder / "flower.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli.flower", str(port)],
            env={**stack.environment, "FLOWER_UNAUTHENTICATED_API": "true"},
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        shown = Flower(port)
        wait_for("Flower knows the worker", lambda: shown.get("/api/workers?refresh=1"))
        yield shown
    finally:
        stop(process)


def test_flower_shows_readable_jobs_and_what_a_parked_one_waits_for(
    stack: Stack, flower: Flower
) -> None:
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
    # One export fails, so that a part or the survey is tried again.
    stack.kestra.arm(Fault(method="GET", target="/flows/export", status=503, times=4))
    stack.hold("leased", 1)
    first = stack.ask(sourceOfTruth="GIT")
    stack.held("leased", 1)
    ahead = stack.records.newest(1)[0].id
    second = stack.ask(sourceOfTruth="GIT", onStale="FAIL")

    def parked() -> dict[str, Any] | None:
        return next((one for one in flower.tasks().values() if one["state"] == "PARKED"), None)

    shown = wait_for("a job is shown as parked", parked)
    behind = stack.records.newest(1)[0].id
    assert shown["uuid"] == f"{behind}.0.write.{NS}.UPSERT"
    assert (shown["name"], shown["args"]) == (
        "tenantsync.write",
        f"run {behind} {NS} UPSERT",
    )
    lane = f"{stack.kestra.settings.uuid}/main/{NS}"
    assert shown["result"] == f"behind run {ahead} in {lane}"
    stack.release("leased")
    for asked in (first, second):
        stack.outcome(asked)

    def done() -> dict[str, dict[str, Any]] | None:
        tasks = flower.tasks()
        finish = tasks.get(f"{behind}.0.finish", {})
        return tasks if finish.get("state") == "SUCCESS" else None

    tasks = wait_for("all jobs are shown", done)
    assert tasks[first.id]["state"] == "SUCCESS"
    assert tasks[first.id]["result"] == f"'run {ahead}'"
    assert "sourceOfTruth" in tasks[first.id]["args"]
    for run in (ahead, behind):
        jobs = {one["name"]: one for key, one in tasks.items() if key.startswith(f"{run}.")}
        assert {name: one["args"] for name, one in jobs.items()} == {
            "tenantsync.split": f"run {run}",
            "tenantsync.plan": f"run {run} {NS} FLOW",
            "tenantsync.gather": f"run {run}",
            "tenantsync.begin": f"run {run}",
            "tenantsync.write": f"run {run} {NS} UPSERT",
            "tenantsync.finish": f"run {run}",
        }
        assert {one["kwargs"] for one in jobs.values()} == {""}
    assert "Sandbox-Admin1" not in json.dumps(tasks)
