"""NamespaceSync: one namespace and nothing beside it, in both directions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sides import Artifact, both, in_git, in_kestra, put
from tests.stack import Stack
from tests.texts import dashboard, flow

NS = "company.team"
#: A child, a parent, a namespace whose name begins alike, and the dashboards.
BESIDE = ("company.team.child", "company", "company.teamwork")
NAMESPACES = (NS, *BESIDE)


def _texts(version: str) -> dict[Artifact, str | None]:
    texts: dict[Artifact, str | None] = {}
    for namespace in NAMESPACES:
        texts[Artifact(namespace, "FLOW", "load")] = flow(namespace, "load", version)
        texts[Artifact(namespace, "FILE", "a/q.sql")] = f"{namespace} {version}\n"
    return texts | {Artifact("_global", "DASHBOARD", "runs"): dashboard("runs", version)}


def _sync(stack: Stack, source: str, **task: Any) -> dict[str, Any]:
    return stack.sync("namespace_sync", sourceOfTruth=source, namespace=NS, **task)


def _own(texts: dict[Artifact, str]) -> dict[Artifact, str]:
    return {one: text for one, text in texts.items() if one.namespace == NS}


def _beside(texts: dict[Artifact, str]) -> dict[Artifact, str]:
    return {one: text for one, text in texts.items() if one.namespace != NS}


def test_the_first_export_holds_that_namespace_alone(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    outcome = _sync(stack, "KESTRA")
    assert outcome["state"] == "APPLIED", outcome
    assert in_git(stack) == _own(in_kestra(stack))
    assert set(stack.tree()) == {f"{NS}/flows/load.yaml", f"{NS}/files/a/q.sql"}
    assert _sync(stack, "KESTRA")["state"] == "UNCHANGED"


@pytest.mark.parametrize("source", ["KESTRA", "GIT"])
def test_it_writes_and_deletes_in_its_namespace_alone(stack: Stack, source: str) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    assert _sync(stack, source)["state"] == "UNCHANGED"
    target = "GIT" if source == "KESTRA" else "KESTRA"
    edits = _texts("two")
    edits[Artifact(NS, "FLOW", "load")] = None
    edits[Artifact(BESIDE[0], "FLOW", "load")] = None
    edits[Artifact(NS, "FLOW", "born")] = flow(NS, "born")
    put(stack, source, edits)
    before = both(stack)
    outcome = _sync(stack, source)
    assert outcome["state"] == "APPLIED", outcome
    assert {k: outcome["counts"][k] for k in ("add", "update", "delete")} == {
        "add": 1,
        "update": 1,
        "delete": 1,
    }
    after = both(stack)
    assert _own(after[target]) == _own(before[source])
    assert _beside(after[target]) == _beside(before[target])
    assert after[source] == before[source]


def test_only_that_namespace_is_read(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    stack.kestra.reset_log()
    assert _sync(stack, "KESTRA")["state"] == "UNCHANGED"
    paths = [call["path"] for call in stack.kestra.log()]
    assert not [path for path in paths if any(f"/{one}/" in path for one in BESIDE)], paths
    assert not [path for path in paths if "dashboards" in path]
    assert len(paths) <= 1 + 5


def test_it_shares_its_base_with_the_tenant_sync_of_the_same_pair(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    one = Artifact(NS, "FLOW", "load")
    put(stack, "GIT", {one: flow(NS, "load", "git")})
    assert _sync(stack, "GIT")["state"] == "APPLIED"
    put(stack, "KESTRA", {one: flow(NS, "load", "kestra")})
    (change,) = stack.plan(stack.export(dryRun=True)["runId"])["changes"]
    assert (change["name"], change["cause"]) == ("load", "CHANGED")


def test_its_first_contact_asks_and_an_empty_source_is_refused(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    stack.push({"README.md": "ours\n"})
    refused = _sync(stack, "GIT")
    assert refused["state"] == "REFUSED"
    assert "EMPTY_SOURCE" in {one["code"] for one in refused["problems"]}
    put(stack, "GIT", {Artifact(NS, "FLOW", "load"): flow(NS, "load", "one")})
    waiting = _sync(stack, "GIT")
    assert waiting["state"] == "WAITING"
    assert {one["code"] for one in waiting["problems"]} == {"FIRST_CONTACT"}
    assert set(in_kestra(stack)) == set(_texts("one"))


def test_a_protected_namespace_keeps_what_is_missing(stack: Stack) -> None:
    put(stack, "KESTRA", _texts("one"))
    assert stack.export()["state"] == "APPLIED"
    put(stack, "GIT", {Artifact(NS, "FLOW", "load"): None})
    outcome = _sync(stack, "GIT", protectedNamespaces=["company"])
    assert (outcome["state"], outcome["counts"]["protected"]) == ("UNCHANGED", 1), outcome
    assert Artifact(NS, "FLOW", "load") in in_kestra(stack)
