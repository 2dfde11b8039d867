"""`tenantsync sync` and `syncs list`: asks for a named sync, or for a task with all its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer
from rich.table import Table

from tasks.access import Role
from tasks.errors import TaskError, TenantSyncError
from tasks.requests import NamespaceSync, Task, TenantSync
from workers.cli.console import line, say, show, tell
from workers.cli.fields import Model, missing, options, structured, task_value
from workers.cli.groups import Group, SyncGroup
from workers.cli.options import ExitCodeOption, TimeoutOption, WaitOption, Wish
from workers.cli.output import Output, OutputOption, write

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=JSON",
        help=f"A field as JSON (may be repeated); so are given: {', '.join(structured())}.",
    ),
]
sync_app = typer.Typer(
    cls=SyncGroup,
    help="Ask for a sync: a named one of the configuration, or one with all its fields.",
)
syncs_app = typer.Typer(cls=Group, help="The named syncs of the configuration.")


def _names(incomplete: str) -> list[str]:
    """Names of syncs, for the completion of the shell."""
    from tasks.config import load as load_config
    from workers.settings import load

    try:
        names = load_config(load().config).syncs
    except TenantSyncError:
        return []
    return [name for name in names if name.startswith(incomplete)]


@sync_app.command(SyncGroup.NAMED)
def named(
    name: Annotated[
        str,
        typer.Argument(help="A name in `syncs:`.", metavar=SyncGroup.NAMED, autocompletion=_names),
    ],
    dry_run: Annotated[
        bool | None,
        typer.Option("--dry-run/--no-dry-run", help="Plan only, or write after all."),
    ] = None,
    review: Annotated[
        bool,
        typer.Option(
            "--review", help="A person must approve the plan; what is configured stays, too."
        ),
    ] = False,
    allow_empty: Annotated[
        bool | None,
        typer.Option("--allow-empty/--no-allow-empty", help="Follow an empty source."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", help="The planned run that is to be written now.")
    ] = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = None,
    exit_code: ExitCodeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask for the sync of that name in the configuration."""
    given = {"dry_run": dry_run, "allow_empty": allow_empty}
    changed: dict[str, Any] = {field: one for field, one in given.items() if one is not None}

    def task(tools: Any) -> Task:
        planned = {"plan": tools.runs.find(plan).id} if plan else {}
        found: Task = tools.config.sync(name)
        # Whoever asks may add a review, never take one away.
        reviewed = {"review": "always"} if review and not found.reviewed else {}
        return found.model_copy(update={**changed, **planned, **reviewed})

    _ask(task, Wish(wait=wait, timeout=timeout, exit_code=exit_code, output=output))


def _command(model: Model, job: str, words: str) -> Callable[..., None]:
    """The command of one model of tasks; its options are the fields of the model."""

    def ask(
        assignments: SetOption = None,
        wait: WaitOption = True,
        timeout: TimeoutOption = None,
        exit_code: ExitCodeOption = False,
        output: OutputOption = Output.TABLE,
        **given: Any,
    ) -> None:
        value = task_value(model, given, assignments or ())
        _ask(
            lambda tools: _task(tools, model, job, value),
            Wish(wait=wait, timeout=timeout, exit_code=exit_code, output=output),
        )

    own = Signature.from_callable(ask, eval_str=True).parameters.values()
    fields = [option.parameter() for option in options(model)]
    kept = [each for each in own if each.kind is not Parameter.VAR_KEYWORD]
    parameters = [*fields, *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in kept)]
    ask.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    ask.__doc__ = words
    return ask


def _task(tools: Any, model: Model, job: str, value: Mapping[str, object]) -> Task:
    """The task of a value; with `plan` the fields that are not given are those of that run."""
    from workers.producer import parse

    if "plan" in value:
        run = tools.runs.find(str(value["plan"]))
        if not isinstance(run.task, model):
            word = "namespace" if isinstance(run.task, NamespaceSync) else "tenant"
            raise TaskError(f"plan {run.id} is one of `tenantsync sync {word}`; ask with that")
        planned = {**run.task.to_dict(), "dryRun": False, **value, "plan": run.id}
        return parse(job, planned)
    if lacking := missing(model, value):
        raise TaskError("\n".join(f"{one.flag} is missing: {one.help}" for one in lacking))
    return parse(job, value)


sync_app.command("tenant")(
    _command(TenantSync, "tenant_sync", "Ask for a sync of a whole tenant, with all its fields.")
)
sync_app.command("namespace")(
    _command(NamespaceSync, "namespace_sync", "Ask for a sync of one namespace, with its fields.")
)


def _ask(task: Callable[[Any], Task], wish: Wish) -> None:
    from workers.cli.attend import attend
    from workers.cli.desk import opened
    from workers.producer import Producer

    with opened(Role.ASK, worker=wish.wait) as desk:
        run = Producer(desk.runtime).ask(task(desk.tools), who=desk.actor.name)
        askers = [one.who for one in desk.tools.runs.askers(run.id)]
        if len(askers) > 1:
            say(f"joined run {run.id}, which {', '.join(dict.fromkeys(askers[:-1]))} asked for")
        attend(desk, run, wish)


@syncs_app.command("list")
def list_syncs(output: OutputOption = Output.TABLE) -> None:
    """The named syncs: from where to where, and when they are asked by themselves."""
    from workers.cli.desk import records
    from workers.cli.words import source_and_target

    with records() as tools:
        config = tools.config
        if output is not Output.TABLE:
            rows = [{"name": name, **each.to_dict()} for name, each in config.syncs.items()]
            write(rows, output)
            return
        if not config.syncs:
            tell("no syncs yet: add one under `syncs:` in the configuration")
            return
        table = Table("sync", "from and to", "schedule", "review", box=None, pad_edge=False)
        for name, each in config.syncs.items():
            task = config.sync(name)
            schedule = f"{each.schedule.cron} {each.schedule.timezone}" if each.schedule else ""
            review = each.review if isinstance(each.review, str) else "by some"
            dry = " (dry run)" if task.dry_run else ""
            table.add_row(line(name), line(source_and_target(task) + dry), line(schedule), review)
        show(table)
