"""`tenantsync runs …`: which runs there are, how each stands, what it changed; wait for one or
end one."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tasks.access import Role
from tasks.outcome import State
from workers.cli.codes import CHANGES
from workers.cli.console import line, say, show, tell
from workers.cli.groups import Group
from workers.cli.options import ExitCodeOption, RunArgument, TimeoutOption, Wish
from workers.cli.output import Output, OutputOption, write

runs_app = typer.Typer(cls=Group, help="Runs: what was asked and how it stands.")


@runs_app.command("list")
def list_runs(
    state: Annotated[
        list[State] | None,
        typer.Option("--state", case_sensitive=False, help="Only runs of this state; repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many runs.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """The newest runs first."""
    from tasks.run import outcome
    from workers.cli.desk import records

    with records() as tools:
        runs = tools.runs.newest(limit, state or ())
        if output is not Output.TABLE:
            write([outcome(run).to_dict() for run in runs], output)
            return
        if not runs:
            tell("no runs" + (" of that state" if state else " yet: ask for one by `sync`"))
            return
        show(_table(tools, runs))


def _table(tools: Any, runs: list[Any]) -> Table:
    from workers.cli.show import style_of
    from workers.cli.words import ago, sync_name

    table = Table("run", "state", "sync", "changes", "asked", "by", box=None, pad_edge=False)
    for run in runs:
        counts = run.counts
        figures = f"+{counts.add} ~{counts.update} -{counts.delete}" if counts else ""
        askers = tools.runs.askers(run.id)
        who = askers[0].who if askers else ""
        more = f" and {len(askers) - 1} more" if len(askers) > 1 else ""
        dry = " (dry run)" if run.task.dry_run else ""
        table.add_row(
            run.id,
            Text(run.state, style=style_of(run.state)),
            line(sync_name(tools.config, run) + dry),
            figures,
            ago(run.asked_at),
            line(who + more),
        )
    return table


@runs_app.command("show")
def show_run(
    run: RunArgument,
    output: OutputOption = Output.TABLE,
    problems: Annotated[
        bool, typer.Option("--problems", help="Its problems alone, each of them.")
    ] = False,
) -> None:
    """One run: who asked, its plan, its problems, who decided, and how it ended."""
    from tasks.run import outcome
    from workers.cli.desk import records
    from workers.cli.show import particulars, show_all_problems, show_end

    with records() as tools:
        found = tools.runs.find(run)
        if problems:
            show_all_problems(tools, found, output)
            return
        if output is not Output.TABLE:
            write(outcome(found).to_dict(), output)
            return
        show(particulars(tools, found))
        show_end(tools, found)


@runs_app.command("diff")
def diff(
    run: RunArgument,
    exit_code: ExitCodeOption = False,
    output: Annotated[
        Output | None,
        typer.Option("--output", "-o", help="The changes as rows; else as a patch of the texts."),
    ] = None,
    overtaken: Annotated[
        bool,
        typer.Option(
            "--overtaken",
            help="What others saved and this run overwrote unseen, as a patch to what was written.",
        ),
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            help="With --overtaken: the newest of these texts of one key, byte for byte.",
        ),
    ] = None,
) -> None:
    """What a run changes, as a patch of the texts or as one row a change."""
    from workers.cli.desk import records
    from workers.cli.overtaken import show_overtaken
    from workers.cli.patches import show_patch, show_rows

    with records() as tools:
        found = tools.runs.find(run)
        if overtaken or key is not None:
            show_overtaken(tools, found, key)
            return
        if found.patch is None or found.ion is None:
            say(f"run {found.id} is {found.state} and has no plan")
            raise typer.Exit(1 if found.state is not State.UNCHANGED else 0)
        if output is None:
            show_patch(tools.contents.get(found.patch))
        else:
            show_rows(tools.contents.get(found.ion), output)
        counts = found.counts
        if exit_code and counts and (counts.add or counts.update or counts.delete):
            raise typer.Exit(CHANGES)


@runs_app.command("wait")
def wait(
    run: RunArgument,
    timeout: TimeoutOption = None,
    exit_code: ExitCodeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Wait until a run comes to rest, then show how it ended."""
    from workers.cli.attend import attend
    from workers.cli.desk import opened, records

    with records() as tools:
        found = tools.runs.find(run)
    wish = Wish(timeout=timeout, exit_code=exit_code, output=output)
    with opened(Role.READ, worker=not found.state.at_rest) as desk:
        attend(desk, desk.tools.runs.get(found.id), wish)


@runs_app.command("cancel")
def cancel(run: RunArgument, output: OutputOption = Output.TABLE) -> None:
    """End a run: at once, or before its next write. What has landed stays, and is told.

    While it is queued and others ask for it too, only your asking is withdrawn.
    """
    from workers.cli.attend import attend
    from workers.cli.desk import opened, records
    from workers.producer import Producer

    with records(Role.ASK) as tools:
        found = tools.runs.find(run)
    with opened(Role.ASK, worker=found.state is State.WRITING) as desk:
        ended = Producer(desk.runtime).cancel(desk.tools.runs.get(found.id), who=desk.actor.name)
        if ended.state is State.QUEUED and ended.cancelled_by is None:
            say(f"run {ended.id}: your asking is withdrawn; others still ask for it")
            raise typer.Exit(0)
        if ended.state is State.CANCELLED and output is Output.TABLE:
            tell(f"run {ended.id} is cancelled")
            raise typer.Exit(0)
        if not ended.state.at_rest:
            say(f"run {ended.id} ends before its next write")
        attend(desk, ended, Wish(output=output))


@runs_app.command("why")
def why(run: RunArgument) -> None:
    """Why a run stands where it stands: whom or what it waits for."""
    from workers.cli.desk import opened, records
    from workers.cli.why import at_rest, in_motion

    with records() as tools:
        found = tools.runs.find(run)
        if not found.state.in_motion:
            for reason in at_rest(tools, found):
                tell(reason)
            return
    with opened(Role.READ, worker=False) as desk:
        for reason in in_motion(desk, desk.tools.runs.get(found.id)):
            tell(reason)
    sys.stdout.flush()
