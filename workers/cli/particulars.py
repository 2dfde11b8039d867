"""What is known of one run besides its plan: who asked, when what happened, who decided."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from tasks.run import Asker, Run
from tasks.toolbox import Toolbox
from workers.cli.console import line
from workers.cli.times import local


def particulars(tools: Toolbox, run: Run) -> Table:
    """The particulars as a table of names and values."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in _pairs(tools, run):
        if value:
            table.add_row(Text(name), line(value))
    return table


def _pairs(tools: Toolbox, run: Run) -> Iterator[tuple[str, str]]:
    for asker in tools.runs.askers(run.id):
        yield "asked", f"{local(asker.asked_at)} by {_who(asker)}"
    yield "planned", local(run.planned_at)
    for review in tools.runs.reviews(run.id):
        reason = f": {review.reason}" if review.reason else ""
        yield review.decision, f"{local(review.at)} by {review.person}{reason}"
    yield "ended", local(run.ended_at)
    yield "task", _task(run)
    if run.target is not None:
        yield "kestra", f"{run.target.server} tenant {run.target.tenant}"
        yield "git", f"{run.target.remote} {run.target.branch}"
    yield "read at", run.base_commit or ""
    yield "digest", run.plan_digest or ""
    yield "follows", run.follows or ""


def _who(asker: Asker) -> str:
    withdrawn = " (withdrawn)" if asker.withdrawn else ""
    return asker.who + withdrawn


def _task(run: Run) -> str:
    """The fields of the task that were given another value than their default."""
    given = run.task.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return ", ".join(f"{name}: {value}" for name, value in given.items())
