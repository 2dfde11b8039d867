"""What policy leaves of each row of the table, for every kind and direction."""

from __future__ import annotations

import itertools

import pytest

from tasks.artifacts import GLOBAL, Kind, Part
from tasks.compare import Base, compare
from tasks.plan import Action, Held
from tasks.policy import Decision, decide
from tasks.protection import is_protected
from tasks.requests import OnConflict, Side, WhenMissing
from tests.planmaking import held, sync
from tests.unit.test_compare import ROWS, _base, _held

ALL = list(itertools.product(WhenMissing, OnConflict, Kind, Side, [False, True]))


def _expected(row: int, when: WhenMissing, conflict: OnConflict, protected: bool):
    """The words of the design, once more and in another form."""
    both_moved, deletion = row in {4, 6, 11}, row in {5, 6, 7, 8}
    if not deletion:
        held_back = both_moved and conflict is not OnConflict.SOURCE
        adds = Action.ADD if row in {2, 3, 4} else Action.UPDATE
        return Decision(Action.KEEP, Held.CONFLICT) if held_back else Decision(adds)
    if when is WhenMissing.KEEP:
        return None
    if protected:
        return Decision(Action.KEEP, Held.PROTECTED)
    if both_moved and conflict is not OnConflict.SOURCE:
        return Decision(Action.KEEP, Held.CONFLICT)
    if when is WhenMissing.FAIL:
        return Decision(Action.KEEP, Held.MISSING)
    return Decision(Action.DELETE)


@pytest.mark.parametrize(("row", "s", "t", "b", "settled"), [one[:5] for one in ROWS])
def test_every_row_under_every_policy_kind_and_direction(row, s, t, b, settled) -> None:
    for when, conflict, kind, truth, protected in ALL:
        task = sync(truth, when_missing_in_source=when, on_conflict=conflict)
        (one,) = compare(_held(kind, s), _held(kind, t), _base(kind, b, settled)).differences
        part = Part("team.etl", kind)
        names = ("team",) if protected else ("other",)
        assert decide(one, task, part, names) == _expected(row, when, conflict, protected)


@pytest.mark.parametrize(
    ("namespace", "covered"),
    [("p", True), ("p.q", True), ("p.q.r", True), ("pq", False), ("q.p", False), (GLOBAL, False)],
)
def test_a_protected_name_covers_itself_and_its_children(namespace, covered) -> None:
    assert is_protected(namespace, ["p"]) is covered


def test_the_name_of_the_whole_tenant_protects_dashboards() -> None:
    (one,) = compare(held({}), held({"d": b"x"}), Base(settled=True)).differences
    dashboards = Part(GLOBAL, Kind.DASHBOARD)
    kept = Decision(Action.KEEP, Held.PROTECTED)
    assert decide(one, sync(), dashboards, ["_global"]) == kept
    assert decide(one, sync(), dashboards, []) == Decision(Action.DELETE)
