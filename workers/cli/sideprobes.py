"""Checks of both sides: each Kestra and each repository of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.artifacts import Kind
from tasks.requests import Side, Task
from workers.cli.finding import Finding, broken, looked, note, ok, warning

if TYPE_CHECKING:
    from tasks.config import Config
    from tasks.kestra.side import KestraSide
    from tasks.repo.side import Check
    from workers.settings import Settings


def kestra(config: Config, name: str) -> list[Finding]:
    """One Kestra: reachable, its version, its login, the kinds that it offers."""
    from tasks.kestra.side import KestraSide

    subject = f"kestra {name}"

    def look() -> list[Finding]:
        side = KestraSide(config.kestra_connection(name))
        try:
            return _kestra(subject, side, config, name)
        finally:
            side.close()

    return looked(subject, look)


def _kestra(subject: str, side: KestraSide, config: Config, name: str) -> list[Finding]:
    server = side.identity()
    shown = side.namespaces()
    findings = [
        ok(
            subject,
            f"Kestra {server.version} {server.edition}, login accepted, {len(shown)} namespaces",
        )
    ]
    findings += _dashboards(subject, side, _syncs(config, "kestra", name))
    if any(Kind.FILE in task.kinds for task in _syncs(config, "kestra", name).values()):
        text = (
            "Kestra's API does not show namespaces that hold nothing but files; name them in "
            "`namespaces` of a tenant sync, or they are only seen where Git has their folder"
        )
        findings.append(note(subject, text))
    return findings


def _dashboards(subject: str, side: KestraSide, syncs: dict[str, Task]) -> list[Finding]:
    from tasks.errors import Unsupported

    wanting = [name for name, task in syncs.items() if Kind.DASHBOARD in task.kinds]
    try:
        side.dashboards()
    except Unsupported as error:
        say = broken if wanting else note
        more = f"; syncs with dashboards: {', '.join(wanting)}" if wanting else ""
        return [ok(subject, "kinds: FLOW, FILE"), say(subject, error.message + more)]
    return [ok(subject, "kinds: FLOW, FILE, DASHBOARD")]


def repository(chosen: Settings, config: Config, name: str) -> list[Finding]:
    """One repository: reachable, its login and branches, and whether it may be pushed to."""
    from tasks.repo.side import RepoSide

    subject = f"repository {name}"

    def look() -> list[Finding]:
        allowed = tuple(sorted(chosen.git_protocols))
        check = RepoSide(config.repository(name), chosen.data, allowed).check()
        return _repository(subject, check, _syncs(config, "repository", name))

    return looked(subject, look)


def _repository(subject: str, check: Check, syncs: dict[str, Task]) -> list[Finding]:
    default = f"default branch {check.default_branch}" if check.default_branch else "empty"
    findings = [ok(subject, f"login accepted, {len(check.branches)} branches, {default}")]
    writing = [name for name, task in syncs.items() if _writes(task, Side.GIT)]
    if check.problem is None:
        findings.append(ok(subject, "may be pushed to"))
    elif writing:
        findings.append(broken(subject, f"{check.problem} (written by {', '.join(writing)})"))
    else:
        findings.append(note(subject, f"read only, and no sync writes it: {check.problem}"))
    findings += [
        _no_branch(subject, name, task, check)
        for name, task in syncs.items()
        if task.branch not in check.branches
    ]
    return findings


def _no_branch(subject: str, name: str, task: Task, check: Check) -> Finding:
    if task.source_of_truth is Side.GIT:
        text = (
            f"sync {name}: branch {task.branch} is not there; push it, name another, or bring the "
            f"tenant there: tenantsync sync tenant --source-of-truth KESTRA --branch {task.branch}"
        )
        return broken(subject, text)
    start = task.base_branch or check.default_branch
    if task.base_branch and task.base_branch not in check.branches:
        text = f"sync {name}: neither branch {task.branch} nor baseBranch {start} is there"
        return warning(subject, text)
    begins = f"from {start}" if start else "as the first one"
    return note(subject, f"sync {name}: branch {task.branch} will be created {begins}")


def _writes(task: Task, side: Side) -> bool:
    return not task.dry_run and any(task.source(kind) is not side for kind in task.kinds)


def _syncs(config: Config, connection: str, name: str) -> dict[str, Task]:
    """The named syncs that use a connection."""
    tasks = {each: config.sync(each) for each in config.syncs}
    return {each: task for each, task in tasks.items() if getattr(task, connection) == name}
