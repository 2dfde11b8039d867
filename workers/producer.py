"""How a run is asked for, decided on and ended by people and other services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from tasks.commitmessage import check_message
from tasks.errors import Refused, TaskError, Unreachable
from tasks.names import advice, printable
from tasks.outcome import State
from tasks.plan import Plan
from tasks.points import reach
from tasks.requests import NamespaceSync, Task, TenantSync
from tasks.run import Run
from tasks.takingup import replaced_by, take_up
from tasks.writes import lane_key
from workers.runtime import Runtime

#: The models of the public jobs, by the last part of their name.
MODELS: Mapping[str, type[TenantSync] | type[NamespaceSync]] = {
    "tenant_sync": TenantSync,
    "namespace_sync": NamespaceSync,
}


def parse(name: str, value: object) -> Task:
    """The task of a JSON object. Raises TaskError that names every wrong field, and the nearest
    known name of an unknown one; values are never repeated, they might be secrets."""
    model = MODELS[name]
    try:
        return model.model_validate(value)
    except ValidationError as error:
        known = [field.alias or key for key, field in model.model_fields.items()]
        lines = [_line(one, known) for one in error.errors(include_url=False, include_input=False)]
        raise TaskError(f"{name}: " + "; ".join(lines)) from None


def _line(error: Mapping[str, Any], known: list[str]) -> str:
    place = ".".join(printable(str(part)) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: no such field; {advice(str(error['loc'][-1]), known)}"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"


class Producer:
    """Asks, approves, rejects and cancels; every way in (CLI, messages, schedules) goes here."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._tools = runtime.tools

    def ask(self, task: Task, *, who: str, message: str | None = None) -> Run:
        """Writes a run or joins one, takes its place in its own lane, and publishes it.

        A task whose connections are not in the configuration is refused before anything is
        written. A repeated message id returns the same run.
        """
        resolved = self._tools.config.resolve_task(task)
        if resolved.commit_message is not None:
            check_message(resolved.commit_message)
        run, new = self._tools.runs.ask(resolved, who=who, message=message or str(uuid4()))
        reach("asked", run=run.id)
        if resolved.plan is not None:
            return self._go_on(run, who)
        if new:
            self._line_up(run)
            self._runtime.start(run)
        else:
            self._runtime.answer(run)
        return run

    def _line_up(self, run: Run) -> None:
        """A NamespaceSync stands in its lane from the moment it is asked."""
        if not isinstance(run.task, NamespaceSync):
            return
        key = lane_key(self._tools, run)
        if key is not None:
            self._runtime.lanes.enter(run.id, run.seq, [key])

    def _go_on(self, run: Run, who: str) -> Run:
        """A task with `plan: R`: the planned run goes on as after its gathering."""
        if run.state is not State.PLANNED:
            self._runtime.answer(run)
            return run
        moved = take_up(self._tools, run, who)
        if moved is None:
            return self._tools.runs.get(run.id)
        reach("taken-up", run=run.id)
        if moved.id == run.id:
            self._replace_waiting(moved)
            self._runtime.resume(moved)
        self._runtime.answer(moved)
        return moved

    def _replace_waiting(self, run: Run) -> None:
        for ended in replaced_by(self._tools, run):
            self._runtime.rest(ended)

    def approve(
        self, run: Run, digest: str, *, person: str, deletions: int | None, reason: str | None
    ) -> Run:
        """Writes exactly this plan. Raises Refused where run, digest, figure or person do not fit.

        A plan with deletions that a guard stopped is approved by repeating their number.
        """
        if run.state not in {State.WAITING, State.PLANNED}:
            raise Refused(f"run {run.id} is {run.state}: there is nothing to approve")
        if digest != run.plan_digest:
            raise Refused(
                f"run {run.id}: its plan is {(run.plan_digest or '')[:12]}, not {digest[:12]}; "
                "look at the plan again and approve what you see"
            )
        self._may_approve(run, person)
        plan = Plan.model_validate_json(self._tools.contents.get(run.plan or ""))
        wrong = deletions is not None and deletions != plan.deletions
        if wrong or (plan.guards and deletions is None):
            raise Refused(
                f"run {run.id}: this plan deletes {plan.deletions}: "
                f"approve it with --deletions {plan.deletions}"
            )
        moved = self._tools.runs.decide(
            run, State.WRITING, "approved", person=person, reason=reason
        )
        if moved is None:
            raise Refused(f"run {run.id}: somebody else decided first")
        reach("approved", run=run.id)
        self._replace_waiting(moved)
        self._runtime.resume(moved)
        return moved

    def _may_approve(self, run: Run, person: str) -> None:
        rule = run.task.review
        if isinstance(rule, str):
            return
        if rule.by and person not in rule.by:
            raise Refused(f"run {run.id}: {person} may not approve it; {', '.join(rule.by)} may")
        if rule.not_asker and person in {one.who for one in self._tools.runs.askers(run.id)}:
            raise Refused(f"run {run.id}: {person} asked for it; somebody else must approve it")

    def reject(self, run: Run, *, person: str, reason: str | None) -> Run:
        """Ends a run that waits; nothing is written."""
        if run.state not in {State.WAITING, State.PLANNED}:
            raise Refused(f"run {run.id} is {run.state}: there is nothing to reject")
        moved = self._tools.runs.decide(
            run, State.REJECTED, "rejected", person=person, reason=reason
        )
        if moved is None:
            raise Refused(f"run {run.id}: somebody else decided first")
        self._runtime.rest(moved)
        return moved

    def cancel(self, run: Run, *, who: str, message: str | None = None) -> Run:
        """Ends a run: at once where nothing is being written, else before its next write.

        While it is QUEUED and others still ask for it, only the canceller's asking is withdrawn.
        """
        if run.state.final:
            raise Refused(f"run {run.id} is {run.state} already")
        if run.state is State.UNKNOWN:
            raise Refused(f"run {run.id} is UNKNOWN: all was sent, what landed is yet to be read")
        noted = self._tools.runs.cancel(run, who, message)
        if noted is None:
            raise Unreachable(f"run {run.id} has just moved; cancel it again")
        if noted.cancelled_by is None:
            return noted
        if noted.state is not State.WRITING:
            ended = self._tools.runs.move(noted, State.CANCELLED, details={"by": who})
            if ended is not None:
                self._runtime.rest(ended)
                return ended
        self._runtime.wake_all(self._runtime.lanes.parked_of(run.id))
        return self._tools.runs.get(run.id)
