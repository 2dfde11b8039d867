"""Many writers of one branch: every commit lands, and a foreign edit is never overwritten."""

from __future__ import annotations

from tests.stack import Stack, wait_for
from tests.texts import flow

WRITERS = 20


def test_twenty_exports_at_once_into_one_branch_all_land(stack: Stack) -> None:
    namespace = "company.team"
    stack.kestra.seed(flows=[flow(namespace, "one"), flow(namespace, "two")])
    first = f"d0/{namespace}/flows/one.yaml"
    stack.push({"README.md": "ours\n", first: flow(namespace, "one", "x")})
    base = stack.commits()[0]

    stack.hold("claim", WRITERS, job="tenantsync.begin")
    asked = [
        stack.ask(sourceOfTruth="KESTRA", gitDirectory=f"d{number}") for number in range(WRITERS)
    ]
    pinned = _pinned(stack, asked)
    assert pinned == {base}
    stack.push({first: flow(namespace, "one", "foreign")})
    stack.release("claim")

    outcomes = [stack.outcome(one, 120) for one in asked]
    stack.quiet()
    assert [one["state"] for one in outcomes] == ["PARTIAL", *["APPLIED"] * (WRITERS - 1)]
    follower = stack.records.get(outcomes[0]["followedBy"])
    assert follower.state == "APPLIED"

    tree = stack.tree()
    for number in range(WRITERS):
        for name in ("one", "two"):
            assert (
                tree[f"d{number}/{namespace}/flows/{name}.yaml"] == flow(namespace, name).encode()
            )
    assert tree["README.md"] == b"ours\n"
    commits = stack.commits()
    assert len(commits) == WRITERS + 3  # two of a person, one per run, one of the follower
    assert len({one["commitId"] for one in outcomes}) == WRITERS
    stack.git_out("fsck", "--strict")


def _pinned(stack: Stack, asked: list[object]) -> set[str | None]:
    """The base commits of all runs, once all of them have planned and none has written."""

    def look() -> set[str | None] | None:
        runs = stack.records.newest(WRITERS)
        planned = all(run.state == "WRITING" for run in runs) and len(runs) == WRITERS
        return {run.base_commit for run in runs} if planned else None

    return wait_for(f"{len(asked)} runs planned", look, 120)
