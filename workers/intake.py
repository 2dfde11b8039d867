"""The public jobs: what other services send to, by name, with one JSON object."""

from __future__ import annotations

from typing import Any

from tasks.errors import TaskError
from tasks.jobs import job
from workers.base import Job
from workers.janitor import Janitor
from workers.producer import MODELS, Producer, parse


@job("tenantsync.tenant_sync", answers=False)
def tenant_sync(self: Job, task: dict[str, Any]) -> str:
    """Asks for a TenantSync; the outcome is stored under this message's id at first rest."""
    return _ask(self, "tenant_sync", task)


@job("tenantsync.namespace_sync", answers=False)
def namespace_sync(self: Job, task: dict[str, Any]) -> str:
    """Asks for a NamespaceSync; the outcome is stored under this message's id at first rest."""
    return _ask(self, "namespace_sync", task)


@job("tenantsync.cancel")
def cancel(self: Job, what: dict[str, Any]) -> str:
    """Ends a run: `{"runId": ...}`, or withdraws one asking: `{"runId": ..., "message": ...}`."""
    unknown = sorted(set(what) - {"runId", "message"})
    if unknown or not isinstance(what.get("runId"), str):
        raise TaskError('cancel: give {"runId": "..."}, and "message" to withdraw one asking')
    run = self.tools.runs.get(what["runId"])
    who = f"message {self.request.id}"
    return Producer(self.runtime).cancel(run, who=who, message=what.get("message")).state


@job("tenantsync.janitor")
def janitor(self: Job) -> str:
    """One round of the janitor; see `workers.janitor`."""
    return Janitor(self.runtime).round()


def _ask(self: Job, name: str, value: dict[str, Any]) -> str:
    """What the message has become; its answer is the outcome, when the run comes to rest."""
    task = parse(name, _whole(self, name, value))
    by = task.triggered_by
    who = f"execution {by.execution_id}" if by else f"message {self.request.id}"
    run = Producer(self.runtime).ask(task, who=who, message=self.request.id)
    return f"run {run.id}"


def _whole(self: Job, name: str, value: dict[str, Any]) -> dict[str, Any]:
    """The task with all its fields: with `plan` those left out are those of the planned run."""
    if not isinstance(value, dict) or not isinstance(value.get("plan"), str):
        return value
    task = self.tools.runs.get(value["plan"]).task
    if not isinstance(task, MODELS[name]):
        raise TaskError(f"plan {value['plan']}: it is the plan of a {task.type}; ask with that job")
    return {**task.to_dict(), "dryRun": False, "triggeredBy": None, **value}
