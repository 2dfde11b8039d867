"""What an approval covers: everything that decides what is written, and nothing else."""

from __future__ import annotations

import pytest

from tasks.artifacts import Kind
from tasks.plan import Action, Cause, Held, Plan, plan_digest
from tasks.problems import Code, Problem
from tasks.requests import Side
from tests.planmaking import change, plan

ONE = change(Action.UPDATE, "x", before="1" * 40, after="2" * 40)
BASE = {"base_commit": "c" * 40, "commit_message": "m", "author": "a <a@b>"}


def _digest(*changes, **fields) -> str:
    return plan_digest(plan(*changes, **{**BASE, **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {"namespace": "other"},
        {"kind": Kind.FILE},
        {"name": "y"},
        {"target": Side.GIT},
        {"action": Action.DELETE},
        {"before": "3" * 40},
        {"before": None},
        {"after": "3" * 40},
    ],
)
def test_it_changes_with_the_key_target_action_and_digests_of_every_change(fields) -> None:
    assert _digest(ONE.model_copy(update=fields)) != _digest(ONE)


@pytest.mark.parametrize("field", ["server", "tenant", "remote", "branch", "git_directory"])
def test_it_changes_with_the_sides(field) -> None:
    one = plan(ONE, **BASE)
    other = one.model_copy(update={"target": one.target.model_copy(update={field: "other"})})
    assert plan_digest(other) != plan_digest(one)


@pytest.mark.parametrize(
    "fields",
    [
        {"commit_message": "n"},
        {"commit_message": None},
        {"author": None},
        {"new_branch": True},
        {"format": 2},
    ],
)
def test_it_changes_with_message_author_branch_and_format(fields) -> None:
    assert _digest(ONE, **fields) != _digest(ONE)


def test_it_changes_with_a_change_more_or_less() -> None:
    assert len({_digest(), _digest(ONE), _digest(ONE, change(Action.ADD, "y"))}) == 3


@pytest.mark.parametrize(
    "fields",
    [
        {"cause": Cause.DRIFT},
        {"risks": ("r",)},
        {"detail": "d"},
        {"additions": 9},
        {"body": "b"},
        {"after_content": "f" * 64},
        {"moved_to": "n/FLOW/y"},
    ],
)
def test_it_does_not_change_with_what_only_explains(fields) -> None:
    assert _digest(ONE.model_copy(update=fields)) == _digest(ONE)


def test_it_does_not_change_with_run_base_commit_problems_or_the_order_of_changes() -> None:
    two = change(Action.ADD, "y")
    problem = Problem(code=Code.NO_ID, where="w", message="m")
    assert _digest(two, ONE, base_commit="d" * 40, problems=(problem,)) == _digest(ONE, two)
    one = plan(ONE, **BASE)
    assert plan_digest(one.model_copy(update={"run": "run-2"})) == plan_digest(one)


def test_it_does_not_change_with_what_is_kept() -> None:
    kept = change(Action.KEEP, "k", held=Held.PROTECTED)
    assert _digest(ONE, kept) == _digest(ONE)


def test_it_survives_the_way_through_json() -> None:
    one = plan(ONE, change(Action.ADD, "y"), **BASE)
    assert plan_digest(Plan.model_validate_json(one.to_json())) == plan_digest(one)
