"""What a mirror keeps for a run goes when the run is over, however it ended and on which host."""

from __future__ import annotations

import subprocess

from tests.stack import Stack
from tests.texts import flow

NS = "company.team"


def _pinned(stack: Stack) -> set[str]:
    """The runs for which the mirrors of this host keep something."""
    found = set()
    for head in stack.folder.joinpath("data").rglob("HEAD"):
        command = ["git", "--git-dir", str(head.parent), "for-each-ref", "refs/tenantsync"]
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found |= {line.split("\t")[1].split("/")[2] for line in listed.splitlines()}
    return found


def test_the_next_run_that_ends_releases_what_refused_and_cancelled_ones_left(
    stack: Stack,
) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    assert stack.export()["state"] == "APPLIED"
    stack.push({f"{NS}/flows/two.yaml": flow(NS, "two")})
    refused = stack.export(whenMissingInSource="FAIL")
    assert refused["state"] == "REFUSED"
    planned = stack.export(dryRun=True)
    assert planned["state"] == "PLANNED"
    assert {refused["runId"], planned["runId"]} <= _pinned(stack)
    assert stack.reconcile()["state"] == "APPLIED"
    left = _pinned(stack)
    assert refused["runId"] not in left
    assert planned["runId"] in left, "its plan can still be written"
