"""The Celery jobs of a run: each calls one step and publishes what comes next.

The base class of the app (`workers.base`) turns the message (run id, epoch, ...) into a claimed
run before a body starts, takes the lanes of jobs that write, and answers those who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from celery import shared_task, signature
from celery.canvas import Signature

from tasks import ending, steps, writes
from tasks.artifacts import Kind, Part
from tasks.guard import Guard
from tasks.points import reach
from tasks.run import Phase, Run
from tasks.store.parts import WritePhase
from tasks.toolbox import Toolbox

QUEUE = "tenantsync"

#: Jobs that claim a phase of their run; at most one of an epoch does.
PHASES: dict[str, Phase] = {
    "tenantsync.split": Phase.SPLIT,
    "tenantsync.gather": Phase.GATHER,
    "tenantsync.begin": Phase.WRITE,
    "tenantsync.upserts": Phase.UPSERT,
    "tenantsync.deletions": Phase.DELETE,
    "tenantsync.finish": Phase.FINISH,
}
#: Jobs that write: they need the head and the leases of their lanes.
LANED = frozenset({"tenantsync.commit", "tenantsync.write"})
#: Jobs of one part, which stand beside each other.
PARTED = frozenset({"tenantsync.plan"})


#: Jobs that ask Kestra something.
ASKING = frozenset({"tenantsync.split", "tenantsync.begin", *LANED, *PARTED})


class Job(Protocol):
    """What the base class gives to the body of a job."""

    @property
    def tools(self) -> Toolbox: ...

    def publish(
        self, run: Run, jobs: Sequence[Signature[Any]], body: Signature[Any] | None
    ) -> None:
        """Publishes one job, or a chord of several with its body, and notes them as in flight."""

    def line_up(self, run: Run, lanes: Sequence[str]) -> None:
        """Takes the run's place in these lanes, in one atomic step."""

    def rest(self, run: Run) -> None:
        """Leaves all lanes, answers everybody who asked and starts the equal run that waits."""

    def answer(self, run: Run) -> None:
        """Answers everybody who asked for a run that is at rest; the end of another answers."""


def job(name: str, *, answers: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Registers a job under its explicit name; its body gets the job itself first.

    With `answers` false what the body returns is not stored under the id of the message, only what
    it raises. A job of one part stores nothing there: its result is a row of the records, and a run
    has thousands of them. Events tell Flower of all jobs alike.
    """
    parted = name in PARTED
    return shared_task(
        bind=True,
        name=name,
        ignore_result=parted or not answers,
        store_errors_even_if_ignored=not parted,
        track_started=not parted,
    )


def message(name: str, run: Run, *args: str) -> Signature[Any]:
    """The message of one job, with an id and arguments that a person can read in Flower."""
    job_id = ".".join((run.id, str(run.epoch), name.removeprefix("tenantsync."), *args))
    return signature(
        name,
        args=(run.id, run.epoch, *args),
        immutable=True,
        options={
            "task_id": job_id,
            "queue": QUEUE,
            "argsrepr": readable(run.id, *args),
            "kwargsrepr": "",
            "headers": {"run": run.id},
        },
    )


def readable(run_id: str, *args: str) -> str:
    """The arguments of a job as a person reads them, without the epoch."""
    return " ".join(("run", run_id, *args))


def body(name: str, run: Run) -> Signature[Any]:
    """The message of a chord's body; when a job of its header dies for good, the run ends."""
    return message(name, run).on_error(message("tenantsync.broken", run))


@job("tenantsync.split")
def split(self: Job, run: Run) -> str:
    """QUEUED → PLANNING: surveys both sides and publishes one job per part that may differ."""
    surveyed = steps.split(self.tools, run)
    if surveyed.ended is not None:
        if surveyed.ended.state.at_rest:
            self.rest(surveyed.ended)
        return surveyed.ended.state
    reach("survey.recorded", run=run.id)
    own = writes.lane_key(self.tools, run)
    if own is not None:
        self.line_up(run, [own])
    header = [message("tenantsync.plan", run, part.namespace, part.kind) for part in surveyed.parts]
    self.publish(run, header, body("tenantsync.gather", run))
    reach("split.published", run=run.id)
    return f"{len(header)} parts"


@job("tenantsync.plan")
def plan(self: Job, run: Run, namespace: str, kind: str) -> str:
    """Compares both sides of one part and stores what would be done about it."""
    return steps.plan_part(self.tools, run, Part(namespace, Kind(kind)))


@job("tenantsync.gather")
def gather(self: Job, run: Run) -> str:
    """One plan of all parts; decides whether the run ends, waits or writes."""
    decided = steps.gather(self.tools, run)
    reach("decided", run=run.id)
    for ended in decided.superseded:
        self.rest(ended)
    if decided.twin is not None:
        self.answer(decided.twin)
    if decided.run.state.at_rest:
        self.rest(decided.run)
    else:
        self.publish(decided.run, [message("tenantsync.begin", decided.run)], None)
    return decided.run.state


@job("tenantsync.begin")
def begin(self: Job, run: Run) -> str:
    """Enters all lanes of the plan at once and publishes its first writers."""
    run = steps.begin(self.tools, run)
    if run.state.at_rest:
        self.rest(run)
        return run.state
    self.line_up(run, writes.lanes(self.tools, run))
    reach("lined-up", run=run.id)
    if writes.open_writes(self.tools, run, WritePhase.COMMIT):
        self.publish(run, [message("tenantsync.commit", run)], None)
        published = "commit"
    else:
        published = _upserts(self, run)
    reach("write.published", run=run.id)
    return published


@job("tenantsync.commit")
def commit(self: Job, run: Run, guard: Guard) -> str:
    """One commit of all changes whose target is Git, pushed once, inside all its lanes."""
    return steps.commit(self.tools, run, guard)


@job("tenantsync.upserts")
def upserts(self: Job, run: Run) -> str:
    """After the commit of a run with both directions: the writers of Kestra."""
    return _upserts(self, run)


@job("tenantsync.write")
def write(self: Job, run: Run, namespace: str, phase: str, guard: Guard) -> str:
    """Writes one namespace of Kestra inside its lane."""
    return steps.write(self.tools, run, namespace, WritePhase(phase), guard)


@job("tenantsync.deletions")
def deletions(self: Job, run: Run) -> str:
    """When all adds and updates are in: the deletions."""
    return _deletions(self, run)


@job("tenantsync.finish")
def finish(self: Job, run: Run) -> str:
    """The outcome, the base and the follower of a run that has written."""
    ended = steps.finish(self.tools, run)
    reach("finished", run=run.id)
    self.rest(ended)  # which starts the follower as well
    return ended.state


@job("tenantsync.broken")
def broken(self: Job, run_id: str, epoch: int) -> str:
    """A job of a chord died for good: the run ends, and says what landed."""
    ended = ending.fail(self.tools, run_id, epoch, "a job of this run died; see the worker's log")
    if ended is not None:
        self.rest(ended)
    return "ended" if ended is not None else "nothing to do"


def _upserts(self: Job, run: Run) -> str:
    jobs = _writers(self, run, WritePhase.UPSERT)
    if not jobs:
        return _deletions(self, run)
    deletes = writes.open_writes(self.tools, run, WritePhase.DELETE)
    after = "tenantsync.deletions" if deletes else "tenantsync.finish"
    self.publish(run, jobs, body(after, run))
    return f"{len(jobs)} namespaces"


def _deletions(self: Job, run: Run) -> str:
    jobs = _writers(self, run, WritePhase.DELETE)
    if jobs:
        self.publish(run, jobs, body("tenantsync.finish", run))
        return f"{len(jobs)} namespaces"
    self.publish(run, [message("tenantsync.finish", run)], None)
    return "finish"


def _writers(self: Job, run: Run, phase: WritePhase) -> list[Signature[Any]]:
    namespaces = writes.open_writes(self.tools, run, phase)
    return [message("tenantsync.write", run, namespace, phase) for namespace in namespaces]
