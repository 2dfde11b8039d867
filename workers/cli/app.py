"""Which commands are there? The tree of the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from workers.cli.audit import audit_app
from workers.cli.checks import config_app, schema
from workers.cli.doctor import doctor
from workers.cli.groups import Root
from workers.cli.processes import beat, demo, up, worker
from workers.cli.reviews import approve, reject
from workers.cli.runs import runs_app
from workers.cli.syncs import sync_app, syncs_app

_EPILOG = (
    "Exit codes: 0 done, nothing to do, dry run, waiting or superseded; 2 the same with changes "
    "(--exit-code); 3 refused, partial, stale, rejected, expired, cancelled, or a text was "
    "overwritten that nobody had seen; 4 not known how it ended; 1 failed, or typed wrongly."
)

app = typer.Typer(
    cls=Root,
    pretty_exceptions_enable=False,
    # The boxes of rich cut the names of options at 80 columns.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=_EPILOG,
    help="Two-way Git sync for whole Kestra tenants.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"tenantsync {version('tenantsync')}")
        except PackageNotFoundError:
            typer.echo("tenantsync (from its sources)")
        raise typer.Exit


@app.callback()
def tenantsync(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Two-way Git sync for whole Kestra tenants."""


app.add_typer(sync_app, name="sync", short_help="Ask for a sync: a named one, or by its fields.")
app.add_typer(runs_app, name="runs", short_help="Runs: what was asked and how it stands.")
app.add_typer(syncs_app, name="syncs", short_help="The named syncs of the configuration.")
app.add_typer(audit_app, name="audit", short_help="Who did what.")
app.add_typer(config_app, name="config", short_help="Check the configuration file.")
app.command("demo", short_help="Try everything out on this machine.")(demo)
app.command("approve", short_help="Approve a plan, which is then written.")(approve)
app.command("reject", short_help="Reject a plan: nothing is written.")(reject)
app.command("schema", short_help="The JSON schemas of tasks and results.")(schema)
app.command("doctor", short_help="Is everything there that a sync needs?")(doctor)
app.command("up", short_help="Worker, schedule and Flower in one terminal.")(up)
app.command("worker", short_help="A worker alone.")(worker)
app.command("beat", short_help="The schedule alone.")(beat)
