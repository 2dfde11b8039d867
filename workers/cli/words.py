"""How are things called for people? A run by its named sync or by what it syncs, a time by their
clock or by how long ago it was."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tasks.requests import NamespaceSync, Side, Task, equality

if TYPE_CHECKING:
    from tasks.config import Config
    from tasks.run import Run


def sync_name(config: Config, run: Run) -> str:
    """The name in `syncs:` whose task the run has, `dryRun` aside; else the kind of task."""
    for name in config.syncs:
        if equality(config.sync(name), with_dry_run=False) == run.sync:
            return name
    return "namespace" if isinstance(run.task, NamespaceSync) else "tenant"


def source_and_target(task: Task) -> str:
    """From where to where, e.g. `prod → flows main/tenants`."""
    scope = f" {task.namespace}" if isinstance(task, NamespaceSync) else ""
    kestra = f"{task.kestra or 'kestra'}{scope}"
    folder = f"/{task.git_directory}" if task.git_directory else ""
    git = f"{task.repository or 'git'} {task.branch}{folder}"
    sides = (kestra, git) if task.source_of_truth is Side.KESTRA else (git, kestra)
    arrow = "⇄" if task.source_of_truth_overrides else "→"
    return f"{sides[0]} {arrow} {sides[1]}"


def local(moment: datetime | None) -> str:
    """A time on the clock of this machine to the second, with its offset; empty for None."""
    if moment is None:
        return ""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago a time was, in its largest unit; empty for None."""
    if moment is None:
        return ""
    return f"{span(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def span(seconds: float) -> str:
    """A span of time in its largest unit, rounded down, e.g. `3 h`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def utc(moment: datetime) -> datetime:
    """A time of the records with its zone, which SQLite leaves out."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
