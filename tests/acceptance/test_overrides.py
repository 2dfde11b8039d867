"""One run with both directions: per kind another side holds the truth."""

from __future__ import annotations

from typing import Any

from tests.sides import Artifact, both, put
from tests.stack import Stack
from tests.texts import dashboard, flow

NS = "company.team"
FLOW = Artifact(NS, "FLOW", "load")
FILE = Artifact(NS, "FILE", "query.sql")
DASHBOARD = Artifact("_global", "DASHBOARD", "runs")
#: Flows come from Git, files and dashboards from Kestra.
TASK: dict[str, Any] = {
    "sourceOfTruth": "GIT",
    "sourceOfTruthOverrides": {"FILE": "KESTRA", "DASHBOARD": "KESTRA"},
}


def _moved(stack: Stack) -> None:
    """Equal sides, of which both have moved since in each kind."""
    texts = {FLOW: flow(NS, "load"), FILE: "select 1;\n", DASHBOARD: dashboard("runs")}
    put(stack, "KESTRA", texts)
    assert stack.export()["state"] == "APPLIED"
    put(stack, "GIT", {FLOW: flow(NS, "load", "git")})
    put(stack, "KESTRA", {FILE: "select 2;\n", DASHBOARD: dashboard("runs", "kestra")})


def test_each_kind_goes_its_own_way_in_one_run_with_one_diff(stack: Stack) -> None:
    _moved(stack)
    commits = len(stack.commits())
    outcome = stack.sync(**TASK)
    assert outcome["state"] == "APPLIED", outcome
    assert (outcome["counts"]["update"], outcome["counts"]["landed"]) == (3, 3)
    assert outcome["commitId"] == stack.commits()[0]
    assert len(stack.commits()) == commits + 1
    changes = {one["name"]: one["target"] for one in stack.plan(outcome["runId"])["changes"]}
    assert changes == {"load": "KESTRA", "query.sql": "GIT", "runs": "GIT"}
    wanted = {
        FLOW: flow(NS, "load", "git"),
        FILE: "select 2;\n",
        DASHBOARD: dashboard("runs", "kestra"),
    }
    assert both(stack) == {"KESTRA": wanted, "GIT": wanted}
    diff = stack.run("runs", "diff", outcome["runId"], "-o", "json").stdout
    assert diff.count("UPDATED_GIT") == 2
    assert diff.count("UPDATED_KES") == 1
    assert stack.sync(**TASK)["state"] == "UNCHANGED"


def test_the_commit_is_in_the_remote_before_kestra_is_written(stack: Stack) -> None:
    _moved(stack)
    before, commits = both(stack), len(stack.commits())
    stack.hold("push.before", 1)
    asked = stack.ask(**TASK)
    stack.held("push.before", 1)
    assert both(stack) == before
    stack.hold("write.before", 1)
    stack.release("push.before")
    stack.held("write.before", 1)
    assert len(stack.commits()) == commits + 1
    assert both(stack)["KESTRA"] == before["KESTRA"]
    stack.release("write.before")
    assert stack.outcome(asked)["state"] == "APPLIED"


def test_a_push_that_is_refused_leaves_kestra_to_its_own_changes(stack: Stack) -> None:
    _moved(stack)
    commits = stack.commits()
    stack.git.refuse(stack.repository.name.removesuffix(".git"), "no pushes on a Friday")
    outcome = stack.sync(**TASK)
    assert outcome["state"] == "PARTIAL", outcome
    assert outcome["counts"]["landed"] == 1
    assert any("no pushes on a Friday" in one["message"] for one in outcome["problems"])
    assert stack.commits() == commits
    assert both(stack)["KESTRA"][FLOW] == flow(NS, "load", "git")


def test_a_new_branch_is_no_source(stack: Stack) -> None:
    put(stack, "KESTRA", {FLOW: flow(NS, "load"), FILE: "select 1;\n"})
    outcome = stack.sync(**TASK)
    assert outcome["state"] == "REFUSED"
    assert {one["code"] for one in outcome["problems"]} == {"NO_BRANCH"}
    assert not stack.git_out("for-each-ref")


def test_deletions_go_both_ways_as_well(stack: Stack) -> None:
    _moved(stack)
    put(stack, "KESTRA", {Artifact(NS, "FILE", "more.sql"): "x\n"})
    put(stack, "GIT", {Artifact(NS, "FLOW", "more"): flow(NS, "more")})
    assert stack.sync(**TASK)["state"] == "APPLIED"
    put(stack, "KESTRA", {Artifact(NS, "FILE", "more.sql"): None})
    put(stack, "GIT", {Artifact(NS, "FLOW", "more"): None})
    outcome = stack.sync(**TASK)
    assert (outcome["state"], outcome["counts"]["delete"]) == ("APPLIED", 2), outcome
    sides = both(stack)
    assert set(sides["KESTRA"]) == set(sides["GIT"]) == {FLOW, FILE, DASHBOARD}
