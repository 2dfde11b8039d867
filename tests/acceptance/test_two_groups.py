"""Two groups of workers on two hosts: each has a data directory of its own, both share PostgreSQL,
Redis and the contents, in a folder and in a bucket."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.points import Fault, hits
from tests.bucket import ObjectStore
from tests.postgresql import PostgreSQL
from tests.sides import Artifact, both, in_git, in_kestra, put
from tests.stack import ROOT, Stack, wait_for
from tests.texts import dashboard, flow

NAMESPACES = [f"company.n{number}" for number in range(6)]
GROUPS = ("a", "b")
#: More jobs than one group runs at a time.
MORE = 5


@pytest.fixture(scope="module", params=["folder", "bucket"])
def shared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: PostgreSQL,
) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("groups")
    places = {"TENANTSYNC_DATABASE_URL": postgresql_server.create()}
    if request.param == "folder":
        places["TENANTSYNC_CONTENTS_URL"] = str(folder / "shared")
    else:
        store: ObjectStore = request.getfixturevalue("bucket_server")
        places |= {"TENANTSYNC_CONTENTS_URL": store.create(), **store.environment}
    with pytest.MonkeyPatch.context() as patch:
        # This process reads plans as well.
        for name in [name for name in places if name.startswith("AWS_")]:
            patch.setenv(name, places[name])
        with Stack(folder, **places) as stack:
            yield stack


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """An empty tenant and repository, and both groups."""
    shared.fresh()
    for group in GROUPS:
        running = (one for one in shared.workers if one.args[3] == group)  # type: ignore[index]
        if all(one.poll() is not None for one in running):
            shared.worker(group, TENANTSYNC_DATA=str(shared.folder / f"host-{group}"))
    return shared


def _texts(version: str) -> dict[Artifact, str | None]:
    texts: dict[Artifact, str | None] = {}
    for namespace in NAMESPACES:
        texts[Artifact(namespace, "FLOW", "load")] = flow(namespace, "load", version)
        texts[Artifact(namespace, "FILE", "a/q.sql")] = f"{namespace} {version}\n"
    return texts | {Artifact("_global", "DASHBOARD", "runs"): dashboard("runs", version)}


def _jobs(stack: Stack, group: str, run: str) -> set[str]:
    """The names of the jobs of a run that a group has ended."""
    log = (stack.folder / f"{group}.log").read_text(errors="replace")
    return set(re.findall(rf"Task tenantsync\.(\w+)\[{run}\.[^]]*\] succeeded", log))


def _in_both(stack: Stack, run: str, job: str) -> None:
    wait_for(
        f"jobs `{job}` of {run} in both groups",
        lambda: all(job in _jobs(stack, group, run) for group in GROUPS),
    )


def _by_both(stack: Stack, point: str, **task: Any) -> dict[str, Any]:
    """The outcome of a run of which more jobs stood at a point at once than one group runs."""
    stack.hold(point, MORE)
    asked = stack.ask(**task)
    stack.held(point, MORE)
    stack.release(point)
    return stack.outcome(asked)


def _are_equal(stack: Stack) -> bool:
    return in_git(stack) == in_kestra(stack)


def test_an_export_is_planned_by_both_groups(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    outcome = _by_both(stack, "staged", sourceOfTruth="KESTRA")
    assert outcome["state"] == "APPLIED", outcome
    _in_both(stack, outcome["runId"], "plan")
    assert _are_equal(stack)
    assert stack.commits() == [outcome["commitId"]]
    assert stack.export()["state"] == "UNCHANGED"
    assert stack.export(dryRun=True)["state"] == "UNCHANGED"


def test_a_reconcile_is_written_by_both_groups_each_with_its_mirror(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    put(stack, "GIT", _texts("two"))
    outcome = _by_both(stack, "leased", sourceOfTruth="GIT")
    assert outcome["state"] == "APPLIED", outcome
    _in_both(stack, outcome["runId"], "write")
    assert _are_equal(stack)
    for group in GROUPS:
        assert list((stack.folder / f"host-{group}").rglob("HEAD")), f"no mirror of {group}"
    assert stack.reconcile()["state"] == "UNCHANGED"


def test_what_a_person_approves_on_a_third_host_is_written_by_both_groups(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    put(stack, "GIT", _texts("two"))
    waiting = stack.reconcile(review="always")
    assert waiting["state"] == "WAITING"
    assert "two" in stack.run("runs", "diff", waiting["runId"], check=True).stdout
    stack.hold("leased", MORE)
    asked = subprocess.Popen(
        [
            *(sys.executable, "-m", "workers.cli", "approve", waiting["runId"]),
            *("--digest", waiting["planDigest"]),
        ],
        env=stack.environment,
        cwd=stack.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stack.held("leased", MORE)
    stack.release("leased")
    said, _ = asked.communicate(timeout=60)
    assert asked.returncode == 0, said
    assert stack.ended(waiting["runId"]).state == "APPLIED"
    _in_both(stack, waiting["runId"], "write")
    assert _are_equal(stack)
    assert stack.plan(waiting["runId"])["changes"]


def test_equal_syncs_of_a_namespace_join_over_both_groups(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    task = {"sourceOfTruth": "KESTRA", "namespace": NAMESPACES[0]}
    stack.hold("surveyed", 1)
    first = stack.ask("namespace_sync", **task)
    stack.held("surveyed", 1)
    others = [stack.ask("namespace_sync", **task) for _ in range(8)]
    wait_for("all have asked", lambda: _askers(stack) == 1 + len(others))
    put(stack, "KESTRA", {Artifact(NAMESPACES[0], "FLOW", "late"): flow(NAMESPACES[0], "late")})
    stack.release("surveyed")
    outcome = stack.outcome(first)
    joined = [stack.outcome(one) for one in others]
    assert outcome["state"] == "APPLIED"
    assert {one["runId"] for one in joined} != {outcome["runId"]}
    assert len({one["runId"] for one in joined}) == 1, "equal asks are one run"
    assert {one["state"] for one in joined} == {"APPLIED"}
    assert Artifact(NAMESPACES[0], "FLOW", "late") in in_git(stack)
    assert len(stack.commits()) == 2


def _askers(stack: Stack) -> int:
    return sum(len(stack.records.askers(run.id)) for run in stack.records.newest(2))


@pytest.mark.parametrize("point", ["write.before", "write.after"])
def test_when_one_group_dies_in_the_middle_the_other_goes_on(stack: Stack, point: str) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    put(stack, "GIT", _texts("two"))
    revisions = stack.kestra.counters()["flow_revisions"]
    stack.arm(point, Fault.KILL_GROUP, namespace=NAMESPACES[2])
    outcome = stack.reconcile()
    assert len(hits(stack.points, point)) == 1
    assert outcome["state"] == "APPLIED", outcome
    assert len([one for one in stack.workers if one.poll() is None]) == 1
    assert _are_equal(stack)
    assert stack.kestra.counters()["flow_revisions"] == revisions + len(NAMESPACES)
    assert both(stack)["GIT"] == both(stack)["KESTRA"]


def test_a_group_without_the_shared_contents_does_not_start_and_says_why(
    stack: Stack, tmp_path: Path
) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "workers.worker", "c", "2", "INFO"],
        env={
            **stack.environment,
            "TENANTSYNC_DATA": str(tmp_path / "host-c"),
            "TENANTSYNC_CONTENTS_URL": str(tmp_path / "of its own"),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 1
    said = refused.stderr.strip().splitlines()[-1]
    assert f"error: contents store {tmp_path}/of its own: it is not the one of these" in said
    assert "give every worker the same folder or bucket (TENANTSYNC_CONTENTS_URL)" in said
    assert "Traceback" not in refused.stderr
