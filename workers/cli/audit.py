"""`tenantsync audit list`: who did what, newest first."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from workers.cli.console import line, show
from workers.cli.groups import Group
from workers.cli.output import Output, OutputOption, write

audit_app = typer.Typer(cls=Group, help="Who did what.")


@audit_app.command("list")
def list_rows(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Only what happened to this run.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many rows.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """The newest rows first; rows are only ever added."""
    from tasks.store.audit import audit_rows
    from workers.cli.desk import records
    from workers.cli.words import local, utc

    with records() as tools:
        run_id = tools.runs.find(run).id if run else None
        rows = audit_rows(tools.database, run_id, limit)
    if output is not Output.TABLE:
        write(
            [
                {
                    "at": utc(row.at).isoformat(),
                    "run": row.run,
                    "who": row.who,
                    "event": row.event,
                    "details": row.details,
                }
                for row in rows
            ],
            output,
        )
        return
    table = Table("at", "run", "who", "event", "details", box=None, pad_edge=False)
    for row in rows:
        details = ", ".join(f"{name}: {value}" for name, value in row.details.items() if value)
        table.add_row(
            local(utc(row.at)), row.run or "", line(row.who), line(row.event), line(details)
        )
    show(table)
