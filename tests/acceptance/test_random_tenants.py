"""Whatever both sides hold: after APPLIED with DELETE they are equal, and a second run finds
nothing to do and leaves no trace.

Each tenant is drawn by a seed, which is the name of its test.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.sides import Artifact, in_git, in_kestra, put
from tests.stack import Stack
from tests.texts import dashboard, flow

#: All are named in each task: no call shows a namespace that holds nothing but files.
NAMESPACES = ("alpha", "alpha.one", "beta", "system")
IGNORE = Artifact("alpha", "FILE", ".kestraignore")
#: Kestra cannot hold a file of this name.
UNHELD = Artifact("beta", "FILE", "odd[1].txt")
#: It stays on both sides, so that neither is ever empty.
ANCHOR = Artifact("beta", "FLOW", "anchor")
POOL = [
    *(Artifact(ns, "FLOW", name) for ns in NAMESPACES for name in ("load", "check", "v1.2")),
    *(Artifact(ns, "FILE", name) for ns in NAMESPACES for name in ("a.txt", "d/b.sql", "ü.md")),
    *(Artifact("_global", "DASHBOARD", name) for name in ("runs", "costs", "old")),
    Artifact("alpha", "FILE", "x.tmp"),
    Artifact("beta", "FILE", "with space.txt"),
]
HOLD = {"KESTRA": in_kestra, "GIT": in_git}
SIDES = tuple(HOLD)


def _text(random: Random, one: Artifact) -> str:
    """One of few texts: the two sides often agree, and some flows are another one that moved."""
    words = random.choice(("hello", "grüße 🚢", f"{one.name} {random.randrange(2)}"))
    if one.kind == "FILE":
        return words + random.choice(("", "\n", "\r\n"))
    text = flow(one.namespace, one.name, words)
    if one.kind == "DASHBOARD":
        text = dashboard(one.name, words)
    return random.choice((text, text, text.replace("\n", "\r\n"), text + "\n\n"))


def _edits(random: Random, *, share: float) -> dict[Artifact, str | None]:
    """A part of the pool with new texts, or without (None)."""
    chosen = [one for one in POOL if random.random() < share]
    return {one: None if random.random() < 0.35 else _text(random, one) for one in chosen}


def _write(stack: Stack, side: str, edits: dict[Artifact, str | None]) -> None:
    """Edits of one side; what is not there is not removed, what is there keeps its file."""
    there = HOLD[side](stack)
    names = {one: _held(one) if side == "KESTRA" or _held(one) in there else one for one in edits}
    put(stack, side, {
        names[one]: text for one, text in edits.items() if text is not None or names[one] in there
    })  # fmt: skip


def _held(one: Artifact) -> Artifact:
    """Its name in Kestra, where a space is a plus."""
    return one._replace(name=one.name.replace(" ", "+"))


def _shown(stack: Stack) -> dict[str, dict[Artifact, str]]:
    """Both sides by the names of the pool."""
    names = {_held(one): one for one in POOL}
    return {
        side: {names.get(one, one): text for one, text in HOLD[side](stack).items()}
        for side in SIDES
    }


def _alike(one: Artifact, text: str | None) -> str | None:
    """Flows and dashboards are equal but for line ends and blanks at the end of the text."""
    if text is None or one.kind == "FILE":
        return text
    return text.replace("\r\n", "\n").rstrip()


def _differences(stack: Stack) -> set[Artifact]:
    sides = _shown(stack)
    names = {*sides["KESTRA"], *sides["GIT"]}
    return {
        one
        for one in names
        if _alike(one, sides["KESTRA"].get(one)) != _alike(one, sides["GIT"].get(one))
    }


def _exceptions(stack: Stack, run: str) -> set[Artifact]:
    """What may differ: kept because it is protected, hidden from both, or not to be held."""
    plan = stack.plan(run)
    kept = {
        Artifact(one["namespace"], one["kind"], one["name"])
        for one in plan["changes"]
        if one.get("held") == "PROTECTED"
    }
    named = {one["where"] for one in plan["problems"] if one["code"] == "NAME_NOT_HELD"}
    hidden = {one for one in POOL if one.namespace == IGNORE.namespace and ".tmp" in one.name}
    return kept | hidden | ({UNHELD} if UNHELD.path in named else set())


def _applied(stack: Stack, **task: Any) -> str:
    """Runs the task, agrees where a guard asks for a person; the id of the run."""
    outcome = stack.sync(namespaces=NAMESPACES, **task)
    run, state = outcome["runId"], outcome["state"]
    if state == "WAITING":
        plan = stack.plan(run)
        deletions = sum(one["action"] == "DELETE" for one in plan["changes"])
        assert plan["guards"] and deletions
        figure = ("--deletions", str(deletions))
        stack.run("approve", run, "--digest", outcome["planDigest"], *figure, check=True)
        state = stack.ended(run).state
    assert state in {"APPLIED", "UNCHANGED"}, outcome
    return run


def _traces(stack: Stack) -> object:
    """All that a write would change: counters of the server, refs and objects of the remote."""
    counters = stack.kestra.counters()
    return (
        counters["flow_revisions"],
        counters["storage_objects"],
        stack.git_out("for-each-ref"),
        stack.git_out("count-objects", "-v"),
        stack.commits(),
    )


@pytest.mark.parametrize("seed", range(6))
def test_both_sides_are_equal_and_a_second_run_leaves_no_trace(stack: Stack, seed: int) -> None:
    random = Random(seed)
    start = {one: text for one, text in _edits(random, share=0.7).items() if text is not None}
    start |= {ANCHOR: flow(ANCHOR.namespace, ANCHOR.name), IGNORE: "*.tmp\n"}
    put(stack, "KESTRA", {_held(one): text for one, text in start.items()})
    if random.random() < 0.7:
        _applied(stack, sourceOfTruth="KESTRA")
    else:  # the two have never met
        met = {one for one in start if one in (ANCHOR, IGNORE) or random.random() < 0.6}
        stack.push({one.path: text for one, text in start.items() if one in met})
    if random.random() < 0.5:
        stack.push({UNHELD.path: "x\n"})
    for side in SIDES:
        _write(stack, side, _edits(random, share=0.35))

    source = random.choice(SIDES)
    contact = random.choice(("ASK", "MIRROR"))
    before = _shown(stack)[source]
    run = _applied(stack, sourceOfTruth=source, firstContact=contact)
    assert _differences(stack) <= _exceptions(stack, run)
    assert _shown(stack)[source] == before, "the source was written"

    traces = _traces(stack)
    stack.kestra.reset_log()
    for side in (source, *(one for one in SIDES if one != source and not _differences(stack))):
        outcome = stack.sync(sourceOfTruth=side, namespaces=NAMESPACES)
        assert outcome["state"] == "UNCHANGED", stack.plan(outcome["runId"])["changes"]
    assert _traces(stack) == traces
    assert {call["method"] for call in stack.kestra.log()} == {"GET"}
