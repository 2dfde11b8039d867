"""How a run stands and how it ended: states, the moves between them, and the outcome."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tasks.problems import Problem
from tasks.record import Record


class State(StrEnum):
    """The states of a run."""

    #: Asked, not yet claimed.
    QUEUED = "QUEUED"
    #: Both sides are being read and compared.
    PLANNING = "PLANNING"
    #: Ended: nothing to write.
    UNCHANGED = "UNCHANGED"
    #: At rest: a dry run; its plan can be written later.
    PLANNED = "PLANNED"
    #: At rest: a person has to agree.
    WAITING = "WAITING"
    #: The plan is being written.
    WRITING = "WRITING"
    #: Ended: everything of the plan landed.
    APPLIED = "APPLIED"
    #: Ended: some of it landed, or a part could not be read.
    PARTIAL = "PARTIAL"
    #: Ended: both sides had moved, nothing landed.
    STALE = "STALE"
    #: Ended: a rule or the other side said no; nothing landed.
    REFUSED = "REFUSED"
    #: What landed cannot be read yet.
    UNKNOWN = "UNKNOWN"
    #: Ended: an error that is not the plan's.
    FAILED = "FAILED"
    #: Ended by a person.
    REJECTED = "REJECTED"
    #: Ended: a person said stop.
    CANCELLED = "CANCELLED"
    #: Ended: nobody decided in time.
    EXPIRED = "EXPIRED"
    #: Ended: a newer plan of the same sync took its place.
    SUPERSEDED = "SUPERSEDED"

    @property
    def final(self) -> bool:
        return not MOVES[self]

    @property
    def at_rest(self) -> bool:
        """Whether whoever asked gets an answer now."""
        return self.final or self in {State.PLANNED, State.WAITING}

    @property
    def in_motion(self) -> bool:
        """Whether jobs of this run should exist in Redis."""
        return self in {State.QUEUED, State.PLANNING, State.WRITING}


_S = State
#: The allowed moves; every transition in the records checks them.
MOVES: dict[State, frozenset[State]] = {
    _S.QUEUED: frozenset({_S.PLANNING, _S.WRITING, _S.CANCELLED, _S.FAILED}),
    _S.PLANNING: frozenset(
        {
            _S.UNCHANGED,
            _S.PLANNED,
            _S.WAITING,
            _S.WRITING,
            _S.REFUSED,
            _S.PARTIAL,
            _S.SUPERSEDED,
            _S.FAILED,
            _S.CANCELLED,
        }
    ),
    _S.PLANNED: frozenset({_S.WAITING, _S.WRITING, _S.REJECTED, _S.EXPIRED, _S.CANCELLED}),
    _S.WAITING: frozenset({_S.WRITING, _S.REJECTED, _S.EXPIRED, _S.SUPERSEDED, _S.CANCELLED}),
    _S.WRITING: frozenset(
        {
            _S.APPLIED,
            _S.PARTIAL,
            _S.STALE,
            _S.REFUSED,
            _S.UNKNOWN,
            _S.FAILED,
            _S.CANCELLED,
        }
    ),
    _S.UNKNOWN: frozenset({_S.APPLIED, _S.PARTIAL, _S.STALE, _S.FAILED}),
    **{
        state: frozenset()
        for state in (
            _S.UNCHANGED,
            _S.APPLIED,
            _S.PARTIAL,
            _S.STALE,
            _S.REFUSED,
            _S.FAILED,
            _S.REJECTED,
            _S.CANCELLED,
            _S.EXPIRED,
            _S.SUPERSEDED,
        )
    },
}


class Counts(Record):
    """How many changes of each action a plan has, and how many were held back or landed."""

    add: int = 0
    update: int = 0
    delete: int = 0
    protected: int = 0
    conflict: int = 0
    stale: int = 0
    landed: int = 0


class Outcome(Record):
    """What a run tells whoever asked."""

    run_id: str
    state: State
    followed_by: str | None = None
    counts: Counts = Counts()
    #: Where the diff file lies: a URL.
    diff: str | None = None
    plan_digest: str | None = None
    commit_id: str | None = None
    #: Only set after the remote's tip was seen to contain the commit.
    commit_url: str | None = None
    problems: tuple[Problem, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
