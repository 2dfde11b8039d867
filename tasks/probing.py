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
from tasks.problems import Code, Problem
from tasks.repo.side import RepoSide
from tasks.requests import Task, TenantSync
from tasks.run import Run
from tasks.store.known import Known, KnownSides
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

    def is_worth(self, reading: float) -> bool:
        """Whether the probes spare time to a tenant that takes `reading` seconds to read."""
        return self.seconds <= max(FAST, WORTH * reading)

    def to_facts(self) -> dict[str, object]:
        """What the record of the run keeps of it."""
        return {
            "fingerprint": self.fingerprint.to_dict(),
            "tree": self.tree,
            "readAt": self.read_at.isoformat(),
        }


def last_known(tools: Toolbox, run: Run) -> Known | None:
    """Takes what was last found equal out of the records, before anything else of a run that may
    write: only one that finds both sides equal puts it back. None where everything has to be read.

    A person who asks is told what is so now, and a sync of one namespace reads little anyway.
    """
    kestra, repo, task = (
        tools.kestra(run.task.kestra),
        tools.repository(run.task.repository),
        run.task,
    )
    uuid = tools.bases.server(kestra.connection.url)
    if uuid is None or task.dry_run:
        return None
    known = tools.known.take(target_of(task, uuid, kestra, repo))
    if known is None or not isinstance(task, TenantSync):
        return None
    if any(asker.is_person for asker in tools.runs.askers(run.id)):
        return None
    same = (known.kinds, known.named) == (frozenset(task.kinds), frozenset(task.namespaces))
    return known if same else None


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
    known: Known | None,
) -> Seen | None:
    """What the probes say beside what was last found equal; None where there are no probes."""
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


def remember(
    store: KnownSides, run: Run, parts: Sequence[PartPlan], problems: Sequence[Problem]
) -> None:
    """Notes what a run has found equal, for the next one; not where it has something to tell, which
    the next one has to tell as well."""
    seen = run.facts.get("seen")
    if any(problem.code is not Code.NOT_READ for problem in problems):
        return
    if seen is None or run.target is None or not isinstance(run.task, TenantSync):
        return
    counts = tuple((part.namespace, part.kind, part.source_count) for part in parts)
    store.put(
        Known(
            target=run.target,
            kinds=frozenset(run.task.kinds),
            named=frozenset(run.task.namespaces),
            fingerprint=seen["fingerprint"],
            tree=seen["tree"],
            read_at=datetime.fromisoformat(seen["readAt"]),
            parts=counts,
        )
    )
