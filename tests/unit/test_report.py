"""A plan in words."""

from __future__ import annotations

import pytest

from tasks.plan import Action, Held
from tasks.problems import Code, Problem
from tasks.report import GLYPHS, glyph, lines, summary
from tests.planmaking import change, plan

ADD, UPDATE, DELETE, KEEP = Action.ADD, Action.UPDATE, Action.DELETE, Action.KEEP


@pytest.mark.parametrize(
    ("action", "held", "sign"),
    [
        (ADD, None, "+"),
        (UPDATE, None, "~"),
        (DELETE, None, "-"),
        (KEEP, Held.PROTECTED, "#"),
        (KEEP, Held.CONFLICT, "!"),
        (KEEP, Held.UNREAD, "!"),
        (KEEP, Held.INVALID, "!"),
        (KEEP, Held.MISSING, "!"),
    ],
)
def test_each_change_has_its_sign(action, held, sign) -> None:
    assert glyph(change(action, "x", held=held)) == sign
    assert sign in GLYPHS


def test_the_last_line_counts_what_would_be_done() -> None:
    changes = [change(ADD, f"a{at}") for at in range(3)]
    changes += [change(UPDATE, f"u{at}") for at in range(2)]
    changes += [change(DELETE, "d"), change(KEEP, "p", held=Held.PROTECTED)]
    expected = "Plan: 3 to add, 2 to change, 1 to delete, 1 protected."
    assert summary(plan(*changes)) == expected
    assert list(lines(plan(*changes)))[-1] == expected


def test_what_is_kept_for_other_reasons_is_counted_behind() -> None:
    kept = [change(KEEP, why, held=why) for why in (Held.CONFLICT, Held.UNREAD, Held.INVALID)]
    assert summary(plan(*kept)) == (
        "Plan: 0 to add, 0 to change, 0 to delete, 0 protected, 1 in conflict, 1 kept unread, "
        "1 invalid."
    )


def test_what_could_not_be_read_is_said_first_then_the_new_branch() -> None:
    shown = list(
        lines(
            plan(
                change(ADD, "x"),
                unread=("far FILE",),
                new_branch=True,
                base_commit="c" * 40,
                problems=(Problem(code=Code.UNREAD, where="far FILE", message="cut"),),
            )
        )
    )
    assert shown[0] == "! not read: far FILE; nothing is deleted"
    assert shown[1] == "+ branch main from cccccccccc"
    assert shown[2].startswith("+ team flow x")
    assert shown[3] == "! UNREAD far FILE: cut"


def test_a_line_says_why_how_much_and_what_it_risks() -> None:
    one = change(
        DELETE, "x", additions=0, deletions=7, moved_to="n/FLOW/y", detail="c0ffee", risks=("boo",)
    )
    (line, _) = lines(plan(one))
    assert line == ("- team flow x (never in source; +0 -7; c0ffee; moves to n/FLOW/y; boo)")


def test_nothing_shown_can_steer_a_terminal() -> None:
    evil = "x\x1b]0;t\x07\n\u202e"
    problem = Problem(code=Code.NO_ID, where=evil, message=evil)
    text = "\n".join(lines(plan(change(ADD, evil, risks=(evil,)), problems=(problem,))))
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert text.count("\n") == 2
