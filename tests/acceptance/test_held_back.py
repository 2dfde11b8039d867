"""What a plan says and a run must not do any more: half of a move, what is protected by now, and
everything else where one change is stale and `onStale` is FAIL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.faults import Fault
from tests.sides import Artifact, both, put
from tests.stack import Stack
from tests.texts import flow

OLD, NEW = "company.old", "company.new"
HERE, THERE = Artifact(OLD, "FLOW", "load"), Artifact(NEW, "FLOW", "load")


def _text(one: Artifact, message: str = "hello") -> str:
    return flow(one.namespace, one.name, message)


def _moved(stack: Stack, source: str) -> None:
    """Both sides equal, and then a flow that moved to another namespace in the source."""
    calm = Artifact(OLD, "FLOW", "calm")
    put(stack, "KESTRA", {HERE: _text(HERE), calm: _text(calm)})
    assert stack.export()["state"] == "APPLIED"
    put(stack, source, {HERE: None, THERE: _text(THERE)})


def _held(stack: Stack, source: str, **task: Any) -> Any:
    """A run that is planned and not begun."""
    stack.hold("claim", 1, job="tenantsync.begin")
    asked = stack.ask(sourceOfTruth=source, **task)
    stack.held("claim", 1)
    return asked


@pytest.fixture(autouse=True)
def followers(stack: Stack) -> Iterator[None]:
    """Followers, which would plan anew what was held back, go on after the test has looked."""
    yield
    stack.release("published")
    stack.quiet()


def _let_go(stack: Stack, asked: Any) -> dict[str, Any]:
    """Its outcome; whoever follows it does nothing yet."""
    stack.hold("published", 1)
    stack.release("claim")
    return stack.outcome(asked)


def _codes(outcome: dict[str, Any]) -> dict[str, str]:
    return {one["where"]: one["code"] for one in outcome["problems"]}


@pytest.mark.parametrize(("source", "target"), [("GIT", "KESTRA"), ("KESTRA", "GIT")])
def test_the_old_half_of_a_move_stays_when_the_new_one_is_stale(
    stack: Stack, source: str, target: str
) -> None:
    _moved(stack, source)
    asked = _held(stack, source, onConflict="SKIP")
    put(stack, target, {THERE: _text(THERE, "somebody else's")})
    outcome = _let_go(stack, asked)
    assert _codes(outcome) == {str(THERE): "STALE", str(HERE): "HELD"}, outcome
    held = both(stack)[target]
    assert held[HERE] == _text(HERE)
    assert held[THERE] == _text(THERE, "somebody else's")


def test_the_old_half_of_a_move_stays_when_kestra_does_not_keep_the_new_one(stack: Stack) -> None:
    _moved(stack, "GIT")
    stack.kestra.arm(Fault(method="P.*", lose=f"flow {NEW}/load", times=None))
    outcome = stack.reconcile()
    assert outcome["state"] == "FAILED", outcome
    assert _codes(outcome) == {str(THERE): "NOT_KEPT", str(HERE): "HELD"}, outcome
    assert HERE in both(stack)["KESTRA"]
    stack.kestra.disarm()
    assert stack.reconcile()["state"] == "APPLIED"
    assert HERE not in both(stack)["KESTRA"]


@pytest.mark.parametrize(("source", "target"), [("GIT", "KESTRA"), ("KESTRA", "GIT")])
def test_what_is_protected_by_now_is_not_deleted_though_it_was_not_at_the_plan(
    stack: Stack, source: str, target: str
) -> None:
    gone, kept = Artifact(OLD, "FLOW", "gone"), Artifact(OLD, "FLOW", "kept")
    put(stack, "KESTRA", {one: _text(one) for one in (gone, kept)})
    assert stack.export()["state"] == "APPLIED"
    put(stack, source, {gone: None, kept: _text(kept, "edited")})
    asked = _held(stack, source)
    stack.kestra.switch(system_namespace=OLD)
    outcome = _let_go(stack, asked)
    stack.kestra.switch(system_namespace="system")
    assert outcome["state"] == "PARTIAL", outcome
    assert _codes(outcome) == {str(gone): "HELD"}
    assert both(stack)[target] == {gone: _text(gone), kept: _text(kept, "edited")}


def _three_edits(stack: Stack, source: str) -> tuple[Artifact, Artifact, Artifact]:
    """Both sides equal, then in the source: two edits in one namespace, a removal in another."""
    one, two = Artifact(OLD, "FLOW", "one"), Artifact(OLD, "FLOW", "two")
    gone, left = Artifact(NEW, "FLOW", "gone"), Artifact(NEW, "FLOW", "left")
    put(stack, "KESTRA", {each: _text(each) for each in (one, two, gone, left)})
    assert stack.export()["state"] == "APPLIED"
    put(stack, source, {one: _text(one, "new"), two: _text(two, "new"), gone: None})
    return one, two, gone


def test_with_onstale_fail_nothing_is_committed_when_a_change_is_stale(stack: Stack) -> None:
    one, two, gone = _three_edits(stack, "KESTRA")
    asked = _held(stack, "KESTRA", onStale="FAIL", onConflict="SKIP")
    put(stack, "GIT", {one: _text(one, "somebody else's")})
    commits = stack.commits()
    outcome = _let_go(stack, asked)
    assert outcome["state"] == "STALE", outcome
    assert _codes(outcome) == {str(one): "STALE", str(two): "HELD", str(gone): "HELD"}
    assert stack.commits() == commits


def test_with_onstale_fail_nothing_more_of_the_namespace_is_written_and_nothing_deleted(
    stack: Stack,
) -> None:
    one, two, gone = _three_edits(stack, "GIT")
    asked = _held(stack, "GIT", onStale="FAIL", onConflict="SKIP")
    put(stack, "KESTRA", {one: _text(one, "somebody else's")})
    outcome = _let_go(stack, asked)
    assert outcome["state"] == "STALE", outcome
    assert _codes(outcome) == {str(one): "STALE", str(two): "HELD", str(gone): "HELD"}
    held = both(stack)["KESTRA"]
    assert held[one] == _text(one, "somebody else's")
    assert held[two] == _text(two)
    assert gone in held
