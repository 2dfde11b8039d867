"""How many problems a run tells one by one."""

from __future__ import annotations

from tasks.problems import TOLD, Code, Problem, told


def _problem(code: Code, number: int, *, fatal: bool = False) -> Problem:
    return Problem(code=code, where=f"file {number}", message="left alone", fatal=fatal)


def test_few_problems_are_told_as_they_are() -> None:
    few = [_problem(code, number) for number in range(TOLD) for code in (Code.NO_ID, Code.STALE)]
    assert told(few) == few


def test_of_many_the_first_of_each_code_are_told_and_how_many_more_there_are() -> None:
    many = [_problem(Code.UNSAFE_PATH, number) for number in range(20_000)]
    other = _problem(Code.UNREAD, 1)
    found = told([*many, other])
    assert found[:TOLD] == many[:TOLD] and found[TOLD] == other
    assert [(one.code, one.where) for one in found[TOLD + 1 :]] == [
        (Code.UNSAFE_PATH, "and 19,970 more")
    ]
    assert not found[-1].fatal


def test_what_refuses_a_run_is_told_first() -> None:
    fatal = _problem(Code.NO_ID, 9, fatal=True)
    found = told([*(_problem(Code.NO_ID, number) for number in range(100)), fatal])
    assert fatal in found and len(found) == TOLD + 1
    assert found[-1].fatal
