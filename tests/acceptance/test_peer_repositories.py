"""Repositories that the vendor's plugin wrote read as unchanged on the first run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack

PEER = Path(__file__).parent / "peer"
#: It names the file of a dashboard by its title; ours finds it by the id in the text, so these
#: read as equal. Names that Kestra lists but cannot hold are left alone on both sides.
NOT_HELD = {"symbols/hash#tag.txt", "symbols/percent%41.txt"}


def _state() -> dict[str, Any]:
    state: dict[str, Any] = json.loads((PEER / "state.json").read_text())
    return state


def _load(stack: Stack, bundle: str) -> None:
    state = _state()
    stack.kestra.seed(
        flows=[flow["source"] for flow in state["flows"]],
        files=state["files"],
        dashboards=[one["sourceCode"] for one in state["dashboards"]],
    )
    subprocess.run(
        ["git", "--git-dir", stack.repository, "fetch", "-q", PEER / bundle, "main:main"],
        check=True,
    )


@pytest.mark.parametrize("side", ["KESTRA", "GIT"])
@pytest.mark.parametrize(
    ("bundle", "task"),
    [
        ("tenant-sync.bundle", {}),
        ("tenant-sync-dir.bundle", {"gitDirectory": "kestra/main"}),
    ],
)
def test_a_repository_of_the_vendors_tenant_sync_is_unchanged(
    stack: Stack, bundle: str, task: dict[str, str], side: str
) -> None:
    _load(stack, bundle)
    outcome = stack.sync(sourceOfTruth=side, onInvalidSyntax="SKIP", dryRun=True, **task)
    changes = stack.plan(outcome["runId"])["changes"]
    # `files.only` has files and no flow: the plugin never exported it, and no call shows it.
    assert changes == [], [(c["namespace"], c["name"], c["action"]) for c in changes]
    assert outcome["state"] == "UNCHANGED"
    places = [problem["where"] for problem in outcome["problems"]]
    named = {place[place.index("symbols/") :] for place in places}
    assert named == NOT_HELD


@pytest.mark.parametrize("side", ["KESTRA", "GIT"])
def test_a_repository_of_the_vendors_namespace_sync_is_unchanged(stack: Stack, side: str) -> None:
    _load(stack, "namespace-sync.bundle")
    outcome = stack.sync(
        "namespace_sync", sourceOfTruth=side, namespace="company.team", dryRun=True
    )
    assert outcome["state"] == "UNCHANGED", outcome
    # A flow whose id holds a dot is deleted by the vendor's NamespaceSync on every second run.
    real = stack.sync("namespace_sync", sourceOfTruth=side, namespace="company.team")
    assert real["state"] == "UNCHANGED"
    assert ("company.team", "load.crates.v2") in stack.kestra.flows()
    assert "company.team/flows/load.crates.v2.yaml" in stack.tree()
