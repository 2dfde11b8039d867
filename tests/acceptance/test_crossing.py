"""Two runs that cross: what each of them planned may no longer be so when it writes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack import Stack
from tests.texts import flow

NAMESPACE = "company.team"


def _synced(stack: Stack) -> None:
    """Both sides equal: three flows."""
    stack.kestra.seed(flows=[flow(NAMESPACE, name) for name in ("one", "two", "three")])
    assert stack.export()["state"] == "APPLIED"


def _kestra(stack: Stack, name: str) -> str | None:
    return stack.kestra.flows().get((NAMESPACE, name))


def _git(stack: Stack, name: str) -> str | None:
    found = stack.tree().get(f"{NAMESPACE}/flows/{name}.yaml")
    return found.decode() if found is not None else None


def test_a_reconcile_behind_an_export_with_the_same_base_undoes_nothing(stack: Stack) -> None:
    _synced(stack)
    stack.kestra.apply({"flows": [_written("one", "edited"), _written("born", "new")]})
    export = stack.sync(sourceOfTruth="KESTRA", review="always")
    reconcile = stack.sync(sourceOfTruth="GIT", review="always")
    bases = {stack.records.get(run["runId"]).base_commit for run in (export, reconcile)}
    assert len(bases) == 1

    states = []
    for run in (export, reconcile):
        figure = str(_deletions(stack, run))
        stack.run("approve", run["runId"], "--digest", run["planDigest"], "--deletions", figure)
        states.append(stack.ended(run["runId"]).state)
    assert states == ["APPLIED", "STALE"]
    assert _kestra(stack, "one") == _git(stack, "one") == flow(NAMESPACE, "one", "edited")
    assert _kestra(stack, "born") == _git(stack, "born") == flow(NAMESPACE, "born", "new")


def _deletions(stack: Stack, run: dict[str, Any]) -> int:
    return sum(one["action"] == "DELETE" for one in stack.plan(run["runId"])["changes"])


@pytest.mark.parametrize("first", ["KESTRA", "GIT"])
def test_what_is_edited_or_new_meanwhile_survives_both_writers(stack: Stack, first: str) -> None:
    _synced(stack)
    stack.push({f"{NAMESPACE}/flows/one.yaml": flow(NAMESPACE, "one", "from git")})
    stack.kestra.apply({"flows": [_written("two", "from kestra")]})
    runs = {side: stack.sync(sourceOfTruth=side, review="always") for side in ("KESTRA", "GIT")}
    assert {run["state"] for run in runs.values()} == {"WAITING"}

    stack.kestra.apply({"flows": [_written("one", "meanwhile"), _written("fresh", "new")]})
    stack.push({f"{NAMESPACE}/flows/late.yaml": flow(NAMESPACE, "late", "pushed")})
    order = [first, "GIT" if first == "KESTRA" else "KESTRA"]
    for side in order:
        run = runs[side]
        stack.run("approve", run["runId"], "--digest", run["planDigest"])
        stack.ended(run["runId"])

    assert _kestra(stack, "one") == flow(NAMESPACE, "one", "meanwhile")
    assert _git(stack, "one") == flow(NAMESPACE, "one", "from git")
    assert _kestra(stack, "fresh") == flow(NAMESPACE, "fresh", "new")
    assert _git(stack, "late") == flow(NAMESPACE, "late", "pushed")
    stale = {
        problem.where
        for run in runs.values()
        for problem in stack.records.get(run["runId"]).problems
        if problem.code == "STALE"
    }
    assert f"{NAMESPACE}/FLOW/one" in stale


def _written(name: str, message: str) -> dict[str, str]:
    return {"namespace": NAMESPACE, "id": name, "source": flow(NAMESPACE, name, message)}
