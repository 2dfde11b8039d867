"""One asking of a task: the run as its row stands, its phases, and what it tells."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from tasks.outcome import Counts, Outcome, State
from tasks.plan import Target
from tasks.problems import Problem
from tasks.record import Record
from tasks.requests import NamespaceSync, TenantSync


class Phase(StrEnum):
    """What a run is at; each phase is claimed once per epoch."""

    SPLIT = "SPLIT"
    GATHER = "GATHER"
    #: The plan is decided and its writers are published.
    WRITE = "WRITE"
    #: The commit of a run with both directions is in; the writers of Kestra are published.
    UPSERT = "UPSERT"
    #: All upserts are in; the deletions are published.
    DELETE = "DELETE"
    FINISH = "FINISH"


#: The phases that come before each one; a claim from any other phase does nothing.
BEFORE: dict[Phase, tuple[Phase | None, ...]] = {
    Phase.SPLIT: (None,),
    Phase.GATHER: (Phase.SPLIT,),
    Phase.WRITE: (None, Phase.SPLIT, Phase.GATHER),
    Phase.UPSERT: (Phase.WRITE,),
    Phase.DELETE: (Phase.WRITE, Phase.UPSERT),
    Phase.FINISH: (Phase.WRITE, Phase.UPSERT, Phase.DELETE),
}


#: The states in which each phase is claimed.
CLAIMED_IN: dict[Phase, tuple[State, ...]] = {
    Phase.SPLIT: (State.QUEUED, State.PLANNING),
    Phase.GATHER: (State.PLANNING,),
    Phase.WRITE: (State.WRITING,),
    Phase.UPSERT: (State.WRITING,),
    Phase.DELETE: (State.WRITING,),
    Phase.FINISH: (State.WRITING,),
}


class Run(Record):
    """One asking of a task, as its row stands now."""

    seq: int
    id: str
    task: TenantSync | NamespaceSync
    equality: str
    sync: str
    state: State
    epoch: int
    phase: Phase | None
    #: The id of the message whose job claimed the phase.
    claimant: str | None
    revived: int
    cancelled_by: str | None
    asked_at: datetime
    started_at: datetime | None
    planned_at: datetime | None
    ended_at: datetime | None
    moved_at: datetime
    target: Target | None
    base_commit: str | None
    new_branch: bool
    #: What the survey found and later steps need: protected namespaces, counts of artifacts.
    facts: dict[str, Any]
    plan_digest: str | None
    plan: str | None
    patch: str | None
    ion: str | None
    deletions: int | None
    counts: Counts | None
    problems: tuple[Problem, ...]
    commit_id: str | None
    commit_url: str | None
    follows: str | None
    followed_by: str | None
    depth: int


class Asker(Record):
    """Somebody who asked for a run, and the id of the message that did."""

    message: str
    run: str
    who: str
    triggered_by: dict[str, Any] | None
    asked_at: datetime
    withdrawn: bool

    @property
    def is_person(self) -> bool:
        """Whether it is somebody, and no message, schedule, execution or earlier run."""
        return not self.who.startswith(("message ", "schedule ", "execution ", "run "))


class Review(Record):
    """Who decided what on which plan digest."""

    run: str
    plan_digest: str
    decision: str
    person: str
    reason: str | None
    at: datetime


def outcome(run: Run) -> Outcome:
    """What the run tells whoever asked."""
    return Outcome(
        run_id=run.id,
        state=run.state,
        followed_by=run.followed_by,
        counts=run.counts or Counts(),
        diff=f"tenantsync:runs/{run.id}/diff.ion" if run.ion else None,
        plan_digest=run.plan_digest,
        commit_id=run.commit_id,
        commit_url=run.commit_url,
        problems=run.problems,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )
