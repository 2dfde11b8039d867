"""How is a run called? By the named sync that it is a run of, else by what it syncs."""

from __future__ import annotations

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
