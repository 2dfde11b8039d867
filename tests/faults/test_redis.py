"""Redis is shut down or away for long, jobs are killed for good, and a worker that stood still
writes too late: every run ends truly, and what was late is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import IO, Any

import pytest
from celery import Celery

from tasks.points import Fault, hits
from tasks.run import Run
from tests.faults.truth import nothing_is_left
from tests.restarting import Servers
from tests.sides import both
from tests.stack import ROOT, Stack, stop, wait_for
from tests.texts import flow
from workers.delivery import delivery_settings
from workers.settings import Settings

#: The asker's Celery drops its connections to a server that went away without closing them.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
#: Seconds in which a run ends: a minute of production at a fifth, and more for a slow machine.
LIMIT = 45
NAMESPACES = [f"company.n{number}" for number in range(3)]
SCHEDULED = {"sourceOfTruth": "KESTRA", "branch": "main", "gitDirectory": "often"}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("redis")) as stack:
        for name in ("w1", "w2"):
            stack.worker(name)
        yield stack


@pytest.fixture
def stack(pair: Stack) -> Stack:
    """Two workers, both sides equal, and then a new flow per namespace in Git."""
    return _ready(pair)


def _ready(stack: Stack) -> Stack:
    stack.fresh()
    stack.kestra.seed(flows=[flow(namespace, "one") for namespace in NAMESPACES])
    assert stack.export()["state"] == "APPLIED"
    stack.push({f"{ns}/flows/git.yaml": flow(ns, "git") for ns in NAMESPACES})
    return stack


@pytest.fixture(scope="module")
def impatient_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    limits = {"TENANTSYNC_TIME_LIMIT": "5", "TENANTSYNC_SOFT_TIME_LIMIT": "4"}
    with Stack(tmp_path_factory.mktemp("impatient"), None, **limits) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def impatient(impatient_pair: Stack) -> Stack:
    """As `stack`, with a worker whose jobs are killed after a few seconds."""
    return _ready(impatient_pair)


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
    nothing_is_left(stack)


#: Where a job is held while Redis is gone: the direction of the run, and the point.
MOMENTS = [("GIT", "read", {"namespace": NAMESPACES[1]}), ("KESTRA", "committed", {})]


@pytest.mark.parametrize(("source", "point", "match"), MOMENTS)
def test_a_run_ends_truly_when_redis_is_shut_down_and_started_again(
    stack: Stack, servers: Servers, source: str, point: str, match: dict[str, str]
) -> None:
    commits = len(stack.commits())
    asked = _asked(stack, source, point, match)
    folder = servers.end(stack, signal.SIGTERM)
    stack.release(point)  # the job runs into its absence
    servers.start(stack, folder)
    _ends_truly(stack, asked, source, commits)


@pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # of Celery
def test_what_is_stored_while_redis_is_away_is_stored_when_it_is_back(
    stack: Stack, servers: Servers
) -> None:
    with Celery(broker=stack.redis_url, backend=stack.redis_url) as app:
        app.conf.update(delivery_settings(Settings()))
        app.backend.store_result("before", None, "STARTED")
        folder = servers.end(stack)
        with ThreadPoolExecutor(1) as pool:
            stored = pool.submit(app.backend.store_result, "meanwhile", None, "STARTED")
            servers.start(stack, folder)
            stored.result(LIMIT)
        assert app.AsyncResult("meanwhile").state == "STARTED"


def test_jobs_and_schedules_outlive_an_absence_that_no_client_waits_for(
    stack: Stack, servers: Servers
) -> None:
    commits = len(stack.commits())
    stack.configure({"often": {**SCHEDULED, "schedule": "* * * * *"}})
    asked = _asked(stack, "GIT", "surveyed", {})
    folder = servers.end(stack, signal.SIGTERM)
    stack.release("surveyed")
    with (stack.folder / "beat.log").open("wb") as log:
        beat = _beat(stack, log)
    try:
        wait_for("the job gives up waiting", lambda: _logged(stack, "w*.log", "Redis is away"))
        wait_for("so does the schedule", lambda: _logged(stack, "beat.log", "Redis is away"))
        assert beat.poll() is None
    finally:
        servers.start(stack, folder)
    _ends_truly(stack, asked, "GIT", commits + 1)  # the commit of the schedule
    stop(beat)
    scheduled = [run for run in stack.records.newest(5) if run.task.git_directory == "often"]
    assert [run.state for run in scheduled] == ["APPLIED"]


def _beat(stack: Stack, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """A schedule process that meets one slot and then stands before the next for ever."""
    start = datetime(2026, 6, 1, 12, 0, 59, tzinfo=UTC).isoformat()
    return subprocess.Popen(
        [sys.executable, "-m", "tests.beats", start, "1", "50"],
        env=stack.environment,
        cwd=ROOT,
        stderr=log,
        start_new_session=True,
    )


def _logged(stack: Stack, files: str, text: str) -> bool:
    return any(text in path.read_text(errors="replace") for path in stack.folder.glob(files))


# -- killed for good ----------------------------------------------------------------------------


def test_a_plan_job_that_is_killed_for_good_ends_the_run(impatient: Stack) -> None:
    stack, before = impatient, both(impatient)
    # A stopped process hears no soft limit; the hard one kills it, and nobody delivers it again.
    stack.arm("read", Fault.STOP, namespace=NAMESPACES[1])
    outcome = stack.outcome(stack.ask(sourceOfTruth="GIT"), LIMIT)
    assert outcome["state"] == "FAILED", outcome
    assert "a job of this run died" in outcome["problems"][-1]["message"]
    assert both(stack) == before
    nothing_is_left(stack)
    assert stack.reconcile()["state"] == "APPLIED"


def test_a_write_job_that_is_killed_for_good_leaves_its_lanes_and_tells_the_truth(
    impatient: Stack,
) -> None:
    stack = impatient
    stack.arm("write.before", Fault.STOP, namespace=NAMESPACES[1])
    asked = stack.ask(sourceOfTruth="GIT")
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "PARTIAL", outcome
    flows = stack.kestra.flows()
    landed = {ns for ns in NAMESPACES if (ns, "git") in flows}
    assert landed == {NAMESPACES[0], NAMESPACES[2]}
    assert outcome["counts"]["landed"] == 2
    named = {one["where"] for one in outcome["problems"] if one["code"] != "FAILED"}
    assert named == {f"{NAMESPACES[1]}/FLOW/git"}
    nothing_is_left(stack)
    assert stack.reconcile()["state"] == "APPLIED"


# -- late ---------------------------------------------------------------------------------------


def test_a_write_after_the_lease_is_named_and_no_other_is_started(stack: Stack) -> None:
    namespace = NAMESPACES[1]
    text, path = f"{namespace}/flows/git.yaml", f"{namespace}/files/a.txt"
    stack.push({path: "old\n"})
    stack.hold("write.before", 1, namespace=namespace)
    task = {"namespace": namespace, "sourceOfTruth": "GIT"}
    first = stack.ask("namespace_sync", **task)
    stack.held("write.before", 1)  # the file; the flow is a write of its own after it
    group = os.getpgid(int(str(hits(stack.points, "write.before")[-1]["pid"])))
    os.killpg(group, signal.SIGSTOP)
    try:
        # The other worker takes the job over, and a later run writes both once more.
        outcome = stack.outcome(first, LIMIT)
        assert outcome["state"] == "APPLIED"
        stack.push({text: flow(namespace, "git", "newer"), path: "newer\n"})
        assert stack.sync("namespace_sync", **task)["state"] == "APPLIED"
        stack.release("write.before")
    finally:
        os.killpg(group, signal.SIGCONT)

    def look() -> Run | None:
        run = stack.records.get(outcome["runId"])
        return run if any(one.code == "LATE_WRITE" for one in run.problems) else None

    run = wait_for("the late write is named", look, LIMIT)
    assert {one.where for one in run.problems if one.code == "LATE_WRITE"} == {namespace}
    held = stack.kestra.files()[namespace, "/a.txt"], stack.kestra.flows()[namespace, "git"]
    assert held == (b"old\n", flow(namespace, "git", "newer"))
    # The base still says what both sides were: the next run sees the drift and mends it.
    mended = stack.sync("namespace_sync", **task)
    assert mended["state"] == "APPLIED"
    assert [one["cause"] for one in stack.plan(mended["runId"])["changes"]] == ["DRIFT"]
    assert stack.kestra.files()[namespace, "/a.txt"] == b"newer\n"
    nothing_is_left(stack)
