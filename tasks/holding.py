"""What must not be written any more, though the plan says so?

Where names lead elsewhere by now, what is protected by now, and the deletion of a move whose other
half did not land.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.errors import Refused
from tasks.kestra.side import Server
from tasks.look import Ended, How, Written
from tasks.plan import Action, Change
from tasks.problems import Code, Problem
from tasks.protection import is_protected
from tasks.run import Run
from tasks.toolbox import Toolbox
from tasks.writes import results, target_of


def elsewhere(tools: Toolbox, run: Run, server: Server) -> Problem | None:
    """The problem of names that no longer mean what the plan was made for."""
    target, repo = target_of(run), tools.repository(run.task.repository)
    tenant = tools.kestra(run.task.kestra).connection.tenant
    if (server.uuid, tenant, repo.remote) == (target.server, target.tenant, target.remote):
        return None
    message = (
        f"the plan is for tenant {target.tenant} of server {target.server} and {target.remote}; "
        f"the configuration now leads to tenant {tenant} of server {server.uuid} and "
        f"{repo.remote}; make a new plan"
    )
    return Problem(code=Code.REFUSED, where=f"run {run.id}", message=message, fatal=True)


def check_place(tools: Toolbox, run: Run) -> None:
    """Before a job writes, however long it was parked: the names still mean the plan's sides."""
    wrong = elsewhere(tools, run, tools.kestra(run.task.kestra).identity(prove=False))
    if wrong is not None:
        raise Refused(wrong.message)


def protected_now(run: Run, changes: Sequence[Change]) -> dict[Change, str]:
    """Deletions in namespaces that are protected by now, whatever was so at the plan."""
    protected = run.facts.get("protected", [])
    return {
        change: f"held back: {change.namespace} is protected now"
        for change in changes
        if change.action is Action.DELETE and is_protected(change.namespace, protected)
    }


def held_deletions(tools: Toolbox, run: Run, changes: Sequence[Change]) -> Mapping[Change, str]:
    """Deletions that must not be sent: of a move whose other half did not land, or all of them
    when something is stale and `onStale` is FAIL."""
    done = [ended for result in results(tools, run) for ended in result.ended]
    if run.task.on_stale == "FAIL" and any(one.how is How.STALE for one in done):
        return dict.fromkeys(changes, "held back: the run has stale changes (onStale: FAIL)")
    landed = {str(one.change.key) for one in done if one.how is How.LANDED}
    return protected_now(run, changes) | {
        change: f"held back: {change.moved_to}, to which it moves, did not land"
        for change in changes
        if change.moved_to is not None and change.moved_to not in landed
    }


def with_held(written: Written, held: Mapping[Change, str]) -> Written:
    """What a job wrote, and beside it the changes that were held back and why."""
    kept = tuple(Ended(change=one, how=How.HELD, message=why) for one, why in held.items())
    return written.model_copy(update={"ended": (*written.ended, *kept)})
