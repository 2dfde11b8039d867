"""The diff file that Kestra reads."""

from __future__ import annotations

import pytest
from amazon.ion import simpleion

from tasks.artifacts import Kind
from tasks.ion import diff_ion
from tasks.plan import Action, Cause, Held
from tasks.requests import Side
from tests.planmaking import change


def _rows(*changes) -> list[dict]:
    text = diff_ion(changes)
    rows = [simpleion.loads(line, single_value=True) for line in text.splitlines()]
    return [{str(key): value for key, value in row.items()} for row in rows]


def test_one_struct_a_line_with_the_fields_of_the_contract() -> None:
    one = change(
        Action.UPDATE, "x", additions=4, deletions=1, cause=Cause.DRIFT, risks=("a", 'b"\n')
    )
    (row,) = _rows(one)
    assert row == {
        "file": "team/flows/x.yaml",
        "key": "x",
        "kind": "FLOW",
        "namespace": "team",
        "action": "UPDATED_KES",
        "additions": "+3",
        "deletions": "-0",
        "changes": "1",
        "cause": "DRIFT",
        "risks": ["a", 'b"\n'],
    }
    assert diff_ion([one]).startswith(b'{file:"team/flows/x.yaml",key:"x",')


def test_several_rows_are_lines_and_no_list() -> None:
    text = diff_ion([change(Action.ADD, name) for name in "abc"])
    assert text.count(b"\n") == 3
    assert len(simpleion.loads(text.decode(), single_value=False)) == 3
    assert not text.startswith(b"[")
    assert diff_ion([]) == b""


@pytest.mark.parametrize(
    ("action", "side", "said"),
    [
        (Action.ADD, Side.GIT, "ADDED"),
        (Action.ADD, Side.KESTRA, "ADDED"),
        (Action.UPDATE, Side.GIT, "UPDATED_GIT"),
        (Action.UPDATE, Side.KESTRA, "UPDATED_KES"),
        (Action.DELETE, Side.GIT, "DELETED_GIT"),
        (Action.DELETE, Side.KESTRA, "DELETED_KES"),
    ],
)
def test_the_action_says_which_side_is_written(action, side, said) -> None:
    assert _rows(change(action, "x", target=side))[0]["action"] == said


@pytest.mark.parametrize(
    ("added", "deleted", "expected"),
    [
        (15, 0, ("+15", "-0", "0")),
        (0, 7, ("+0", "-7", "0")),
        (1, 1, ("+0", "-0", "1")),
        (None, None, ("+0", "-0", "0")),
    ],
)
def test_counts_are_strings_as_the_plugin_writes_them(added, deleted, expected) -> None:
    (row,) = _rows(change(Action.UPDATE, "x", additions=added, deletions=deleted))
    assert (row["additions"], row["deletions"], row["changes"]) == expected


def test_what_is_kept_is_left_out() -> None:
    assert diff_ion([change(Action.KEEP, "x", held=Held.PROTECTED)]) == b""


def test_names_in_any_script_come_back_as_they_were() -> None:
    path = 'team/files/übersicht/日本 🚢 "\\.txt'
    (row,) = _rows(change(Action.ADD, "n", kind=Kind.FILE, path=path))
    assert row["file"] == path


def test_nothing_in_it_steers_a_terminal_and_everything_is_read_back() -> None:
    name = "a\x1b[2J\x7f\x9b31m\u202e\u200b\u2028\x85\r\b\0\U000e0001 é"
    text = diff_ion([change(Action.ADD, name)]).decode()
    assert all(one.isprintable() for one in text.rstrip("\n")) and "é" in text
    assert _rows(change(Action.ADD, name))[0]["key"] == name
