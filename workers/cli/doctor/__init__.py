"""`tenantsync doctor`: is everything there that a sync needs, and what is to be done if not?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from workers.cli.console import err, line, show, tell, text
from workers.cli.doctor.finding import Check, Finding, Level, Look, Subject
from workers.cli.output import Output, OutputOption, write

if TYPE_CHECKING:
    from tasks.config import Config
    from workers.settings import Settings

_STYLES = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "yellow",
    Level.BROKEN: "bold red",
}


def doctor(
    output: OutputOption = Output.TABLE,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds that one look may take.")
    ] = 20.0,
) -> None:
    """Look at the configuration, Redis, the workers, the stores, git, and each Kestra and
    repository. Nothing is written to Kestra or Git.

    Ends with 1 if anything is broken.
    """
    import stamina

    stamina.set_active(False)  # how it is now, not whether it gets better
    found: list[Finding] = []
    for findings in _all(timeout):
        found += findings
        if output is Output.TABLE:
            _show(findings)
    broken = sum(finding.level is Level.BROKEN for finding in found)
    if output is Output.TABLE:
        tell(_verdict(found), "bold red" if broken else "bold green")
    else:
        write([finding.to_dict() for finding in found], output)
    raise typer.Exit(1 if broken else 0)


def _all(limit: float) -> Iterator[list[Finding]]:
    """The findings, in their order, each as soon as it and those before it are there."""
    from workers.cli.doctor import looks, machine, times

    chosen, findings = machine.settings()
    yield findings
    if chosen is None:
        return
    config, findings = machine.configuration(chosen)
    yield findings
    yield times.findings(chosen, config)
    waited = looks.answers(_looks(chosen, config, limit), limit)
    while True:
        waiting = err().status(text("looking")) if err().is_terminal else None
        with waiting or nullcontext():
            answer = next(waited, None)
        if answer is None:
            return
        yield answer[1]


def _looks(chosen: Settings, config: Config | None, limit: float) -> list[Look]:
    from workers.cli.doctor import broker, fleet, kestra, machine, repository, stores
    from workers.cli.doctor.looks import SHARE

    patience = limit * SHARE
    found = [
        Look(check=Check.GIT, subject=Subject("git"),
             ask=lambda: machine.git(chosen, config, patience)),
        Look(check=Check.REDIS, subject=broker.SUBJECT, ask=lambda: broker.look(chosen)),
        Look(check=Check.DATABASE, subject=stores.RECORDS, ask=lambda: stores.database(chosen)),
        Look(check=Check.CONTENTS, subject=stores.CONTENTS, ask=lambda: stores.contents(chosen)),
    ]  # fmt: skip
    if chosen.redis_url is not None:
        found.append(
            Look(check=Check.WORKERS, subject=fleet.SUBJECT, ask=lambda: fleet.look(chosen))
        )
    if config is None:
        return found
    found += [kestra.look(config, name, patience) for name in config.kestra]
    return found + [repository.look(chosen, config, name, patience) for name in config.repositories]


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(width=7)
    table.add_column(width=18, overflow="fold")
    table.add_column(overflow="fold")
    for finding in findings:
        level = Text(finding.level, style=_STYLES[finding.level])
        table.add_row(level, line(finding.subject), text(finding.text))
    if findings:
        show(table)


def _verdict(found: list[Finding]) -> str:
    broken = sum(finding.level is Level.BROKEN for finding in found)
    warnings = sum(finding.level is Level.WARNING for finding in found)
    if broken:
        return f"{broken} broken, {warnings} to look at: mend what is broken first."
    return f"Nothing is broken, {warnings} to look at." if warnings else "All is well."
