"""What a job of an earlier epoch has written is not known to whoever goes on in its place; the
target tells, and until it can be read nobody says that it failed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sandbox.faults import Fault
from tasks.points import hits
from tasks.run import Run
from tests.stack import Stack, stop
from tests.texts import flow
from tests.waiting import wait_for

#: The asker's Celery drops its connections when Redis forgets everything.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
NS = "company.team"
#: Seconds until a run stands whose target is away for longer than its jobs are patient.
LIMIT = 150


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("epochs"), None, TENANTSYNC_PATIENCE="6") as stack:
        yield stack


@pytest.fixture
def stack(whole: Stack) -> Iterator[Stack]:
    """Both sides equal, and one worker."""
    whole.fresh()
    _new_worker(whole)
    whole.kestra.seed(flows=[flow(NS, "one")])
    assert whole.export()["state"] == "APPLIED"
    yield whole
    whole.kestra.disarm()
    whole.git.status = None


def _new_worker(stack: Stack) -> None:
    for worker in stack.workers:
        stop(worker)
    stack.workers.clear()
    stack.worker()


def _lost(stack: Stack) -> str:
    """Redis has forgotten everything and the worker is dead; the run that they have lost."""
    stack.redis.flushall()
    _new_worker(stack)
    return stack.records.newest(1)[0].id


def _stands(stack: Stack, run: str) -> Run:
    def look() -> Run | None:
        found = stack.records.get(run)
        return found if found.state.final or found.state == "UNKNOWN" else None

    return wait_for("nobody goes on with it", look, LIMIT)


@pytest.mark.timeout(300)
def test_a_write_that_an_earlier_epoch_sent_is_not_told_as_failed(stack: Stack) -> None:
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one", "from git")})
    stack.hold("write.after", 1)
    stack.ask(sourceOfTruth="GIT")
    stack.held("write.after", 1)
    stack.kestra.arm(Fault(method="GET", target="/flows|/files", status=503, times=None))
    run = _lost(stack)
    assert _stands(stack, run).state == "UNKNOWN"
    stack.kestra.disarm()
    assert stack.ended(run).state == "APPLIED"
    assert stack.kestra.flows()[NS, "one"] == flow(NS, "one", "from git")


@pytest.mark.timeout(300)
def test_a_push_that_an_earlier_epoch_sent_is_not_told_as_failed(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one", "from kestra")])
    stack.hold("push.after", 1)
    stack.ask(sourceOfTruth="KESTRA")
    stack.held("push.after", 1)
    stack.git.status = 503
    run = _lost(stack)
    assert _stands(stack, run).state == "UNKNOWN"
    stack.git.status = None
    ended = stack.ended(run)
    assert ended.state == "APPLIED"
    assert stack.commits()[0] == ended.commit_id


def test_a_commit_that_was_reverted_meanwhile_is_not_made_again(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one", "from kestra")])
    stack.hold("push.after", 1)
    asked = stack.ask(sourceOfTruth="KESTRA")
    stack.held("push.after", 1)
    path, old = f"{NS}/flows/one.yaml", flow(NS, "one")
    stack.push({path: old}, "revert it")
    # It dies before it has noted anything, so its message is delivered again.
    os.kill(int(str(hits(stack.points, "push.after")[-1]["pid"])), signal.SIGKILL)
    outcome = stack.outcome(asked, LIMIT)
    stack.quiet()
    trailers = stack.git_out("log", "--format=%(trailers:key=Tenantsync-Run,valueonly)", "main")
    assert trailers.decode().split().count(outcome["runId"]) == 1
    assert stack.tree()[path] == old.encode()
