"""One plan of all parts."""

from __future__ import annotations

from tasks.artifacts import Kind
from tasks.gathering import assemble
from tasks.plan import Action, Held
from tasks.problems import Code, Problem
from tasks.requests import Side
from tests.planmaking import TARGET, change, part, sync


def _plan(task, *parts, new_branch=False, problems=()):
    return assemble(
        task, "run-1", TARGET, parts, base_commit="c" * 40, new_branch=new_branch, problems=problems
    )


def test_a_move_over_two_parts_is_paired_and_the_changes_are_sorted_by_key() -> None:
    gone = change(Action.DELETE, "old", namespace="a", body="b")
    new = change(Action.ADD, "new", namespace="b", body="b")
    plan = _plan(
        sync(),
        part("b", changes=(new,), source_count=1),
        part("a", changes=(gone,), source_count=1, target_count=2),
    )
    assert [one.key for one in plan.changes] == [gone.key, new.key]
    assert plan.changes[0].moved_to == "b/FLOW/new"
    assert plan.guards == ()


def test_an_unread_part_is_in_the_first_problem_and_a_move_then_only_creates() -> None:
    gone = change(Action.DELETE, "old", body="b")
    new = change(Action.ADD, "new", namespace="b", body="b")
    plan = _plan(sync(), part(changes=(gone, new)), part("far", Kind.FILE, unread="cut off"))
    assert plan.unread == ("far FILE",)
    assert plan.problems[0].code is Code.UNREAD
    by_name = {one.name: one for one in plan.changes}
    assert (by_name["old"].action, by_name["old"].held) == (Action.KEEP, Held.UNREAD)
    assert by_name["new"].action is Action.ADD
    assert plan.guards == ()


def test_problems_of_the_run_and_of_all_parts_are_in_the_plan() -> None:
    own = Problem(code=Code.UNSUPPORTED, where="dashboards", message="not offered")
    theirs = [Problem(code=Code.NO_ID, where=place, message="no id") for place in "ab"]
    parts = [part(place, problems=(one,)) for place, one in zip("ab", theirs, strict=True)]
    assert _plan(sync(), *parts, problems=[own]).problems == (own, *theirs)


def test_deletions_kept_by_protection_are_named_and_trip_no_guard() -> None:
    kept = [change(Action.KEEP, f"k{at}", held=Held.PROTECTED) for at in range(30)]
    plan = _plan(sync(), part(changes=tuple(kept), source_count=1, target_count=30))
    assert [(one.code, one.fatal) for one in plan.problems] == [(Code.PROTECTED, False)]
    assert plan.guards == ()


def test_a_branch_is_created_only_for_changes_that_git_takes() -> None:
    there = change(Action.ADD, "x", target=Side.GIT)
    task = sync(Side.KESTRA)
    assert _plan(task, part(changes=(there,), source_count=1), new_branch=True).new_branch
    assert not _plan(task, part(source_count=1), new_branch=True).new_branch
    assert not _plan(task, part(changes=(there,), source_count=1)).new_branch
    kestra = change(Action.ADD, "x")
    assert not _plan(sync(), part(changes=(kestra,), source_count=1), new_branch=True).new_branch


def test_two_artifacts_for_one_path_refuse_the_run_and_twins_are_a_warning() -> None:
    one = change(Action.ADD, "a", target=Side.GIT, path="team/flows/a.yaml")
    two = change(Action.ADD, "b", target=Side.GIT, path="team/flows/a.yaml")
    plan = _plan(sync(Side.KESTRA), part(changes=(one, two), source_count=2))
    assert [(each.code, each.fatal) for each in plan.problems] == [(Code.NAME_CLASH, True)]
    twin = two.model_copy(update={"path": "team/flows/A.yaml"})
    plan = _plan(sync(Side.KESTRA), part(changes=(one, twin), source_count=2))
    assert [(each.code, each.fatal) for each in plan.problems] == [(Code.NAME_CLASH, False)]
