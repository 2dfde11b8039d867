"""Which two sides is a run about? Server and tenant, remote, branch, and where it starts."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.errors import NotFound
from tasks.kestra.side import KestraSide, Server
from tasks.plan import Target
from tasks.problems import Code, Problem
from tasks.repo.remote import Tip
from tasks.repo.side import RepoSide
from tasks.requests import Side, Task
from tasks.store.bases import Bases, scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The two sides of a run: which server and tenant, which remote, branch and commit."""

    server: Server
    target: Target
    #: The tip of the branch, or where a new branch starts; None: an empty repository.
    commit: str | None = None
    new_branch: bool = False
    #: Why this run cannot go on, all reasons.
    problems: tuple[Problem, ...] = ()


def pin(
    task: Task, run_id: str, server: Server, kestra: KestraSide, repo: RepoSide, bases: Bases
) -> Pinned:
    """Resolves the identities, and makes the tip of the branch present on this host.

    Raises LoginRefused, Unreachable and the like for a repository that cannot be reached.
    """
    target = target_of(task, server.uuid, kestra, repo)
    tip = repo.tip(task.branch)
    if tip.oid is not None:
        repo.ensure(run_id, tip.oid, task.branch)
        problems = check_history(repo, target, tip.oid, bases)
        return Pinned(server=server, target=target, commit=tip.oid, problems=problems)
    if Side.GIT in {task.source(kind) for kind in task.kinds}:
        return Pinned(server=server, target=target, problems=(_no_branch(task, repo, run_id),))
    start = _branch_start(task, repo, run_id, tip)
    return Pinned(server=server, target=target, commit=start, new_branch=True)


def target_of(task: Task, server: str, kestra: KestraSide, repo: RepoSide) -> Target:
    """The tenant and branch of a task, on the server with this uuid."""
    return Target(
        server=server,
        tenant=kestra.connection.tenant,
        remote=repo.remote,
        branch=task.branch,
        git_directory=task.git_directory,
    )


def check_history(repo: RepoSide, target: Target, tip: str, bases: Bases) -> tuple[Problem, ...]:
    """The problem of a branch that no longer contains the last synced commit of the pair."""
    last = bases.commit(scope(target))
    if last is None or last == tip or repo.contains(tip, last):
        return ()
    message = (
        f"branch {target.branch} was rewritten: its tip {tip[:10]} does not contain {last[:10]}, "
        "the last commit synced with this tenant; push a branch that contains it, or sync to a "
        "new branch"
    )
    return (Problem(code=Code.HISTORY_REWRITTEN, where=target.branch, message=message, fatal=True),)


def _no_branch(task: Task, repo: RepoSide, run_id: str) -> Problem:
    try:
        repo.fetch(run_id, task.branch)
        message = f"branch {task.branch} is not there"
    except NotFound as error:
        message = error.message
    return Problem(code=Code.NO_BRANCH, where=task.branch, message=message, fatal=True)


def _branch_start(task: Task, repo: RepoSide, run_id: str, tip: Tip) -> str | None:
    """Where a new branch starts: `baseBranch`, else the remote's HEAD; None: nothing there."""
    if task.base_branch is not None:
        return repo.fetch(run_id, task.base_branch)
    if tip.empty or tip.default_branch is None or tip.default_oid is None:
        return None
    return repo.fetch(run_id, tip.default_branch)
