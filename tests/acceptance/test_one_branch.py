"""Many writers of one branch: every commit lands, and a foreign edit is never overwritten."""

from __future__ import annotations

from tests.stack import Stack, wait_for
from tests.texts import flow

WRITERS = 20
NAMESPACE = "company.team"


def test_twenty_exports_at_once_into_one_branch_all_land(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NAMESPACE, "one"), flow(NAMESPACE, "two")])
    first = f"d0/{NAMESPACE}/flows/one.yaml"
    stack.push({"README.md": "ours\n", first: flow(NAMESPACE, "one", "x")})
    base = stack.commits()[0]

    # The one before them holds the lanes, so that all of them have planned before any pushes.
    stack.hold("push.before", 1)
    before = stack.ask(sourceOfTruth="KESTRA", gitDirectory="before")
    stack.held("push.before", 1)
    asked = [
        stack.ask(sourceOfTruth="KESTRA", gitDirectory=f"d{number}") for number in range(WRITERS)
    ]
    assert _pinned(stack) == {base}
    assert stack.commits()[0] == base
    stack.push({first: flow(NAMESPACE, "one", "foreign")})
    stack.release("push.before")

    outcomes = [stack.outcome(one, 120) for one in asked]
    assert stack.outcome(before)["state"] == "APPLIED"
    stack.quiet()
    assert [one["state"] for one in outcomes] == ["PARTIAL", *["APPLIED"] * (WRITERS - 1)]
    follower = stack.records.get(outcomes[0]["followedBy"])
    assert follower.state == "APPLIED"

    tree = stack.tree()
    for number in range(WRITERS):
        for name in ("one", "two"):
            path = f"d{number}/{NAMESPACE}/flows/{name}.yaml"
            assert tree[path] == flow(NAMESPACE, name).encode()
    assert tree["README.md"] == b"ours\n"
    commits = stack.commits()
    assert len(commits) == WRITERS + 4  # two of a person, one per run, one of the follower
    assert len({one["commitId"] for one in outcomes}) == WRITERS
    stack.git_out("fsck", "--strict")


def _pinned(stack: Stack) -> set[str | None]:
    """The base commits of all runs, once all of them have planned and none has written."""

    def look() -> set[str | None] | None:
        runs = stack.records.newest(WRITERS)
        planned = all(run.state == "WRITING" for run in runs) and len(runs) == WRITERS
        return {run.base_commit for run in runs} if planned else None

    return wait_for(f"{WRITERS} runs planned", look, 120)
