"""Why does a run stand where it stands? Its lanes, messages and workers, or what ended it."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.artifacts import Part
from tasks.outcome import State
from tasks.run import Run
from tasks.store.parts import PartState
from tasks.toolbox import Toolbox
from workers.circuits import Answers
from workers.cli.desk import Desk
from workers.cli.progress import blocker, lane_words
from workers.cli.show import approval, plan_of
from workers.cli.words import ago, local, span

#: Lanes and parts that are named one by one.
_NAMED = 12
#: Seconds to wait for the answers of the workers.
_ANSWERS = 1.5


def at_rest(tools: Toolbox, run: Run) -> Iterator[str]:
    """Why a run that has come to rest, or is UNKNOWN, is in its state."""
    yield f"run {run.id} is {run.state} since {local(run.moved_at)}."
    if run.state is State.WAITING:
        yield from _waiting(tools, run)
    if run.state is State.UNKNOWN:
        yield "What it wrote could not be read back; workers try every few seconds, if any run."
    if run.cancelled_by:
        yield f"{run.cancelled_by} cancelled it."
    for review in tools.runs.reviews(run.id):
        reason = f": {review.reason}" if review.reason else ""
        yield f"{review.person} {review.decision} it on {local(review.at)}{reason}"
    if run.followed_by:
        yield f"Run {run.followed_by} goes on in its place: tenantsync runs show {run.followed_by}"
    if run.state is not State.WAITING:
        for problem in run.problems:
            yield f"  {problem.code} {problem.where}: {problem.message}"


def _waiting(tools: Toolbox, run: Run) -> Iterator[str]:
    plan = plan_of(tools, run)
    if plan is None:
        return
    if run.task.reviewed:
        yield "The sync asks for a review of every plan."
    for guard in plan.guards:
        yield f"  {guard.code} {guard.where}: {guard.message}"
    yield f"It goes on with: {approval(run, plan)}"


def in_motion(desk: Desk, run: Run) -> Iterator[str]:
    """What a run waits for that is queued, being planned or being written."""
    yield f"run {run.id} is {run.state}; it last went forward {ago(run.moved_at)}."
    if run.cancelled_by:
        yield f"{run.cancelled_by} cancelled it: it ends before its next write."
    if run.state is State.QUEUED:
        yield from _queued(desk, run)
    elif run.state is State.PLANNING:
        yield from _planning(desk, run)
    else:
        yield from _lanes(desk, run)
    standing = desk.runtime.standing(run)
    if standing.answers is not Answers.CLOSED:
        yield f"{standing}"
    yield from _messages(desk, run)
    yield _workers(desk)


def _queued(desk: Desk, run: Run) -> Iterator[str]:
    twin = desk.tools.runs.busy_twin(run)
    if twin is not None:
        yield f"It waits for run {twin.id} ({twin.state}), which does the same."
    for lane in desk.runtime.lanes.lanes_of(run.id):
        yield f"Its place in {lane_words(lane)} is kept."


def _planning(desk: Desk, run: Run) -> Iterator[str]:
    done, total = desk.tools.parts.progress(run.id)
    if not total:
        yield "Both sides are being read in bulk."
        return
    yield f"{done} of {total} parts are compared."
    rows = desk.tools.parts.of(run.id)
    yield from _some([_part(row.part) for row in rows if row.state is PartState.SURVEYED])


def _part(part: Part) -> str:
    return f"{part.namespace}: its {part.kind.lower()}s are still to be compared"


def _lanes(desk: Desk, run: Run) -> Iterator[str]:
    rows = desk.tools.parts.writes(run.id)
    yield f"{sum(row.result is not None for row in rows)} of {len(rows)} writers are done."
    yield from _some([_lane(desk, run, lane) for lane in desk.runtime.lanes.lanes_of(run.id)])


def _lane(desk: Desk, run: Run, lane: str) -> str:
    line = desk.runtime.lanes.line(lane)
    runs = [place.run for place in line]
    other, own = blocker(line, run.id), [place for place in line if place.run == run.id]
    words = lane_words(lane)
    if other is None:
        holds = own[0].held_for if own else None
        return f"{words}: " + ("it is next" if holds is None else f"held for {span(holds)}")
    holders = [place for place in line if place.run == other and place.held_for is not None]
    since = f", which has held it for {span(holders[0].held_for or 0)}" if holders else ""
    place = f"number {runs.index(run.id) + 1} of {len(runs)}" if run.id in runs else "parked"
    return f"{words}: {place}, behind run {other}{since} (tenantsync runs why {other})"


def _some(lines: list[str]) -> Iterator[str]:
    yield from (f"  {one}" for one in lines[:_NAMED])
    if len(lines) > _NAMED:
        yield f"  … and {len(lines) - _NAMED} more"


def _messages(desk: Desk, run: Run) -> Iterator[str]:
    """The jobs of the run that Redis knows; none means that the janitor publishes them anew."""
    known = desk.runtime.inflight.known(run.id)
    if known:
        youngest = span(min(known.values()))
        yield f"{len(known)} of its jobs are in flight, the last sign of life {youngest} ago."
    elif run.state is not State.QUEUED or desk.tools.runs.busy_twin(run) is None:
        yield "Redis knows none of its jobs; workers publish them again within a minute."


def _workers(desk: Desk) -> str:
    answers = desk.runtime.app.control.ping(timeout=_ANSWERS) or []
    names = sorted(name for answer in answers for name in answer)
    if names:
        return f"{len(names)} workers answer: {', '.join(names[:_NAMED])}"
    if desk.embedded:
        return "No worker answers: `tenantsync up`, or any command that waits, brings one."
    return "No worker answers: start one with `tenantsync worker`."
