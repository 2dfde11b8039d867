"""`tenantsync doctor`: is everything there that a sync needs, and what is to be done if not?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from workers.cli.console import err, line, show, tell, text
from workers.cli.finding import Finding, Level
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
#: Looks at a time.
_AT_A_TIME = 6
_Look = Callable[[], list[Finding]]


def doctor(output: OutputOption = Output.TABLE) -> None:
    """Look at the configuration, Redis, the stores, git, and each Kestra and repository.

    Ends with 1 if anything is broken.
    """
    import stamina

    stamina.instrumentation.set_on_retry_hooks(())  # what a look found says it once, in words
    found: list[Finding] = []
    for findings in _all():
        found += findings
        if output is Output.TABLE:
            _show(findings)
    broken = sum(finding.level is Level.BROKEN for finding in found)
    if output is Output.TABLE:
        tell(_verdict(found), "bold red" if broken else "bold green")
    else:
        write([finding.to_dict() for finding in found], output)
    raise typer.Exit(1 if broken else 0)


def _all() -> Iterator[list[Finding]]:
    """The findings, in their order, each as soon as it and those before it are there."""
    from workers.cli import probes

    chosen, findings = probes.settings_findings()
    yield findings
    if chosen is None:
        return
    config, findings = probes.configuration(chosen)
    yield findings
    looks = {"git": lambda: probes.git(chosen), **_stores(chosen), **_sides(chosen, config)}
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        asked = {name: pool.submit(look) for name, look in looks.items()}
        for name, answer in asked.items():
            waiting = err().status(text(f"looking at {name}")) if err().is_terminal else None
            with waiting or nullcontext():
                findings = answer.result()
            yield findings


def _stores(chosen: Settings) -> dict[str, _Look]:
    from workers.cli import probes

    return {
        "Redis": lambda: probes.redis_server(chosen),
        "the database": lambda: probes.database(chosen),
        "the contents": lambda: probes.contents(chosen),
    }


def _sides(chosen: Settings, config: Config | None) -> dict[str, _Look]:
    from workers.cli import sideprobes

    if config is None:
        return {}
    looks: dict[str, _Look] = {}
    for name in config.kestra:
        looks[f"kestra {name}"] = lambda name=name: sideprobes.kestra(config, name)  # type: ignore[misc]
    for name in config.repositories:
        looks[f"repository {name}"] = lambda name=name: sideprobes.repository(  # type: ignore[misc]
            chosen, config, name
        )
    return looks


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(width=7)
    table.add_column(width=18, overflow="fold")
    table.add_column(overflow="fold")
    for finding in findings:
        level = Text(finding.level, style=_STYLES[finding.level])
        table.add_row(level, line(finding.subject), text(finding.text))
    show(table)


def _verdict(found: list[Finding]) -> str:
    broken = sum(finding.level is Level.BROKEN for finding in found)
    warnings = sum(finding.level is Level.WARNING for finding in found)
    if broken:
        return f"{broken} broken, {warnings} to look at: mend what is broken first."
    return f"Nothing is broken, {warnings} to look at." if warnings else "All is well."
