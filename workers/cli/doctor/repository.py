"""Checks of one repository: reachable, its login, its branches, and whether it may be pushed to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tasks.errors import TenantSyncError
from tasks.requests import Side, Task
from workers.cli.doctor.finding import Check, Finding, Look, Subject
from workers.cli.doctor.using import syncs_of, writes, writing_to

if TYPE_CHECKING:
    from tasks.config import Config
    from tasks.connections import RepositoryConnection
    from tasks.repo.forge import Protection
    from tasks.repo.side import Check as Seen
    from tasks.repo.side import RepoSide
    from workers.settings import Settings


def look(chosen: Settings, config: Config, name: str, patience: float) -> Look:
    """The look at one repository of the configuration; each command may take `patience` s."""
    subject = Subject(f"repository {name}")
    return Look(
        check=Check.REPOSITORY,
        subject=subject,
        ask=lambda: _look(subject, chosen, config, name, patience),
    )


def _look(
    subject: Subject, chosen: Settings, config: Config, name: str, patience: float
) -> list[Finding]:
    from tasks.repo.side import RepoSide

    connection = config.repository(name)
    quick = connection.model_copy(
        update={
            "timeout": min(connection.timeout, patience),
            "connect_timeout": min(connection.connect_timeout, patience),
        }
    )
    side = RepoSide(quick, chosen.data, tuple(sorted(chosen.git_protocols)))
    seen, syncs = side.check(), syncs_of(config, "repository", name)
    default = f"default branch {seen.default_branch}" if seen.default_branch else "empty"
    text = f"login accepted, {len(seen.branches)} branches, {default}"
    return [
        subject.ok(Check.REPOSITORY, text),
        _push(subject, seen, writing_to(Side.GIT, syncs)),
        *_branches(subject, seen, syncs),
        *_protections(subject, side, quick, syncs),
    ]


def _push(subject: Subject, seen: Seen, writing: list[str]) -> Finding:
    if seen.problem is None:
        return subject.ok(Check.REPOSITORY_PUSH, "may be pushed to")
    if writing:
        text = f"{seen.problem} (written by {', '.join(writing)})"
        return subject.broken(Check.REPOSITORY_PUSH, text)
    text = f"read only, and no sync writes it: {seen.problem}"
    return subject.note(Check.REPOSITORY_PUSH, text)


def _branches(subject: Subject, seen: Seen, syncs: Mapping[str, Task]) -> Iterator[Finding]:
    for name, task in syncs.items():
        if task.branch not in seen.branches:
            yield _no_branch(subject, name, task, seen)


def _no_branch(subject: Subject, name: str, task: Task, seen: Seen) -> Finding:
    if task.source_of_truth is Side.GIT:
        text = (
            f"sync {name}: branch {task.branch} is not there; push it, name another, or bring the "
            f"tenant there: tenantsync sync tenant --source-of-truth KESTRA --branch {task.branch}"
        )
        return subject.broken(Check.REPOSITORY_BRANCH, text)
    start = task.base_branch or seen.default_branch
    if task.base_branch and task.base_branch not in seen.branches:
        text = f"sync {name}: neither branch {task.branch} nor baseBranch {start} is there"
        return subject.warning(Check.REPOSITORY_BRANCH, text)
    begins = f"from {start}" if start else "as the first one"
    text = f"sync {name}: branch {task.branch} will be created {begins}"
    return subject.note(Check.REPOSITORY_BRANCH, text)


def _protections(
    subject: Subject,
    side: RepoSide,
    connection: RepositoryConnection,
    syncs: Mapping[str, Task],
) -> Iterator[Finding]:
    """What the forge says of the branches that syncs write."""
    from tasks.repo import forge

    written: dict[str, list[str]] = {}
    for name, task in syncs.items():
        if writes(task, Side.GIT):
            written.setdefault(task.branch, []).append(name)
    if written and not forge.can_ask(connection, side.url):
        text = (
            f"whether {', '.join(written)} is protected is not known: only GitHub, GitLab, Gitea "
            "and Forgejo can be asked, by the token of the repository; `forge` says which it is"
        )
        yield subject.note(Check.REPOSITORY_PROTECTION, text)
        return
    for branch, names in written.items():
        try:
            found = forge.protection(connection, side.url, branch, connection.timeout)
        except TenantSyncError as error:
            text = f"whether branch {branch} is protected cannot be told: {error.message}"
            yield subject.note(Check.REPOSITORY_PROTECTION, text)
        else:
            yield _protection(subject, branch, names, found)


def _protection(subject: Subject, branch: str, names: list[str], found: Protection) -> Finding:
    by = f" ({found.by})" if found.by else ""
    remedy = (
        f"let this login push to it in the rules of the forge, or give {', '.join(names)} a branch "
        "of their own and merge it"
    )
    if found.may_push is False:
        what = (
            "is protected and this login may not push to it"
            if found.protected
            else ("may not be pushed to by this login")
        )
        return subject.broken(Check.REPOSITORY_PROTECTION, f"branch {branch} {what}{by}: {remedy}")
    if found.protected and found.may_push is None:
        text = f"branch {branch} is protected{by}; unless this login may bypass it, pushes are "
        return subject.warning(Check.REPOSITORY_PROTECTION, f"{text}refused: {remedy}")
    said = "protected, and this login may push to it" if found.protected else "not protected"
    return subject.ok(Check.REPOSITORY_PROTECTION, f"branch {branch} is {said}")
