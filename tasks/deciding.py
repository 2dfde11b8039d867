"""What does the plan of a run lead to: its end, a person, or writing?"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.artifacts import GLOBAL, Kind, Part
from tasks.gathering import assemble
from tasks.outcome import State
from tasks.partplan import PartPlan, unchanged, unread
from tasks.plan import Plan
from tasks.run import Run
from tasks.store.parts import PartRow, PartState
from tasks.toolbox import Toolbox
from tasks.writes import target_of

#: States of a newer run that leave an older plan of the same sync waiting.
_LEAVE_WAITING = {
    State.PLANNED,
    State.PARTIAL,
    State.REFUSED,
    State.CANCELLED,
    State.FAILED,
}


def next_after_plan(run: Run, plan: Plan) -> State:
    """What a plan that has changes leads to once it is to be written: a person, or writing."""
    return State.WAITING if run.task.reviewed or plan.guards else State.WRITING


def next_state(run: Run, plan: Plan) -> State:
    """What a plan leads to: the end of the run, a person, or writing."""
    if any(problem.fatal for problem in plan.problems):
        return State.REFUSED
    if not plan.writes:
        return State.PARTIAL if plan.unread else State.UNCHANGED
    if run.task.dry_run:
        return State.PLANNED
    return next_after_plan(run, plan)


def part_plans(tools: Toolbox, run: Run) -> list[PartPlan]:
    """What the jobs of all parts stored, and what the survey proved."""
    counts = {Part(n, Kind(k)): count for n, k, count in run.facts.get("equal", [])}
    parts = [_part_plan(tools, row, counts.get(row.part, 0)) for row in tools.parts.of(run.id)]
    if nameless := run.facts.get("nameless"):
        # What such a text is called is unknown, so nothing that seems to be missing is.
        why = f"{nameless} texts of Kestra tell no id; mend them, nothing is deleted until then"
        parts.append(unread(Part(GLOBAL, Kind.FLOW), why))
    return parts


def assemble_plan(run: Run, parts: Sequence[PartPlan]) -> Plan:
    """The plan of all parts."""
    return assemble(
        run.task,
        run.id,
        target_of(run),
        parts,
        base_commit=run.base_commit,
        new_branch=run.new_branch,
        problems=run.problems,
    )


def _part_plan(tools: Toolbox, row: PartRow, equal: int) -> PartPlan:
    if row.state is PartState.EQUAL:
        return unchanged(row.part, equal)
    if row.result is None:
        return unread(row.part, "its job did not end")
    return PartPlan.model_validate_json(tools.contents.get(row.result))


def waiting_twin(tools: Toolbox, run: Run, plan: Plan, digest: str) -> Run | None:
    """The run of the same sync that waits for a person with this very plan."""
    if next_state(run, plan) is not State.WAITING:
        return None
    waiting = tools.runs.waiting_plans(run)
    return next((other for other in waiting if other.plan_digest == digest), None)


def supersede_older(tools: Toolbox, run: Run) -> tuple[Run, ...]:
    """Ends the waiting runs of the same sync that this newer plan replaces."""
    if run.state in _LEAVE_WAITING or run.task.dry_run:
        return ()
    old = [other for other in tools.runs.waiting_plans(run) if other.seq < run.seq]
    return tuple(tools.runs.get(other.id) for other in old if tools.runs.supersede(other, run))
