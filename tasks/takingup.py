"""A dry run is taken up: its plan is written after all, or waits for a person first."""

from __future__ import annotations

from tasks.deciding import next_after_plan
from tasks.outcome import State
from tasks.partplan import PartPlan
from tasks.run import Run
from tasks.store.bases import scope
from tasks.survey import PartSurvey
from tasks.toolbox import Toolbox
from tasks.writes import plan_of, target_of


def take_up(tools: Toolbox, run: Run, who: str) -> Run | None:
    """PLANNED → WAITING or WRITING; None when somebody else moved the run first.

    Where a run of the same sync waits with this very plan, this one ends SUPERSEDED by it and its
    askers join it: the run that they have to ask about now is given back.
    """
    moved = tools.runs.move(run, next_after_plan(run, plan_of(tools, run)), details={"by": who})
    if moved is None or moved.state is not State.WAITING:
        return moved
    waiting = tools.runs.waiting_plans(moved)
    twin = next((one for one in waiting if one.plan_digest == moved.plan_digest), None)
    if twin is None or not tools.runs.supersede(moved, twin):
        return moved
    tools.runs.join(moved, twin)
    return tools.runs.get(twin.id)


def replaced_by(tools: Toolbox, run: Run) -> tuple[Run, ...]:
    """Ends the other runs of the same sync that wait: somebody has chosen this plan since."""
    waiting = tools.runs.waiting_plans(run)
    return tuple(tools.runs.get(one.id) for one in waiting if tools.runs.supersede(one, run))


def note_seen(tools: Toolbox, run: Run) -> None:
    """What a dry run saw equal becomes the base, now that its plan is written; where another run
    has noted something since, that stays."""
    for row in tools.parts.of(run.id):
        if row.survey is None or row.result is None:
            continue
        read = PartSurvey.model_validate_json(tools.contents.get(row.survey))
        plan = PartPlan.model_validate_json(tools.contents.get(row.result))
        if plan.unread is None:
            tools.bases.seen_equal(
                scope(target_of(run)), row.part, read.base, plan.equal, plan.differing
            )
