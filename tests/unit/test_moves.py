"""A move is a deletion and an addition of the same content."""

from __future__ import annotations

import itertools

import pytest

from tasks.artifacts import Kind
from tasks.moves import with_moves
from tasks.plan import Action, Held
from tasks.requests import Side
from tests.planmaking import change

ADD, DELETE = Action.ADD, Action.DELETE


def _moves(*changes):
    return {str(one.key): one.moved_to for one in with_moves(changes) if one.moved_to}


def test_flows_that_differ_only_in_id_and_namespace_lines_are_one_move() -> None:
    gone = change(DELETE, "old", body="b")
    new = change(ADD, "new", namespace="other", body="b")
    assert _moves(new, gone) == {"team/FLOW/old": "other/FLOW/new"}


def test_files_of_equal_bytes_are_one_move() -> None:
    gone = change(DELETE, "a.sql", kind=Kind.FILE, before="5" * 40)
    new = change(ADD, "b/a.sql", kind=Kind.FILE, after="5" * 40)
    assert _moves(gone, new) == {"team/FILE/a.sql": "team/FILE/b/a.sql"}


@pytest.mark.parametrize(
    "other",
    [
        {"body": "c"},
        {"body": None},
        {"body": "b", "target": Side.GIT},
        {"body": "b", "kind": Kind.DASHBOARD},
        {"body": "b", "action": Action.UPDATE},
    ],
)
def test_what_differs_in_content_target_kind_or_action_is_no_move(other) -> None:
    new = change(ADD, "new", body="b").model_copy(update=other)
    assert _moves(change(DELETE, "old", body="b"), new) == {}


def test_texts_without_a_known_body_are_no_move() -> None:
    assert _moves(change(DELETE, "old"), change(ADD, "new")) == {}


def test_each_half_is_in_one_pair_and_the_same_name_goes_first() -> None:
    changes = [
        change(DELETE, "a", body="b"),
        change(DELETE, "z", body="b"),
        change(ADD, "z", namespace="other", body="b"),
    ]
    assert _moves(*changes) == {"team/FLOW/z": "other/FLOW/z"}


def test_then_the_same_namespace_goes_first() -> None:
    changes = [
        change(DELETE, "a", namespace="one", body="b"),
        change(DELETE, "b", namespace="two", body="b"),
        change(ADD, "new", namespace="two", body="b"),
    ]
    assert _moves(*changes) == {"two/FLOW/b": "two/FLOW/new"}


def test_pairs_do_not_depend_on_the_order_of_the_changes() -> None:
    changes = [change(DELETE, name, body="b") for name in "abc"]
    changes += [change(ADD, name, namespace="n", body="b") for name in "bde"]
    expected = _moves(*changes)
    assert len(expected) == 3
    assert len(set(expected.values())) == 3
    for some in itertools.islice(itertools.permutations(changes), 0, 720, 37):
        assert _moves(*some) == expected


def test_a_move_out_of_a_protected_namespace_creates_and_keeps() -> None:
    kept = change(Action.KEEP, "old", before="1" * 40, after=None, held=Held.PROTECTED, body="b")
    moved = with_moves([kept, change(ADD, "new", body="b")])
    assert [(one.action, one.moved_to) for one in moved] == [
        (Action.KEEP, "team/FLOW/new"),
        (Action.ADD, None),
    ]
