"""A branch that is not there: an error for a source, made by the first commit for a target."""

from __future__ import annotations

import pytest

from tests.stack import Stack
from tests.texts import flow

NS = "company.team"
OURS = {"README.md": b"ours\n"}


def _parent(stack: Stack, branch: str) -> str:
    return stack.git_out("rev-parse", f"{branch}^").decode().strip()


def test_a_new_branch_starts_at_the_base_branch_that_is_named_and_the_plan_says_so(
    stack: Stack,
) -> None:
    stack.push({"README.md": "main\n"})
    base = stack.push({"README.md": "ours\n"}, branch="develop")
    stack.kestra.seed(flows=[flow(NS, "one")])
    outcome = stack.export(branch="sync/tenant", baseBranch="develop")
    assert outcome["state"] == "APPLIED", outcome
    assert _parent(stack, "sync/tenant") == base
    assert stack.tree("sync/tenant") == OURS | {f"{NS}/flows/one.yaml": flow(NS, "one").encode()}
    assert "+ branch sync/tenant" in stack.run("runs", "show", outcome["runId"]).stdout


def test_without_a_base_branch_a_new_one_starts_where_the_remote_does(stack: Stack) -> None:
    base = stack.push({"README.md": "ours\n"})
    stack.kestra.seed(flows=[flow(NS, "one")])
    assert stack.export(branch="other")["state"] == "APPLIED"
    assert _parent(stack, "other") == base
    assert stack.commits() == [base]


@pytest.mark.parametrize("source", ["GIT", "KESTRA"])
def test_a_base_branch_that_is_not_there_refuses_the_run_by_name(stack: Stack, source: str) -> None:
    stack.push({"README.md": "ours\n"})
    stack.kestra.seed(flows=[flow(NS, "one")])
    outcome = stack.sync(sourceOfTruth=source, branch="other", baseBranch="develp")
    assert outcome["state"] in {"REFUSED", "FAILED"}, outcome
    wanted = "other" if source == "GIT" else "develp"
    assert wanted in outcome["problems"][0]["message"]
    assert b"other" not in stack.git_out("for-each-ref")


def test_a_branch_that_somebody_makes_meanwhile_is_not_taken_over(stack: Stack) -> None:
    stack.push({"README.md": "main\n"})
    stack.kestra.seed(flows=[flow(NS, "one")])
    stack.hold("push.before", 1)
    asked = stack.ask(sourceOfTruth="KESTRA", branch="other")
    stack.held("push.before", 1)
    theirs = stack.push({"theirs.txt": "theirs\n"}, branch="other")
    stack.release("push.before")
    outcome = stack.outcome(asked)
    stack.quiet()
    assert theirs in stack.commits("other")
    assert stack.tree("other")["theirs.txt"] == b"theirs\n"
    landed = f"{NS}/flows/one.yaml" in stack.tree("other")
    assert landed == (outcome["state"] == "APPLIED"), outcome
