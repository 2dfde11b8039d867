"""How does a run end: what it says of the base, who follows it, and what of it was lost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tasks import finishing
from tasks.artifacts import Kind, Part
from tasks.errors import TenantSyncError
from tasks.look import How, Written
from tasks.outcome import State
from tasks.partplan import unread
from tasks.problems import Code, Problem, told
from tasks.requests import WhenMissing
from tasks.run import Run
from tasks.store.bases import Noted
from tasks.store.parts import PartState, WriteRow
from tasks.toolbox import Toolbox
from tasks.writes import plan_of, planned_of, results, store, target_of, write_row

#: Runs that follow each other because something was stale, at most.
FOLLOWERS = 3
#: States that say at which commit both sides were seen equal, as far as they are.
_SEEN_EQUAL = {State.APPLIED, State.PARTIAL, State.UNCHANGED}
#: Problems of a run that its plan and its write jobs do not know.
_KEPT = {Code.LATE_WRITE, Code.FAILED}


def end_of(tools: Toolbox, run: Run, written: Sequence[Written] | None = None) -> finishing.End:
    """The end of a run that has written, from its plan and the results of its write jobs."""
    done = results(tools, run) if written is None else written
    return finishing.end(plan_of(tools, run), done, cancelled=run.cancelled_by is not None)


def columns_of(tools: Toolbox, run: Run, end: finishing.End) -> Mapping[str, Any]:
    """What the record of a run says of its end."""
    kept = [one for one in tools.runs.get(run.id).problems if one.code in _KEPT]
    return {
        "counts": end.counts.to_dict(),
        "problems": [problem.to_dict() for problem in (*told(end.problems), *kept)],
        "commit_id": end.commit,
        "commit_url": end.commit_url,
    }


def all_problems(tools: Toolbox, run: Run) -> tuple[Problem, ...]:
    """Every problem of a run, where its record tells only the first ones of many."""
    if run.plan is None:
        return run.problems
    plan = plan_of(tools, run)
    done = results(tools, run)
    found = end_of(tools, run, done).problems if done else plan.problems
    return (*found, *plan.guards, *(one for one in run.problems if one.code in _KEPT))


def follow(tools: Toolbox, run: Run, end: finishing.End) -> Run | None:
    """An unreviewed run that left something stale asks its task again."""
    # A dry run that was taken up has written a plan that somebody had seen.
    reviewed = run.task.reviewed or run.task.dry_run or tools.runs.reviews(run.id)
    if reviewed or run.depth >= FOLLOWERS or end.state not in {State.PARTIAL, State.STALE}:
        return None
    follower, _ = tools.runs.ask(
        run.task, who=f"run {run.id}", message=f"{run.id}.follower", follows=run
    )
    return follower


def noted(tools: Toolbox, run: Run, state: State, commit_id: str | None) -> Noted:
    """What the end of a run in `state` says of the base: the parts that a run which may delete has
    settled, and the commit both sides are at; neither by a run that has read nothing."""
    if (run.facts.get("seen") or {}).get("unread"):
        return Noted(target=target_of(run))
    deletes = run.task.when_missing_in_source is WhenMissing.DELETE
    settles = deletes and state in {State.APPLIED, State.UNCHANGED}
    return Noted(
        target=target_of(run),
        settled=[row.part for row in tools.parts.of(run.id)] if settles else (),
        commit=commit_id if state in _SEEN_EQUAL else None,
    )


def commit_of(run: Run, state: State, end: finishing.End) -> str | None:
    """The commit at which both sides are after a run that has written, where it can say so."""
    return end.commit or (run.base_commit if state is State.APPLIED else None)


def let_go(tools: Toolbox, run: Run) -> None:
    """Drops what a run that is over has kept for itself."""
    if run.state is State.UNCHANGED:
        tools.parts.forget(run.id)  # a reconcile every few minutes would fill the table
    repo = tools.repository(run.task.repository)
    repo.release(run.id)
    # Other hosts have their part in a run, and one that was refused or cancelled never comes here.
    with suppress(TenantSyncError):  # another job may be dropping the same; the next one will
        for over in tools.runs.over(repo.pinned()):
            repo.release(over)


def lost(
    tools: Toolbox, run: Run, job: str, rest: Sequence[str], why: str, *, sent: bool = True
) -> str:
    """The error record of a job that failed for good: a part unread, or changes not landed.

    `sent`: it may have sent a write, so that the target tells what landed.
    """
    if job == "tenantsync.plan":
        part = Part(rest[0], Kind(rest[1]))
        result = tools.contents.put(unread(part, why).to_json().encode())
        tools.parts.planned(run.id, part, PartState.UNREAD, result)
        return "unread"
    row = write_row(tools, run, job, rest)
    if row is None or row.result is not None:
        return "done before"
    return _lost_write(tools, run, row, why, How.UNKNOWN if sent else How.FAILED)


def _lost_write(tools: Toolbox, run: Run, row: WriteRow, why: str, how: How = How.UNKNOWN) -> str:
    planned = planned_of(tools, row)
    ended = tuple(one.model_copy(update={"how": how, "message": why}) for one in planned)
    return store(tools, run, row, Written(ended=ended))


def fail(tools: Toolbox, run_id: str, epoch: int, why: str) -> Run | None:
    """Ends a run that cannot go on. None when there is nothing to end.

    Where its writers were published, one of them may have written, so the target has to be read
    before the run says what landed: it is UNKNOWN until then.
    """
    run = tools.runs.get(run_id)
    if run.epoch != epoch or run.state.at_rest or run.state is State.UNKNOWN:
        return None
    problem = Problem(code=Code.FAILED, where=f"run {run.id}", message=why)
    if run.state is not State.WRITING or not run.facts.get("published"):
        if run.cancelled_by is not None:
            return tools.runs.move(run, State.CANCELLED)  # as a person wanted it
        problems = [one.to_dict() for one in (*run.problems, problem)]
        return tools.runs.move(run, State.FAILED, problems=problems)
    tools.runs.add_problem(run.id, problem)
    tools.known.take_all(target_of(run), run.id)
    for row in tools.parts.writes(run.id):
        if row.result is None:
            _lost_write(tools, run, row, why)
    end = end_of(tools, run)
    said = noted(tools, run, end.state, commit_of(run, end.state, end))
    return tools.runs.move(run, end.state, noted=said, **columns_of(tools, run, end))
