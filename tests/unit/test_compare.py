"""The decision table: every row, for every kind of artifact."""

from __future__ import annotations

import pytest

from tasks.artifacts import Kind, digest
from tasks.compare import Base, compare
from tasks.plan import Action, Cause
from tests.planmaking import held

S, T, OTHER = b"source", b"target", b"other"
ADD, UPDATE, DELETE = Action.ADD, Action.UPDATE, Action.DELETE

#: row, source, target, base, settled → action, cause, conflict
ROWS = [
    (2, S, None, None, True, ADD, Cause.NEW, False),
    (2, S, None, None, False, ADD, Cause.NEW, False),
    (3, S, None, S, True, ADD, Cause.DRIFT, False),
    (3, S, None, S, False, ADD, Cause.DRIFT, False),
    (4, S, None, OTHER, True, ADD, Cause.BOTH_MOVED, True),
    (4, S, None, OTHER, False, ADD, Cause.BOTH_MOVED, True),
    (5, None, T, T, True, DELETE, Cause.REMOVED_IN_SOURCE, False),
    (6, None, T, OTHER, True, DELETE, Cause.BOTH_MOVED, True),
    (7, None, T, None, True, DELETE, Cause.NEVER_IN_SOURCE, False),
    (8, None, T, None, False, DELETE, Cause.FIRST_CONTACT, False),
    (8, None, T, T, False, DELETE, Cause.FIRST_CONTACT, False),
    (8, None, T, OTHER, False, DELETE, Cause.FIRST_CONTACT, False),
    (9, S, T, T, True, UPDATE, Cause.CHANGED, False),
    (9, S, T, T, False, UPDATE, Cause.CHANGED, False),
    (10, S, T, S, True, UPDATE, Cause.DRIFT, False),
    (10, S, T, S, False, UPDATE, Cause.DRIFT, False),
    (11, S, T, OTHER, True, UPDATE, Cause.BOTH_MOVED, True),
    (11, S, T, OTHER, False, UPDATE, Cause.BOTH_MOVED, True),
    (11, S, T, None, True, UPDATE, Cause.BOTH_MOVED, True),
    (12, S, T, None, False, UPDATE, Cause.FIRST_CONTACT, False),
]


def _held(kind: Kind, text: bytes | None):
    return held({} if text is None else {"x": text}, kind)


def _base(kind: Kind, text: bytes | None, settled: bool) -> Base:
    return Base(items={} if text is None else {"x": digest(kind, text)}, settled=settled)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("row", "s", "t", "b", "settled", "action", "cause", "conflict"), ROWS)
def test_each_row_gives_its_action_and_cause(
    kind, row, s, t, b, settled, action, cause, conflict
) -> None:
    compared = compare(_held(kind, s), _held(kind, t), _base(kind, b, settled))
    (one,) = compared.differences
    assert (one.row, one.action, one.cause, one.conflict) == (row, action, cause, conflict)
    assert one.before == (None if t is None else digest(kind, t))
    assert one.after == (None if s is None else digest(kind, s))
    assert compared.equal == {}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("base", [None, S, OTHER])
def test_row_1_what_is_equal_is_no_difference_and_becomes_the_base(kind, settled, base) -> None:
    compared = compare(_held(kind, S), _held(kind, S), _base(kind, base, settled))
    assert compared.differences == ()
    assert compared.equal == {"x": digest(kind, S)}


def test_texts_that_differ_in_line_ends_and_blanks_at_the_end_are_equal() -> None:
    compared = compare(held({"x": b"a\r\nb\r\n\r\n"}), held({"x": b"a\nb"}), Base())
    assert compared.differences == ()


def test_files_that_differ_in_one_byte_are_not_equal() -> None:
    files = held({"x": b"a\n"}, Kind.FILE), held({"x": b"a"}, Kind.FILE)
    assert [one.row for one in compare(*files, Base()).differences] == [12]


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("withheld", ["d/x", "d/", "/"])
def test_a_name_that_either_side_withholds_appears_nowhere(side, withheld) -> None:
    for texts in ((S, T), (S, None), (None, T), (S, S)):
        sides = [
            held({} if text is None else {"d/x": text}, withheld=frozenset({withheld} & marks))
            for text, marks in zip(texts, ({withheld}, set())[:: 1 if side else -1], strict=True)
        ]
        compared = compare(*sides, Base(settled=True))
        assert compared.differences == ()
        assert compared.equal == {}


def test_withholding_a_folder_leaves_names_that_only_begin_like_it() -> None:
    source = held({"ab": S, "a/b": S}, withheld=frozenset({"a/"}))
    assert [one.name for one in compare(source, held({}), Base()).differences] == ["ab"]


def test_a_name_that_only_the_base_knows_is_no_difference() -> None:
    compared = compare(held({}), held({}), Base(items={"x": "1" * 40}, settled=True))
    assert compared.differences == ()


def test_differences_are_sorted_by_name() -> None:
    compared = compare(held({"b": S, "a": S, "C": S}), held({}), Base())
    assert [one.name for one in compared.differences] == ["C", "a", "b"]
