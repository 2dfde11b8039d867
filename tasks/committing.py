"""Writes all changes of a run whose target is Git as one commit, pushed once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tasks.artifacts import Kind, Part, Snapshot, blob_oid
from tasks.errors import Passing, Unreachable
from tasks.guard import Guard
from tasks.layout import SyncLayout
from tasks.look import Ended, How, Verdict, Written, look, snapshots_as_planned
from tasks.pinning import check_history
from tasks.plan import Action, Change
from tasks.points import reach
from tasks.problems import Code, Problem
from tasks.repo.commit import FileChange
from tasks.repo.push import Push, PushResult
from tasks.repo.side import RepoSide
from tasks.repo.tree import TreeEntry
from tasks.requests import OnStale
from tasks.run import Run
from tasks.sides import BlobsOf, View, git_view, without_ignored, without_own_ignored
from tasks.store.bases import Bases
from tasks.store.contents import Contents
from tasks.survey import placed
from tasks.wording import Wording

#: How often a push that another writer's push overtook is built again on the new tip.
TRIES = 10


def commit_plan(
    run: Run,
    changes: Sequence[Change],
    held: Mapping[Part, View],
    wording: Wording,
    *,
    repo: RepoSide,
    bases: Bases,
    contents: Contents,
    guard: Guard,
) -> Written:
    """Commits and pushes; `held` is what Kestra, the source, holds now of the changed parts.

    A push that lost a race is built again on the new tip, where each change is looked at again.
    """
    for _ in range(TRIES):
        tip = repo.tip(run.task.branch).oid
        if tip is None and not run.new_branch:
            return _every(changes, How.STALE, f"branch {run.task.branch} was deleted", ())
        if tip is not None and tip != run.base_commit:
            tip = repo.fetch(run.id, run.task.branch)
            found = found_commit(run, repo, tip, changes, contents)
            if found is not None:
                return found
            problems = check_history(repo, run.target, tip, bases) if run.target else ()
            if problems:
                return _every(changes, How.STALE, problems[0].message, problems)
        elif run.base_commit is not None:
            repo.ensure(run.id, run.base_commit, run.task.branch)
        written = _attempt(run, changes, held, wording, tip, repo, contents, guard)
        if written is not None:
            return written
    raise Passing(
        f"branch {run.task.branch}: {TRIES} pushes in a row were overtaken by other writers"
    )


def found_commit(
    run: Run, repo: RepoSide, tip: str, changes: Sequence[Change], contents: Contents
) -> Written | None:
    """What landed when a commit of this very run is in the branch already: what it changed."""
    commit = repo.run_commit(run.base_commit, tip, run.id)
    if commit is None:
        return None
    entries = repo.paths(commit, [change.path for change in changes])
    ended = tuple(
        Ended(change=change, how=How.LANDED)
        if _shows(change, entries.get(change.path), contents)
        else Ended(change=change, how=How.STALE, message=f"not in commit {commit[:10]}")
        for change in changes
    )
    return Written(ended=ended, commit=commit, commit_url=repo.commit_url(commit))


def _shows(change: Change, entry: TreeEntry | None, contents: Contents) -> bool:
    """Whether a commit holds what the change was to make."""
    if change.after_content is None:
        return entry is None
    return entry is not None and entry.oid == blob_oid(contents.get(change.after_content))


def _attempt(
    run: Run,
    changes: Sequence[Change],
    held: Mapping[Part, View],
    wording: Wording,
    tip: str | None,
    repo: RepoSide,
    contents: Contents,
    guard: Guard,
) -> Written | None:
    """One commit and one push; None when another push came first. `tip` None: a new branch."""
    base = tip or run.base_commit
    verdicts = _verdicts(run, changes, held, base, repo)
    todo = [one for one in changes if verdicts[one] is Verdict.WRITE]
    held_back = _half_moves(changes, verdicts)
    todo = [one for one in todo if one not in held_back]
    if run.task.on_stale is OnStale.FAIL and Verdict.STALE in verdicts.values():
        why = "nothing was committed: a change is stale (onStale: FAIL)"
        return _ended(changes, verdicts, {**held_back, **dict.fromkeys(todo, (How.HELD, why))})
    if not todo:
        return _ended(changes, verdicts, held_back)
    files = (_file(change, contents) for change in todo)  # read as they are written
    oid = repo.commit(
        run.id,
        base,
        files,
        wording.message,
        trailers=wording.trailers,
        author=wording.author,
        committer=wording.committer,
        when=run.planned_at or run.asked_at,
    )
    if oid is None:
        return _ended(changes, verdicts, held_back)
    reach("committed", run=run.id)
    # Git's own compare-and-swap fences a late push; the lease is renewed while it runs.
    guard(min(repo.connection.timeout, guard.longest))
    reach("push.before", run=run.id)
    push = repo.push(run.task.branch, oid, tip)
    reach("push.after", run=run.id)
    return _pushed(changes, verdicts, todo, held_back, push, oid, repo)


def _pushed(
    changes: Sequence[Change],
    verdicts: Mapping[Change, Verdict],
    todo: Collection[Change],
    held_back: Mapping[Change, tuple[How, str]],
    push: Push,
    oid: str,
    repo: RepoSide,
) -> Written | None:
    if push.result is PushResult.RACED:
        return None
    if push.result is PushResult.UNKNOWN:
        raise Unreachable(push.message)  # the next try finds the commit in the branch, or pushes
    if push.result in {PushResult.LANDED, PushResult.NO_OP}:
        ended = _ended(changes, verdicts, held_back)
        return ended.model_copy(update={"commit": oid, "commit_url": repo.commit_url(oid)})
    problem = Problem(code=Code.REFUSED, where=repo.remote, message=push.message)
    refused = dict.fromkeys(todo, (How.FAILED, push.message))
    ended = _ended(changes, verdicts, {**held_back, **refused})
    return ended.model_copy(update={"problems": (problem,)})


def _half_moves(
    changes: Sequence[Change], verdicts: Mapping[Change, Verdict]
) -> dict[Change, tuple[How, str]]:
    """Deletions of moves whose other half is stale: they must not be made alone."""
    stale = {str(one.key) for one in changes if verdicts[one] is Verdict.STALE}
    return {
        change: (How.HELD, f"held back: {change.moved_to}, to which it moves, is stale")
        for change in changes
        if change.moved_to in stale and verdicts[change] is Verdict.WRITE
    }


def _verdicts(
    run: Run,
    changes: Sequence[Change],
    held: Mapping[Part, View],
    base: str | None,
    repo: RepoSide,
) -> dict[Change, Verdict]:
    if base == run.base_commit or base is None:
        return _verdicts_as_planned(changes, held)
    layout = SyncLayout(run.task.git_directory)
    found = placed(layout, repo.listing(base, run.task.git_directory))
    verdicts: dict[Change, Verdict] = {}
    for part, of_part in _by_part(changes).items():
        seen = held[part]
        files = found.get(part, ())
        source = seen
        target = git_view(part, layout.folder(part), files, source, BlobsOf(repo, run))
        if part.kind is Kind.FILE:
            source, target = without_ignored(source, target)
        taken = {path for path, _, _ in files}
        for change in of_part:
            verdicts[change] = look(change, source.snapshot, target.snapshot, taken)
    return verdicts


def _by_part(changes: Iterable[Change]) -> Mapping[Part, Sequence[Change]]:
    found: dict[Part, list[Change]] = {}
    for change in changes:
        found.setdefault(change.part, []).append(change)
    return found


def _verdicts_as_planned(
    changes: Sequence[Change], held: Mapping[Part, View]
) -> dict[Change, Verdict]:
    """Git has not moved since the plan, so only Kestra is looked at."""
    planned = snapshots_as_planned(changes, source=False)
    verdicts: dict[Change, Verdict] = {}
    for part, of_part in _by_part(changes).items():
        view, target = held[part], planned.get(part, Snapshot())
        if part.kind is Kind.FILE:
            view = without_own_ignored(view, [one.name for one in of_part])
        for change in of_part:
            verdicts[change] = look(change, view.snapshot, target)
    return verdicts


def _file(change: Change, contents: Contents) -> FileChange:
    if change.action is Action.DELETE or change.after_content is None:
        return FileChange(change.path, None)
    return FileChange(change.path, contents.get(change.after_content))


def _ended(
    changes: Sequence[Change],
    verdicts: Mapping[Change, Verdict],
    other: Mapping[Change, tuple[How, str]],
) -> Written:
    """How all changes ended: as `other` says, else landed unless they are stale."""
    ended = []
    for change in changes:
        if change in other:
            how, message = other[change]
            ended.append(Ended(change=change, how=how, message=message))
        elif verdicts[change] is Verdict.STALE:
            why = "it moved after the plan"
            ended.append(Ended(change=change, how=How.STALE, message=why))
        else:
            ended.append(Ended(change=change, how=How.LANDED))
    return Written(ended=tuple(ended))


def _every(
    changes: Sequence[Change], how: How, message: str, problems: tuple[Problem, ...]
) -> Written:
    ended = tuple(Ended(change=change, how=how, message=message) for change in changes)
    return Written(ended=ended, problems=problems)
