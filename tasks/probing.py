"""Has anything changed since both sides were last read and found equal? Asked of a few probes
before everything is read again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tasks.artifacts import Kind
from tasks.kestra.probe import Fingerprint
from tasks.kestra.side import KestraSide
from tasks.partplan import PartPlan
from tasks.pinning import Pinned, target_of
from tasks.plan import Plan
from tasks.problems import Code, Problem
from tasks.repo.side import RepoSide
from tasks.requests import Task, TenantSync
from tasks.run import Run
from tasks.store.known import Known, KnownSides, known_key
from tasks.toolbox import Toolbox

#: Seconds up to which probes are fast, and the share of the reading itself up to which they are
#: worth their time: with PostgreSQL they take 34 ms at 5,000 flows, with H2 seconds (measured).
FAST, WORTH = 2.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What the probes answered before anything was read, and how long they took in seconds."""

    fingerprint: Fingerprint | None
    seconds: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run that finds both sides equal leaves for the next one."""

    fingerprint: Fingerprint
    #: The tree of the directory of the sync; see `Known`.
    tree: str | None
    read_at: datetime
    seconds: float
    #: What was read before and is proven to be so still; None: everything is read.
    known: Known | None = None

    def to_facts(self) -> dict[str, object]:
        """What the record of the run keeps of it."""
        return {
            "fingerprint": self.fingerprint.to_dict(),
            "tree": self.tree,
            "readAt": self.read_at.isoformat(),
            "unread": self.known is not None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A run that asks the probes; `known` is what it may end with, None where it has to read
    everything and only leaves what it finds to the next one."""

    known: Known | None


def question(tools: Toolbox, run: Run) -> Question | None:
    """Takes what was last found equal out of the records, before anything is read. None for runs
    that ask no probes: those of one namespace, which read little, and dry runs, which show what is
    so now. A person who asks is told what is so now as well."""
    task, kestra = run.task, tools.kestra(run.task.kestra)
    if not kestra.connection.change_probes or not isinstance(task, TenantSync) or task.dry_run:
        return None
    uuid = tools.bases.server(kestra.connection.url)
    if uuid is None:
        return None
    target = target_of(task, uuid, kestra, tools.repository(task.repository))
    known = tools.known.take(target, known_key(target, task.kinds, task.namespaces), run.id)
    if time.monotonic() < kestra.slow_until:
        return None
    by_person = any(asker.is_person for asker in tools.runs.askers(run.id))
    return Question(known=None if by_person else known)


def probe(kestra: KestraSide) -> Probed:
    """Asks the probes."""
    at, start = datetime.now(UTC), time.monotonic()
    fingerprint = kestra.fingerprint()
    return Probed(fingerprint=fingerprint, seconds=time.monotonic() - start, at=at)


def look_at(
    probed: Probed,
    task: Task,
    pinned: Pinned,
    kestra: KestraSide,
    repo: RepoSide,
    question: Question,
) -> Seen | None:
    """What the probes say beside what was last found equal; None where there are no probes."""
    known = question.known
    if probed.fingerprint is None:
        return None
    tree = repo.tree_of(pinned.commit, task.git_directory) if pinned.commit else None
    fresh = Seen(
        fingerprint=probed.fingerprint, tree=tree, read_at=probed.at, seconds=probed.seconds
    )
    if known is None or known.target != pinned.target:
        return fresh
    age = probed.at - known.read_at
    young = timedelta(0) <= age < timedelta(seconds=kestra.connection.full_read_every)
    same = (known.tree, known.fingerprint) == (tree, probed.fingerprint.to_dict())
    return replace(fresh, read_at=known.read_at, known=known) if young and same else fresh


def is_worth(seen: Seen, kestra: KestraSide, reading: float) -> bool:
    """Whether the probes spare time to a tenant that takes `reading` seconds to read. Where they do
    not, this process does not ask them again before the next full read is due."""
    worth = seen.seconds <= max(FAST, WORTH * reading)
    if not worth:
        kestra.slow_until = time.monotonic() + kestra.connection.full_read_every
    return worth


def not_read(known: Known, every: float) -> tuple[Problem, ...]:
    """What a run that read nothing says of the files, which no probe sees."""
    namespaces = sum(kind is Kind.FILE for _, kind, _ in known.parts)
    if not namespaces:
        return ()
    read = known.read_at.astimezone(UTC)
    again = read + timedelta(seconds=every)
    message = (
        f"the files of {namespaces} namespaces were last read at {read:%H:%M:%S} UTC; nothing that "
        f"the probes see has changed since. They are read again from {again:%H:%M:%S} UTC on, or "
        "when a person asks"
    )
    return (Problem(code=Code.NOT_READ, where="files", message=message),)


def remember(store: KnownSides, run: Run, plan: Plan, parts: Sequence[PartPlan]) -> None:
    """Gives back what a run has found equal, for the next one.

    UNCHANGED alone is not enough: policy leaves alone what one side lacks, and what differs. A run
    that has something to tell gives nothing back either: the next one has to tell it too.
    """
    seen, task = run.facts.get("seen"), run.task
    if seen is None or run.target is None or not isinstance(task, TenantSync) or plan.changes:
        return
    told = any(problem.code is not Code.NOT_READ for problem in plan.problems)
    if told or any(part.source_count != part.target_count for part in parts):
        return
    known = Known(
        target=run.target,
        fingerprint=seen["fingerprint"],
        tree=seen["tree"],
        read_at=datetime.fromisoformat(seen["readAt"]),
        parts=tuple((part.namespace, part.kind, part.source_count) for part in parts),
    )
    store.give_back(known_key(run.target, task.kinds, task.namespaces), run.id, known)
