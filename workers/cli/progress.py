"""How far is a run? Follows it until it comes to rest, and shows each step of its way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tasks.outcome import State
from tasks.run import Run
from workers.cli.console import err, say, text

if TYPE_CHECKING:
    from workers.cli.desk import Desk
    from workers.lanes import Place
    from workers.runtime import Runtime

#: Seconds between two looks at the records, and between two looks at all lanes of a run.
LOOK, LOOK_AT_LANES = 0.2, 2.0
#: Seconds that a run may be UNKNOWN before whoever waits is told so; workers try to settle it.
UNSETTLED = 60.0
#: Seconds after which a run that nobody takes is remarked on.
_LONG = 10.0


class TimedOut(Exception):
    """The run did not come to rest in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a run stands: words that change with its state, and words that count."""

    state: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.detail}" if self.detail else self.state


class Shown(Protocol):
    """Shows where a run stands."""

    def __call__(self, standing: Standing) -> None: ...


def follow(desk: Desk, run: Run, timeout: float | None) -> Run:
    """The run once it is at rest, or UNKNOWN for a minute.

    Raises TimedOut after `timeout` seconds, Unreachable when the worker of this command ended.
    """
    watch = _Watch(desk.runtime)
    limit = None if timeout is None else time.monotonic() + timeout
    with _shown(run.id) as show:
        while not watch.ended(run):
            if limit is not None and time.monotonic() > limit:
                raise TimedOut
            show(watch.standing(run))
            desk.expect_worker()
            time.sleep(LOOK)
            run = desk.tools.runs.get(run.id)
    return run


def blocker(line: list[Place], run_id: str) -> str | None:
    """The run that another one waits for in a lane: the holder of its lease, else the first."""
    holders = [place.run for place in line if place.holder is not None]
    ahead = [*holders, *(place.run for place in line[:1])]
    return ahead[0] if ahead and ahead[0] != run_id else None


def lane_words(lane: str) -> str:
    """A lane in words: its namespace, or its branch and remote."""
    remote, is_branch, branch = lane.rpartition("#")
    return f"branch {branch} of {remote}" if is_branch else f"namespace {lane.rsplit('/', 1)[-1]}"


class _Watch:
    """Looks at one run again and again; at its lanes less often, since they may be many."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._started = time.monotonic()
        self._unknown_since: float | None = None
        self._looked = 0.0
        self._behind = ""

    def ended(self, run: Run) -> bool:
        if run.state is not State.UNKNOWN:
            self._unknown_since = None
            return run.state.at_rest
        self._unknown_since = self._unknown_since or time.monotonic()
        return time.monotonic() - self._unknown_since > UNSETTLED

    def standing(self, run: Run) -> Standing:
        match run.state:
            case State.QUEUED:
                return Standing(state=f"QUEUED{self._queued(run)}")
            case State.PLANNING:
                done, total = self._runtime.tools.parts.progress(run.id)
                detail = f"{done} of {total} parts compared" if total else "reading both sides"
                return Standing(state="PLANNING", detail=detail)
            case State.WRITING:
                rows = self._runtime.tools.parts.writes(run.id)
                done = sum(row.result is not None for row in rows)
                behind = self._behind_in_lane(run)
                return Standing(
                    state=f"WRITING{behind}", detail=f"{done} of {len(rows)} writers done"
                )
            case State.UNKNOWN:
                return Standing(state="UNKNOWN", detail="what landed cannot be read yet")
        return Standing(state=run.state)

    def _queued(self, run: Run) -> str:
        twin = self._runtime.tools.runs.busy_twin(run)
        if twin is not None:
            return f" behind run {twin.id}, which does the same"
        if time.monotonic() - self._started > _LONG:
            return f" (no worker has taken it; see `tenantsync runs why {run.id}`)"
        return ""

    def _behind_in_lane(self, run: Run) -> str:
        if time.monotonic() - self._looked > LOOK_AT_LANES:
            self._looked = time.monotonic()
            self._behind = _first_blocker(self._runtime, run.id)
        return self._behind


def _first_blocker(runtime: Runtime, run_id: str) -> str:
    for lane in runtime.lanes.lanes_of(run_id):
        other = blocker(runtime.lanes.line(lane), run_id)
        if other is not None:
            return f" behind run {other} in {lane_words(lane)}"
    return ""


@contextmanager
def _shown(run_id: str) -> Iterator[Shown]:
    """On a terminal one line that moves, else a line for each new state."""
    if err().is_terminal:
        with err().status(text(f"run {run_id}")) as status:

            def move(standing: Standing) -> None:
                status.update(text(f"run {run_id}  {standing}"))

            yield move
        return
    told: list[str] = []

    def add(standing: Standing) -> None:
        if told[-1:] != [standing.state]:
            told.append(standing.state)
            say(f"run {run_id}  {standing.state}")

    yield add
