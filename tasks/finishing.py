"""How did a run end? The state, the counts and the problems of what its write jobs say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.look import Ended, How, OvertakenText, Written
from tasks.outcome import Counts, State
from tasks.plan import Action, Held, Plan
from tasks.problems import Code, Problem

_CODES = {
    How.STALE: Code.STALE,
    How.FAILED: Code.NOT_KEPT,
    How.HELD: Code.HELD,
    How.UNKNOWN: Code.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of a run that has written."""

    state: State
    counts: Counts
    problems: tuple[Problem, ...]
    commit: str | None
    commit_url: str | None


def plan_counts(plan: Plan) -> Counts:
    """What a plan would do, before anything is written."""
    actions = Counter(change.action for change in plan.changes)
    held = Counter(change.held for change in plan.changes)
    return Counts(
        add=actions[Action.ADD],
        update=actions[Action.UPDATE],
        delete=actions[Action.DELETE],
        protected=held[Held.PROTECTED],
        conflict=held[Held.CONFLICT],
    )


def end(plan: Plan, results: Sequence[Written], *, cancelled: bool) -> End:
    """The end of a run from its plan and the results of all its write jobs."""
    ended = [one for result in results for one in result.ended]
    hows = Counter(one.how for one in ended)
    refused = any(problem.code is Code.REFUSED for r in results for problem in r.problems)
    commits = [result for result in results if result.commit is not None]
    return End(
        state=_state(plan, hows, refused=refused, cancelled=cancelled),
        counts=plan_counts(plan).model_copy(
            update={"landed": hows[How.LANDED], "stale": hows[How.STALE]}
        ),
        problems=(*plan.problems, *_problems(ended), *(p for r in results for p in r.problems)),
        commit=commits[0].commit if commits else None,
        commit_url=commits[0].commit_url if commits else None,
    )


def _state(plan: Plan, hows: Counter[How], *, refused: bool, cancelled: bool) -> State:
    missing = len(plan.writes) - hows[How.LANDED]
    if hows[How.UNKNOWN]:
        return State.UNKNOWN
    if cancelled and missing:
        return State.CANCELLED
    if not missing:
        return State.PARTIAL if plan.unread else State.APPLIED
    if hows[How.LANDED]:
        return State.PARTIAL
    if refused:
        return State.REFUSED
    only_stale = hows[How.STALE] + hows[How.HELD] == missing
    return State.STALE if only_stale and hows[How.STALE] else State.FAILED


def _problems(ended: Sequence[Ended]) -> list[Problem]:
    missing = [
        Problem(code=_CODES[one.how], where=str(one.change.key), message=one.message or one.how)
        for one in ended
        if one.how is not How.LANDED
    ]
    return [*_overtaken(ended), *missing]


def _overtaken(ended: Sequence[Ended]) -> list[Problem]:
    return [
        Problem(code=Code.OVERTAKEN, where=str(one.change.key), message=_told(one, text))
        for one in ended
        for text in one.overtaken
    ]


def _told(one: Ended, text: OvertakenText) -> str:
    what = "deleted" if one.change.action is Action.DELETE else "overwritten"
    when = f" of {text.updated}" if text.updated else ""
    said = (
        f"another writer saved revision {text.revision}{when} between our look and our write, and "
        f"it was {what} unseen"
    )
    if text.kept_content is None:
        return f"{said}. Its text is lost: the server does not give that revision any more"
    return f"{said}. Its text is kept: `tenantsync runs diff --overtaken` of this run shows it"
