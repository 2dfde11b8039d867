"""`tenantsync approve` and `reject`: a person decides on a plan that they have seen."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tasks.access import Role
from tasks.errors import Refused, UserError
from tasks.outcome import State
from workers.cli.console import on_terminal, say
from workers.cli.options import ExitCodeOption, RunArgument, TimeoutOption, WaitOption, Wish
from workers.cli.output import Output, OutputOption

ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Why; kept in the records for the audit.")
]


def approve(
    run: RunArgument,
    digest: Annotated[
        str | None,
        typer.Option("--digest", help="The plan that is approved: 12 digits of it at least."),
    ] = None,
    deletions: Annotated[
        int | None,
        typer.Option("--deletions", min=0, help="How many deletions the plan has, if guarded."),
    ] = None,
    reason: ReasonOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = None,
    exit_code: ExitCodeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Approve a plan, which is then written. Without --digest you see it first and are asked."""
    from workers.cli.attend import attend
    from workers.cli.desk import opened, records

    with records(Role.APPROVE) as tools:
        found = tools.runs.find(run)
        _check_open(found, "approve")
        whole = _whole(found, digest) if digest else found.plan_digest
        if digest is None:
            deletions = _asked(tools, found, deletions)
    from workers.producer import Producer

    wish = Wish(wait=wait, timeout=timeout, exit_code=exit_code, output=output)
    with opened(Role.APPROVE, worker=wait) as desk:
        approved = Producer(desk.runtime).approve(
            desk.tools.runs.get(found.id),
            str(whole),
            person=desk.actor.name,
            deletions=deletions,
            reason=reason,
        )
        attend(desk, approved, wish)


def reject(
    run: RunArgument, reason: ReasonOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Reject a plan: the run ends and nothing is written."""
    from tasks.run import outcome
    from workers.cli.desk import opened, records
    from workers.cli.output import write
    from workers.producer import Producer

    with records(Role.APPROVE) as tools:
        found = tools.runs.find(run)
        _check_open(found, "reject")
    with opened(Role.APPROVE, worker=False) as desk:
        ended = Producer(desk.runtime).reject(
            desk.tools.runs.get(found.id), person=desk.actor.name, reason=reason
        )
    if output is Output.TABLE:
        say(f"run {ended.id} is rejected; nothing was written")
    else:
        write(outcome(ended).to_dict(), output)


def _check_open(run: Any, verb: str) -> None:
    """Raises Refused before anything is started for a run that nobody can decide on."""
    if run.state not in {State.WAITING, State.PLANNED}:
        raise Refused(f"run {run.id} is {run.state}: there is nothing to {verb}")


def _whole(run: Any, digest: str) -> str:
    """The digest of the run's plan where it begins so, else the given one (which will not fit)."""
    whole = str(run.plan_digest or "")
    return whole if len(digest) >= 12 and whole.startswith(digest.lower()) else digest


def _asked(tools: Any, run: Any, deletions: int | None) -> int | None:
    """Shows the plan and has a person agree on it; gives the number of deletions they repeated.

    Raises UserError where nobody can be asked, Abort when they say no.
    """
    from workers.cli.show import approval, plan_of, show_plan

    plan = plan_of(tools, run)
    if plan is None:
        raise UserError(f"run {run.id} has no plan")
    show_plan(tools, run, plan)
    if not on_terminal():
        raise UserError(
            "approve what you have seen by its digest, since nobody can be asked here:\n"
            f"  {approval(run, plan)}"
        )
    if plan.guards and deletions is None:
        deletions = typer.prompt(
            "How many artifacts does this plan delete? Repeat the figure", type=int, err=True
        )
    if plan.guards and deletions != plan.deletions:
        raise Refused(f"this plan deletes {plan.deletions}, not {deletions}: look at it again")
    typer.confirm("Write exactly this plan?", abort=True, err=True)
    return deletions
