"""Workers that die at the worst instants: the run ends truly, and nothing is written twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tasks.points import Fault, hits
from tests.stack import Stack, wait_for
from tests.texts import flow

#: Seconds of the shortened times in which a run has to end after a worker died: a minute of
#: production at a fifth, and as much again for a slow machine.
LIMIT = 40
NAMESPACES = [f"company.n{number}" for number in range(3)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("faults")) as stack:
        yield stack


@pytest.fixture
def stack(pair: Stack) -> Iterator[Stack]:
    """An empty tenant and repository, and two workers, of which a test may kill one."""
    pair.fresh()
    pair.kestra.seed(
        flows=[flow(namespace, "one") for namespace in NAMESPACES],
        files=[{"namespace": NAMESPACES[0], "path": "/a.txt", "text": "a\n"}],
    )
    for name in ("w1", "w2"):
        if not any(worker.args[3] == name and worker.poll() is None for worker in pair.workers):
            pair.worker(name)
    yield pair


def _was_hit(stack: Stack, point: str) -> None:
    assert len(hits(stack.points, point)) == 1, f"{point} was not reached"


def _sides_are_equal(stack: Stack) -> None:
    tree = {path: content.decode() for path, content in stack.tree().items()}
    flows = {f"{ns}/flows/{name}.yaml": text for (ns, name), text in stack.kestra.flows().items()}
    files = {
        f"{ns}/files{path}": content.decode()
        for (ns, path), content in stack.kestra.files().items()
    }
    assert tree == flows | files


def _with_faults(
    points: list[tuple[str, dict[str, str]]],
) -> list[tuple[str, dict[str, str], Fault]]:
    """Each point with the death of its job, and every other one with that of the whole worker:
    the two differ in who gives the message back, not in what is found."""
    return [(*point, Fault.KILL) for point in points] + [
        (*point, Fault.KILL_GROUP) for point in points[1::2]
    ]


EXPORT_POINTS = [
    ("claim", {"job": "tenantsync.split"}),
    ("split.published", {}),
    ("staged", {"namespace": NAMESPACES[1]}),
    ("gathered", {}),
    ("recorded", {"job": "tenantsync.gather"}),
    ("write.published", {}),
    ("leased", {}),
    ("committed", {}),
    ("push.before", {}),
    ("push.after", {}),
    ("recorded", {"job": "tenantsync.commit"}),
    ("left", {}),
    ("finished", {}),
]


@pytest.mark.parametrize(("point", "match", "fault"), _with_faults(EXPORT_POINTS))
def test_an_export_ends_truly_after_a_kill(
    stack: Stack, point: str, match: dict[str, str], fault: Fault
) -> None:
    stack.arm(point, fault, **match)
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
    _was_hit(stack, point)
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    _sides_are_equal(stack)
    assert stack.commits() == [outcome["commitId"]], "a second commit of one run"
    stack.git_out("fsck", "--strict")
    _nothing_is_left(stack)


RECONCILE_POINTS = [
    ("leased", {"namespace": NAMESPACES[1]}),
    ("write.before", {"namespace": NAMESPACES[1]}),
    ("write.after", {"namespace": NAMESPACES[1]}),
    ("read-back", {"namespace": NAMESPACES[1]}),
    ("recorded", {"job": "tenantsync.write", "namespace": NAMESPACES[1]}),
    ("left", {"namespace": NAMESPACES[1]}),
    ("claim", {"job": "tenantsync.finish"}),
]


@pytest.mark.parametrize(("point", "match", "fault"), _with_faults(RECONCILE_POINTS))
def test_a_reconcile_ends_truly_after_a_kill(
    stack: Stack, point: str, match: dict[str, str], fault: Fault
) -> None:
    assert stack.export()["state"] == "APPLIED"
    stack.push({f"{ns}/flows/one.yaml": flow(ns, "one", "from git") for ns in NAMESPACES})
    revisions = stack.kestra.counters()["flow_revisions"]
    stack.arm(point, fault, **match)
    outcome = stack.outcome(stack.ask(sourceOfTruth="GIT"), LIMIT)
    _was_hit(stack, point)
    assert outcome["state"] == "APPLIED", outcome
    stack.quiet()
    _sides_are_equal(stack)
    assert stack.kestra.counters()["flow_revisions"] == revisions + len(NAMESPACES)
    _nothing_is_left(stack)


def test_a_commit_that_was_reverted_meanwhile_is_not_made_again(stack: Stack) -> None:
    stack.push({"README.md": "ours\n"})
    stack.hold("push.after", 1)
    asked = stack.ask(sourceOfTruth="KESTRA")
    stack.held("push.after", 1)
    paths = [path for path in stack.tree() if path != "README.md"]
    stack.push(dict.fromkeys(paths), "revert it")
    # It dies before it has noted anything, so its message is delivered again.
    os.kill(int(str(hits(stack.points, "push.after")[0]["pid"])), signal.SIGKILL)
    outcome = stack.outcome(asked, LIMIT)
    stack.quiet()
    own = [
        line
        for line in stack.git_out("log", "--format=%(trailers:key=Tenantsync-Run)").decode().split()
        if line == outcome["runId"]
    ]
    assert len(own) == 1
    assert list(stack.tree()) == ["README.md"]


def _nothing_is_left(stack: Stack) -> None:
    """No lane, no lease, no parked or unacknowledged message of a run that is over."""

    def look() -> bool:
        keys = stack.redis.keys("tenantsync:lane*")
        waiting = stack.redis.hlen("unacked") + sum(
            stack.redis.llen(key)
            for key in stack.redis.keys("tenantsync*")
            if stack.redis.type(key) == "list"
        )
        return not keys and not waiting

    wait_for("Redis is empty of this run", look, LIMIT)
