"""What landed of a run whose writes were never answered? Decided when the target can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tasks.artifacts import Part, Snapshot
from tasks.committing import found_commit
from tasks.ending import columns_of, commit_of, end_of, let_go, noted
from tasks.finishing import End
from tasks.look import Ended, How, Written
from tasks.outcome import State
from tasks.overtaking import with_overtaken
from tasks.plan import Change
from tasks.run import Run
from tasks.sides import kestra_now
from tasks.store.bases import scope
from tasks.store.parts import WritePhase
from tasks.toolbox import Toolbox
from tasks.writes import result_of, settle_result, target_of

#: States in which an UNKNOWN run may end; anything else that it finds is FAILED.
_ENDS = {State.APPLIED, State.PARTIAL, State.STALE}


def settle_unknown(tools: Toolbox, run: Run) -> Run | None:
    """The end of an UNKNOWN run. Raises what keeps its target from being read; None when somebody
    else settled it."""
    rows = [row for row in tools.parts.writes(run.id) if row.result is not None]
    told = [result_of(tools, row) for row in rows]
    # Settled without a lane: what another run notes meanwhile is newer than what is read here.
    read_at = _read_at(tools, run, told)
    settled = [_settled(tools, run, result) for result in told]
    end = end_of(tools, run, settled)
    for row, result in zip(rows, settled, strict=True):
        settle_result(tools, row, result)  # names what is kept, before the run says that it is
    state = _state(end)
    said = noted(tools, run, state, commit_of(run, state, end))
    fresh = [now for before, now in zip(told, settled, strict=True) if _unknown(before)]
    moved = tools.runs.move(
        run,
        state,
        noted=replace(said, landed=_landed(fresh), read_at=read_at),
        **columns_of(tools, run, end),
    )
    if moved is not None:
        let_go(tools, moved)
    return moved


def _state(end: End) -> State:
    if end.state in _ENDS:
        return end.state
    return State.PARTIAL if end.counts.landed else State.FAILED


def _unknown(result: Written) -> list[Change]:
    return [one.change for one in result.ended if one.how is How.UNKNOWN]


def _read_at(tools: Toolbox, run: Run, told: Sequence[Written]) -> dict[Part, int]:
    """The versions of the base rows of what is about to be read."""
    pair = scope(target_of(run))
    parts = {change.part for result in told if _unknown(result) for change in _changes(result)}
    return {part: tools.bases.part(pair, part).version for part in parts}


def _changes(result: Written) -> list[Change]:
    return [one.change for one in result.ended]


def _settled(tools: Toolbox, run: Run, result: Written) -> Written:
    unknown = _unknown(result)
    if not unknown:
        return result
    if tools.parts.write(run.id, "", WritePhase.COMMIT) and unknown[0].target == "GIT":
        return _in_git(tools, run, result)
    kestra = tools.kestra(run.task.kestra)
    views = kestra_now(kestra, {change.part for change in unknown})
    now = {part: view.snapshot for part, view in views.items()}
    ended = [_in_kestra(one, now) for one in result.ended]
    known, problems = with_overtaken(ended, kestra, tools.contents)
    return result.model_copy(update={"ended": known, "problems": (*result.problems, *problems)})


def _in_git(tools: Toolbox, run: Run, result: Written) -> Written:
    """The run's own commit is in the branch or it is not."""
    repo = tools.repository(run.task.repository)
    changes = _changes(result)
    found = None
    if repo.tip(run.task.branch).oid is not None:
        tip = repo.fetch(run.id, run.task.branch)
        found = found_commit(run, repo, tip, changes, tools.contents)
    if found is not None:
        return found
    ended = tuple(
        one.model_copy(update={"how": How.FAILED}) if one.how is How.UNKNOWN else one
        for one in result.ended
    )
    return result.model_copy(update={"ended": ended, "commit": None, "commit_url": None})


def _in_kestra(one: Ended, now: Mapping[Part, Snapshot]) -> Ended:
    if one.how is not How.UNKNOWN:
        return one
    landed = _holds(one.change, now[one.change.part])
    return one.model_copy(update={"how": How.LANDED if landed else How.FAILED})


def _holds(change: Change, snapshot: Snapshot) -> bool:
    entry = snapshot.entries.get(change.name)
    return (entry.digest if entry else None) == change.after


def _landed(settled: Iterable[Written]) -> dict[Part, dict[str, str | None]]:
    landed: dict[Part, dict[str, str | None]] = {}
    for result in settled:
        for change in result.landed:
            landed.setdefault(change.part, {})[change.name] = change.after
    return landed
