"""Deletions that want a person, and sources that refuse a run."""

from __future__ import annotations

import pytest

from tasks.artifacts import Kind
from tasks.guards import guards, held_unread, refusals, trips, unread_problems
from tasks.plan import Action, Cause, Held
from tasks.problems import Code
from tasks.requests import DeletionBudget, OnConflict, Side
from tests.planmaking import change, part, sync

DELETE = Action.DELETE


def _deletions(number, **fields):
    return [change(DELETE, f"f{at}", **fields) for at in range(number)]


def _codes(task, changes, parts):
    return [one.code for one in guards(task, changes, parts)]


@pytest.mark.parametrize(
    ("number", "of", "trip"),
    [
        (5, 5, False),  # free, even if it is all there is
        (6, 6, True),  # more than free and more than 25 percent
        (6, 24, False),  # exactly 25 percent
        (6, 23, True),
        (20, 1000, False),
        (21, 1000, True),  # more than 20
        (0, 0, False),
    ],
)
def test_the_budget_trips_above_free_and_above_items_or_percent(number, of, trip) -> None:
    assert trips(DeletionBudget(), number, of) is trip
    parts = [part(target_count=of), part("more", target_count=0)]
    found = _codes(sync(), _deletions(number), parts)
    assert (Code.DELETION_BUDGET in found) is trip


def test_the_budget_is_per_kind_over_all_namespaces() -> None:
    flows = [*_deletions(3), *_deletions(3, namespace="other")]
    files = _deletions(5, kind=Kind.FILE)
    parts = [part(target_count=8), part("other", target_count=8)]
    parts.append(part(kind=Kind.FILE, target_count=9))
    (found,) = guards(sync(), [*flows, *files], parts)
    assert (found.code, found.where) == (Code.DELETION_BUDGET, "FLOW")
    assert "6 of 16" in found.message


def test_the_message_repeats_the_figure_of_all_deletions_of_the_plan() -> None:
    moved = change(DELETE, "moved", moved_to="x/FLOW/y")
    kept = change(Action.KEEP, "kept", held=Held.PROTECTED)
    (found,) = guards(sync(), [*_deletions(7), moved, kept], [part(target_count=10)])
    assert "7 of 10" in found.message
    assert "--deletions 8," in found.message


def test_moves_and_what_is_held_back_do_not_count() -> None:
    moved = _deletions(30, moved_to="x/FLOW/y")
    kept = [change(Action.KEEP, f"k{at}", held=Held.PROTECTED) for at in range(30)]
    assert _codes(sync(), [*moved, *kept], [part(target_count=100)]) == []


def test_a_namespace_that_loses_everything_over_all_kinds_wants_a_person() -> None:
    budget = {"deletion_budget": DeletionBudget(free=5, items=100, percent=100)}
    changes = [*_deletions(3), *_deletions(3, kind=Kind.FILE)]
    parts = [part(target_count=3), part(kind=Kind.FILE, target_count=3)]
    parts.append(part("big", target_count=50))
    assert _codes(sync(**budget), changes, parts) == [Code.NAMESPACE_EMPTIED]
    parts[0] = part(target_count=4)
    assert _codes(sync(**budget), changes, parts) == []
    small = [*_deletions(3), *_deletions(2, kind=Kind.FILE)]
    parts = [part(target_count=3), part(kind=Kind.FILE, target_count=2)]
    assert _codes(sync(**budget), small, parts) == []


def test_a_namespace_of_which_one_part_moves_and_the_rest_goes_loses_everything() -> None:
    budget = {"deletion_budget": DeletionBudget(free=5, items=100, percent=100)}
    moved = [change(DELETE, f"m{at}", moved_to="x/FLOW/y") for at in range(4)]
    changes = [*moved, *_deletions(6)]
    assert _codes(sync(**budget), changes, [part(target_count=10)]) == [Code.NAMESPACE_EMPTIED]
    all_moved = [change(DELETE, f"m{at}", moved_to="x/FLOW/y") for at in range(9)]
    assert _codes(sync(**budget), all_moved, [part(target_count=9)]) == []


def test_the_first_deletion_of_sides_that_never_met_wants_a_person() -> None:
    first = [change(DELETE, "x", cause=Cause.FIRST_CONTACT, moved_to="n/FLOW/y")]
    assert _codes(sync(), first, [part(target_count=99)]) == [Code.FIRST_CONTACT]
    assert _codes(sync(first_contact="MIRROR"), first, [part(target_count=99)]) == []


@pytest.mark.parametrize("truth", Side)
def test_an_empty_source_refuses_the_run(truth) -> None:
    parts = [part(target_count=2), part(kind=Kind.FILE)]
    (found,) = refusals(sync(truth), [], parts)
    assert (found.code, found.fatal) == (Code.EMPTY_SOURCE, True)
    assert refusals(sync(truth, allow_empty=True), [], parts) == []


def test_an_empty_source_of_one_direction_refuses_a_run_with_both() -> None:
    task = sync(Side.GIT, source_of_truth_overrides={Kind.FILE: Side.KESTRA})
    parts = [part(target_count=2), part(kind=Kind.FILE, source_count=9, target_count=9)]
    (found,) = refusals(task, [], parts)
    assert (found.code, found.where) == (Code.EMPTY_SOURCE, "the root of branch main")


def test_nothing_on_either_side_or_a_part_that_is_not_read_is_no_empty_source() -> None:
    assert refusals(sync(), [], [part()]) == []
    parts = [part(target_count=2), part("other", unread="timeout")]
    assert refusals(sync(), [], parts) == []


def test_everything_that_is_missing_or_in_conflict_is_named_never_the_first_alone() -> None:
    missing = [change(Action.KEEP, name, held=Held.MISSING) for name in "ab"]
    conflicts = [change(Action.KEEP, name, held=Held.CONFLICT) for name in "cd"]
    parts = [part(source_count=1, target_count=4)]
    found = refusals(sync(on_conflict=OnConflict.FAIL), [*missing, *conflicts], parts)
    assert [(one.code, one.where[-1], one.fatal) for one in found] == [
        (Code.MISSING_IN_SOURCE, "a", True),
        (Code.MISSING_IN_SOURCE, "b", True),
        (Code.CONFLICT, "c", True),
        (Code.CONFLICT, "d", True),
    ]
    assert refusals(sync(on_conflict=OnConflict.SKIP), conflicts, parts) == []


def test_an_unread_part_holds_back_every_deletion_of_the_run_and_nothing_else() -> None:
    changes = [change(DELETE, "d"), change(Action.ADD, "a"), change(Action.UPDATE, "u")]
    parts = [part(), part("far", kind=Kind.FILE, unread="timeout")]
    kept = held_unread(changes, parts)
    assert [(one.action, one.held) for one in kept] == [
        (Action.KEEP, Held.UNREAD),
        (Action.ADD, None),
        (Action.UPDATE, None),
    ]
    assert held_unread(changes, [part()]) == tuple(changes)
    assert [(one.code, one.where) for one in unread_problems(parts)] == [(Code.UNREAD, "far FILE")]
