"""The twelve rows of the decision table, each through real runs, in both directions and under
every policy.

One tenant per direction stands in all rows at once, for flows, files and dashboards. It is then
synced again and again, from the strictest policy to the default; each test looks at one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.sides import Artifact, both, put
from tests.stack import Stack
from tests.texts import dashboard, flow

KINDS = ("FLOW", "FILE", "DASHBOARD")
#: Parts that a run which may delete has settled, and parts that nobody ever synced.
SETTLED, FRESH = "old.team", "fresh.team"


@dataclass(frozen=True)
class Row:
    """What the source, the target and the base hold in one row, and what is to come of it."""

    source: str | None
    target: str | None
    base: str | None
    action: str
    cause: str
    namespace: str = SETTLED

    @property
    def conflict(self) -> bool:
        return self.cause == "BOTH_MOVED"

    @property
    def missing(self) -> bool:
        return self.action == "DELETE"


ROWS = {
    "2": Row("s", None, None, "ADD", "NEW"),
    "2 never synced": Row("s", None, None, "ADD", "NEW", FRESH),
    "3": Row("b", None, "b", "ADD", "DRIFT"),
    "4": Row("s", None, "b", "ADD", "BOTH_MOVED"),
    "5": Row(None, "b", "b", "DELETE", "REMOVED_IN_SOURCE"),
    "6": Row(None, "t", "b", "DELETE", "BOTH_MOVED"),
    "7": Row(None, "t", None, "DELETE", "NEVER_IN_SOURCE"),
    "8": Row(None, "t", None, "DELETE", "FIRST_CONTACT", FRESH),
    "9": Row("s", "b", "b", "UPDATE", "CHANGED"),
    "10": Row("b", "t", "b", "UPDATE", "DRIFT"),
    "11": Row("s", "t", "b", "UPDATE", "BOTH_MOVED"),
    "11 no base": Row("s", "t", None, "UPDATE", "BOTH_MOVED"),
    "12": Row("s", "t", None, "UPDATE", "FIRST_CONTACT", FRESH),
}
#: Row 1: equal on both sides, with a base that is equal, another, or none.
EQUAL = {
    "1 as the base": Row("b", "b", "b", "", ""),
    "1 moved alike": Row("x", "x", "b", "", ""),
    "1 no base": Row("x", "x", None, "", ""),
    "1 never synced": Row("x", "x", None, "", "", FRESH),
}


def _artifact(name: str, row: Row, kind: str) -> Artifact:
    if kind == "DASHBOARD":
        return Artifact("_global", kind, _id(name))
    suffix = ".txt" if kind == "FILE" else ""
    return Artifact(row.namespace, kind, _id(name) + suffix)


def _id(name: str) -> str:
    return "row-" + name.replace(" ", "-")


def _text(one: Artifact, version: str) -> str:
    """A text that no other artifact has, so that nothing looks like a move."""
    words = f"{one.name} {version}"
    if one.kind == "FLOW":
        return flow(one.namespace, one.name, words)
    return dashboard(one.name, words) if one.kind == "DASHBOARD" else f"{words}\n"


def _artifacts(name: str, row: Row) -> Iterator[Artifact]:
    for kind in KINDS:
        # There is one part of dashboards, which the base of the other rows has settled.
        if kind != "DASHBOARD" or row.namespace == SETTLED:
            yield _artifact(name, row, kind)


def _state(column: str) -> dict[Artifact, str | None]:
    return {
        one: _text(one, version) if (version := getattr(row, column)) is not None else None
        for name, row in {**ROWS, **EQUAL}.items()
        for one in _artifacts(name, row)
    }


@dataclass
class Story:
    """All runs of one direction: outcome, changes of plan.json, and both sides afterwards."""

    source: str
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: dict[str, dict[Artifact, dict[str, Any]]] = field(default_factory=dict)
    sides: dict[str, dict[str, dict[Artifact, str]]] = field(default_factory=dict)

    def run(self, stack: Stack, name: str, **task: Any) -> None:
        outcome = stack.sync(sourceOfTruth=self.source, firstContact="MIRROR", **task)
        self.outcomes[name] = outcome
        plan = stack.plan(outcome["runId"])
        self.changes[name] = {
            Artifact(one["namespace"], one["kind"], one["name"]): one for one in plan["changes"]
        }
        self.sides[name] = both(stack)

    @property
    def target(self) -> str:
        return "GIT" if self.source == "KESTRA" else "KESTRA"


@pytest.fixture(scope="module", params=["KESTRA", "GIT"])
def story(request: pytest.FixtureRequest, processes: Stack) -> Story:
    stack, told = processes.fresh(), Story(request.param)
    base = {one: text for one, text in _state("base").items() if text is not None}
    put(stack, "KESTRA", base)
    assert stack.export()["state"] == "APPLIED"
    sides = {told.source: _state("source"), told.target: _state("target")}
    for side, wanted in sides.items():
        put(stack, side, {one: text for one, text in wanted.items() if text != base.get(one)})
    told.sides["before"] = both(stack)
    told.run(stack, "missing FAIL", whenMissingInSource="FAIL")
    told.run(stack, "conflict FAIL", onConflict="FAIL")
    told.run(stack, "KEEP and SKIP", whenMissingInSource="KEEP", onConflict="SKIP")
    told.run(stack, "SKIP", onConflict="SKIP")
    told.run(stack, "default")
    told.run(stack, "again")
    later = {one: _text(one, "later") for n, row in EQUAL.items() for one in _artifacts(n, row)}
    put(stack, told.source, later)
    told.run(stack, "later", dryRun=True)
    return told


def _each_row(rows: Mapping[str, Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", list(rows))


def _look(story: Story, run: str, name: str, *, action: str, held: str | None, lands: bool) -> None:
    """The row in plan.json, and what both sides hold after the run."""
    row = ROWS[name]
    for one in _artifacts(name, row):
        change = story.changes[run][one]
        assert (change["action"], change["cause"]) == (action, row.cause), one
        assert change.get("held") == held, one
        assert change["target"] == story.target
        source, target = (story.sides[run][side].get(one) for side in (story.source, story.target))
        assert source == _written(one, row.source), one
        assert target == _written(one, row.source if lands else row.target), one


def _written(one: Artifact, version: str | None) -> str | None:
    return _text(one, version) if version is not None else None


@_each_row(ROWS)
def test_the_row_is_named_and_the_default_makes_the_sides_equal(story: Story, name: str) -> None:
    row = ROWS[name]
    # What a milder policy has landed before is equal by now.
    run = "default" if row.conflict else "SKIP" if row.missing else "KEEP and SKIP"
    assert story.outcomes[run]["state"] == "APPLIED", story.outcomes[run]
    _look(story, run, name, action=row.action, held=None, lands=True)


@_each_row({name: row for name, row in ROWS.items() if row.conflict})
@pytest.mark.parametrize("run", ["KEEP and SKIP", "SKIP"])
def test_a_conflict_that_is_skipped_keeps_both_texts(story: Story, name: str, run: str) -> None:
    assert story.outcomes[run]["counts"]["conflict"] > 0
    if ROWS[name].missing and run == "KEEP and SKIP":
        assert not any(one in story.changes[run] for one in _artifacts(name, ROWS[name]))
    else:
        _look(story, run, name, action="KEEP", held="CONFLICT", lands=False)


@_each_row({name: row for name, row in ROWS.items() if row.missing and not row.conflict})
def test_what_is_missing_in_the_source_stays_with_keep(story: Story, name: str) -> None:
    for one in _artifacts(name, ROWS[name]):
        assert one not in story.changes["KEEP and SKIP"]
        assert one in story.sides["KEEP and SKIP"][story.target]


@_each_row(ROWS)
@pytest.mark.parametrize("run", ["missing FAIL", "conflict FAIL"])
def test_fail_refuses_the_run_and_names_each_row(story: Story, name: str, run: str) -> None:
    row, outcome = ROWS[name], story.outcomes[run]
    assert outcome["state"] == "REFUSED"
    assert story.sides[run] == story.sides["before"]
    stops = row.missing if run == "missing FAIL" else row.conflict
    code = "MISSING_IN_SOURCE" if run == "missing FAIL" else "CONFLICT"
    named = {problem["where"] for problem in outcome["problems"] if problem["code"] == code}
    for one in _artifacts(name, row):
        assert (str(one) in named) == stops
        change = story.changes[run][one]
        assert change["cause"] == row.cause
        assert change["action"] == ("KEEP" if stops else row.action)


@_each_row(EQUAL)
def test_what_is_equal_is_not_written_and_becomes_the_base(story: Story, name: str) -> None:
    row = EQUAL[name]
    for one in _artifacts(name, row):
        for run in ("missing FAIL", "conflict FAIL", "KEEP and SKIP", "SKIP", "default"):
            assert one not in story.changes[run]
        text = _written(one, row.source)
        assert [side[one] for side in story.sides["default"].values()] == [text, text]
        # Edited in the source afterwards: nobody else has moved since both were seen equal.
        assert story.changes["later"][one]["cause"] == "CHANGED"


def test_a_second_run_changes_nothing(story: Story) -> None:
    assert story.outcomes["again"]["state"] == "UNCHANGED", story.outcomes["again"]
    assert story.sides["default"]["KESTRA"] == story.sides["default"]["GIT"]
    assert story.sides["again"] == story.sides["default"]
