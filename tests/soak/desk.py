"""How people ask, decide and cancel in a soak, and what became of what they asked."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

import redis
from sqlalchemy import select

from tasks.errors import Refused, TenantSyncError, Unreachable
from tasks.outcome import State
from tasks.plan import Plan
from tasks.run import Run
from tasks.store.database import askers
from tests.soak.actions import Ask, Cancel, Decide, TakeUp
from tests.soak.groups import Groups

#: Seconds without a sign of a message after which its sender repeats it.
REPEAT = 30.0
OPEN = [state for state in State if not state.final]
#: What a command prints when the run has moved since a person looked, or a rule says no.
SAID_NO = ("error:", "there is nothing to", "decided first", "has just moved")


class Desk:
    """Everything that a person does with runs; asks go by messages, as from another service."""

    def __init__(self, groups: Groups) -> None:
        from celery import Celery

        from tests.soak.groups import QUEUES
        from workers.app import app
        from workers.producer import Producer
        from workers.runtime import runtime
        from workers.settings import load

        self._groups = groups
        self._queue = QUEUES[0]
        url = groups.redis_url
        self._celery = Celery("asker", broker=url, backend=url, set_as_current=False)
        self._runtime = runtime(load(), app)
        self._producer = Producer(self._runtime)
        #: Messages that asked and whose run is not known to be at rest: job, task, when sent.
        self.unanswered: dict[str, tuple[str, dict[str, Any], float]] = {}
        self.asked = self.repeated = 0
        self.said: Counter[str] = Counter()

    def close(self) -> None:
        self._runtime.close()
        self._celery.close()

    # -- asking ---------------------------------------------------------------------------------

    def ask(self, ask: Ask) -> str:
        """Sends the messages of an ask."""
        messages = [self._send(ask.job, ask.task) for _ in range(ask.copies)]
        return " ".join(messages)

    def _send(self, job: str, task: dict[str, Any]) -> str:
        message = str(uuid4())
        self._send_as(message, job, task)
        self.asked += 1
        return message

    def _send_as(self, message: str, job: str, task: dict[str, Any]) -> None:
        name, queue = f"tenantsync.{job}", self._queue
        self._again(lambda: self._celery.send_task(name, [task], queue=queue, task_id=message))
        self.unanswered[message] = (job, task, time.monotonic())

    def _repeat(self, message: str) -> None:
        """Sends a message again of which nothing was seen for long, under its own id: Celery takes
        messages from Redis first and notes them after that, so that one is lost where its worker
        dies or its connection is cut in between. It never asks twice."""
        job, task, sent = self.unanswered[message]
        if time.monotonic() - sent > REPEAT:
            self.repeated += 1
            self._send_as(message, job, task)

    def _again(self, do: Any) -> Any:
        # The connections of this process are cut by the faults as well.
        for _ in range(5):
            try:
                return do()
            except (redis.RedisError, OSError, Unreachable):
                continue
        return do()

    def take_up(self, take_up: TakeUp) -> str:
        """Asks for a dry run to be written."""
        run = _pick(self.open([State.PLANNED]), take_up.pick)
        if run is None:
            return "nothing is planned"
        job = "namespace_sync" if run.task.type == "namespaceSync" else "tenant_sync"
        message = self._send(job, {"plan": run.id})
        return f"{run.id} by {message}"

    def runs_of(self, messages: Iterable[str]) -> dict[str, str]:
        """Message → the run that it asked for, of those that are recorded."""
        query = select(askers.c.message, askers.c.run).where(askers.c.message.in_(list(messages)))
        with self._groups.records._database.read() as db:
            return {row.message: row.run for row in db.execute(query)}

    def is_refused(self, message: str) -> bool:
        """Whether an ask was refused before it became a run."""
        stored = self._groups.redis.get(f"celery-task-meta-{message}")
        return stored is not None and json.loads(stored)["status"] == "FAILURE"

    def moving(self) -> int:
        """How many asks have no answer yet; those that have one are forgotten."""
        runs = self.runs_of(self.unanswered)
        for message in list(self.unanswered):
            if message in runs and self._groups.records.get(runs[message]).state.at_rest:
                del self.unanswered[message]
        self.recorded()
        return len(self.unanswered)

    def recorded(self) -> bool:
        """Whether each ask is a run or was refused, so that Redis may forget its message."""
        missing = set(self.unanswered) - set(self.runs_of(self.unanswered))
        for message in list(missing):
            if self.is_refused(message):
                del self.unanswered[message]
                missing.remove(message)
            else:
                self._repeat(message)
        return not missing

    # -- deciding -------------------------------------------------------------------------------

    def open(self, states: Sequence[State]) -> list[Run]:
        """The runs in these states, oldest first."""
        return sorted(self._groups.records.newest(200, states), key=lambda run: run.seq)

    def decide(self, decide: Decide) -> str:
        """Approves or rejects one of the plans that wait."""
        run = _pick(self.open([State.WAITING, State.PLANNED]), decide.pick)
        if run is None:
            return "nothing waits"
        verb = "approve" if decide.approve else "reject"
        if decide.by_command:
            return f"{verb} {run.id}: {self._by_command(run, verb)}"
        self.said[f"{verb} of a run {run.state}"] += 1
        said = self._said(lambda: self.approve(run) if decide.approve else self._reject(run))
        return f"{verb} {run.id}: {said}"

    def approve(self, run: Run) -> Run:
        """Approves the plan of a run with the figure that it names."""
        deletions = self._plan(run).deletions
        return self._producer.approve(
            run, str(run.plan_digest), person="pat", deletions=deletions, reason=None
        )

    def _reject(self, run: Run) -> Run:
        return self._producer.reject(run, person="pat", reason="not today")

    def _plan(self, run: Run) -> Plan:
        return Plan.model_validate_json(self._runtime.tools.contents.get(run.plan or ""))

    def _by_command(self, run: Run, verb: str) -> str:
        deletions = ("--deletions", str(self._plan(run).deletions))
        more = ("--digest", str(run.plan_digest), *deletions, "--no-wait")
        done = self._groups.run(verb, run.id, *(more if verb == "approve" else ()))
        said = (done.stdout + done.stderr).strip()
        if done.returncode != 0:
            assert any(text in said for text in SAID_NO), said
            self.said["no"] += 1
        return said.splitlines()[-1] if said else ""

    def cancel(self, cancel: Cancel) -> str:
        """Cancels one of the runs that are not over, in the wanted state if there is one."""
        found = self.open(OPEN)
        wanted = [run for run in found if run.state == cancel.state] or found
        run = _pick(wanted, cancel.pick)
        if run is None:
            return "nothing to cancel"
        parked = self._again(lambda: bool(self._runtime.lanes.parked_of(run.id)))
        self.said[f"cancel of a run {'PARKED' if parked else run.state}"] += 1
        said = self._said(lambda: self._producer.cancel(run, who="pat"))
        return f"{run.id} {run.state}: {said}"

    def end(self, run: Run) -> None:
        """Cancels a run that waits, so that the soak can come to its end."""
        self._said(lambda: self._producer.cancel(run, who="pat"))

    def _said(self, do: Any) -> str:
        try:
            return str(self._again(do).state)
        except Refused as error:  # it has moved since, or a rule says no
            self.said["no"] += 1
            return error.message
        except (TenantSyncError, redis.RedisError) as error:
            self.said["away"] += 1
            return f"{type(error).__name__}: {error}"


def _pick(runs: Sequence[Run], pick: float) -> Run | None:
    return runs[int(pick * len(runs))] if runs else None
