"""Writes one namespace of Kestra: looks again, writes in bulk, and says how each change ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.artifacts import Key, Kind, Part, Snapshot
from tasks.errors import Cancelled, LeaseLost, Passing, TenantSyncError
from tasks.guard import Guard
from tasks.identity import ordered
from tasks.kestra.archives import chunked
from tasks.kestra.senders import SINGLE_READS
from tasks.kestra.side import KestraSide, Write, WriteReport
from tasks.kestra.side import Written as Sent
from tasks.layout import SyncLayout
from tasks.look import Ended, How, Verdict, Written, look, snapshots_as_planned
from tasks.overtaking import Looks, newest_revisions, with_overtaken
from tasks.pinning import check_history
from tasks.plan import Action, Change
from tasks.problems import Problem
from tasks.repo.side import RepoSide
from tasks.requests import OnStale
from tasks.run import Run
from tasks.sides import (
    BlobsOf,
    View,
    git_view,
    kestra_now,
    without_ignored,
    without_own_ignored,
)
from tasks.store.bases import Bases
from tasks.store.contents import ALONE, Contents
from tasks.survey import placed_now

#: Bytes of files that are written together: of small ones, which an export reads back, and of
#: large ones.
SMALL_TOGETHER, IN_MEMORY = 64 << 20, 32 << 20


def write_namespace(
    run: Run,
    changes: Sequence[Change],
    *,
    kestra: KestraSide,
    repo: RepoSide,
    bases: Bases,
    contents: Contents,
    looks: Looks,
    guard: Guard,
) -> Written:
    """Writes changes of one namespace whose target is Kestra.

    Both sides are looked at again first; what moved is STALE. What somebody saves after that look
    and before the write is overwritten, but found and kept. Raises LeaseLost when the lane went to
    another run before all was sent: whoever takes the job over finds what landed.
    """
    parts = sorted({change.part for change in changes})
    revisions = newest_revisions(kestra, changes)
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(repo.tip, run.task.branch)
        views = kestra_now(kestra, parts)
        tip = shown.result().oid
    problems: tuple[Problem, ...] = ()
    if tip is None:
        return _all(changes, How.STALE, f"branch {run.task.branch} is gone")
    if tip != run.base_commit and run.target is not None:
        tip = repo.fetch(run.id, run.task.branch)
        problems = check_history(repo, run.target, tip, bases)
    if problems:
        stale = _all(changes, How.STALE, problems[0].message)
        return stale.model_copy(update={"problems": problems})
    sources, targets = _both(run, changes, views, repo, tip)
    verdicts = [look(one, sources[one.part], targets[one.part]) for one in changes]
    todo = [c.key for c, verdict in zip(changes, verdicts, strict=True) if verdict is Verdict.WRITE]
    noted = {key: revisions[key] for key in todo if key in revisions}
    if noted:
        looks.note(noted)
    written = _write(run, changes, verdicts, kestra, contents, guard)
    return _with_overtaken(written, {**looks.noted, **noted}, kestra, contents)


def _both(
    run: Run,
    changes: Sequence[Change],
    views: Mapping[Part, View],
    repo: RepoSide,
    tip: str,
) -> tuple[dict[Part, Snapshot], dict[Part, Snapshot]]:
    """The snapshots of both sides as they are now; a commit that did not move is as planned."""
    if tip == run.base_commit:
        planned = snapshots_as_planned(changes, source=True)
        empty = Snapshot()
        return (
            {part: planned.get(part, empty) for part in views},
            {part: _shown(part, view, changes).snapshot for part, view in views.items()},
        )
    layout = SyncLayout(run.task.git_directory)
    sources, targets = {}, {}
    for part, view in views.items():
        files = placed_now(repo, layout, part, tip)
        git = git_view(part, layout.folder(part), files, view, BlobsOf(repo, run))
        target, source = without_ignored(view, git)
        sources[part], targets[part] = source.snapshot, target.snapshot
    return sources, targets


def _shown(part: Part, view: View, changes: Sequence[Change]) -> View:
    if part.kind is not Kind.FILE:
        return view
    return without_own_ignored(view, [one.name for one in changes if one.part == part])


def _write(
    run: Run,
    changes: Sequence[Change],
    verdicts: Sequence[Verdict],
    kestra: KestraSide,
    contents: Contents,
    guard: Guard,
) -> Written:
    ended = {
        change.key: Ended(change=change, how=How.LANDED)
        if verdict is Verdict.LANDED
        else Ended(change=change, how=How.STALE, message="it moved after the plan")
        for change, verdict in zip(changes, verdicts, strict=True)
    }
    stale = any(verdict is Verdict.STALE for verdict in verdicts)
    todo = [c for c, verdict in zip(changes, verdicts, strict=True) if verdict is Verdict.WRITE]
    if stale and run.task.on_stale is OnStale.FAIL:
        for change in todo:
            why = "held back: another change of this namespace is stale (onStale: FAIL)"
            ended[change.key] = Ended(change=change, how=How.HELD, message=why)
        todo = []
    stopped: TenantSyncError | None = None
    for group in _groups(todo, contents):
        if stopped is None:
            report = _send(group, kestra, contents, guard)
            ended |= _told(group, report)
            stopped = report.stopped
            del report  # it holds what was read back
        else:
            how = How.HELD if isinstance(stopped, Cancelled) else How.FAILED
            why = f"not sent: {stopped.message}"
            ended |= {one.key: Ended(change=one, how=how, message=why) for one in group}
    return Written(ended=tuple(ended[change.key] for change in changes))


def _with_overtaken(
    written: Written, noted: Mapping[Key, int], kestra: KestraSide, contents: Contents
) -> Written:
    with_revisions = [
        one.model_copy(update={"revision": noted.get(one.change.key)}) for one in written.ended
    ]
    ended, problems = with_overtaken(with_revisions, kestra, contents)
    return written.model_copy(update={"ended": ended, "problems": (*written.problems, *problems)})


def _groups(changes: Sequence[Change], contents: Contents) -> Iterator[Sequence[Change]]:
    """Changes that are written and read back together: files of which the bytes are in memory at
    one time, in the order of the plan, then all others.

    Large files come few together, since more than `SINGLE_READS` are read back by an export of
    all files of the namespace.
    """
    sized = [
        (one, 0 if one.after_content is None else contents.size(one.after_content))
        for one in changes
        if one.kind is Kind.FILE
    ]
    if changes and changes[0].action is Action.DELETE:
        yield changes
        return
    small = [(one, size) for one, size in sized if size < ALONE]
    large = [(one, size) for one, size in sized if size >= ALONE]
    groups = [
        *chunked(small, count=10**6, size=SMALL_TOGETHER),
        *chunked(large, count=SINGLE_READS, size=IN_MEMORY),
    ]
    last = groups.pop() if groups else ()
    yield from groups
    others = [one for one in changes if one.kind is not Kind.FILE]
    if last or others:
        yield [*last, *others]


def _send(
    changes: Sequence[Change],
    kestra: KestraSide,
    contents: Contents,
    guard: Guard,
) -> WriteReport:
    by_key = {change.key: change for change in changes}
    bytes_of = {
        change.key: contents.get(change.after_content)
        for change in changes
        if change.action is not Action.DELETE and change.after_content is not None
    }
    order = _order(changes, bytes_of, contents)
    writes = [
        Write(
            key=key,
            action=by_key[key].action,
            content=bytes_of.get(key),
            before=by_key[key].before,
        )
        for key in order
    ]
    report = kestra.write(writes, guard)
    passing = isinstance(report.stopped, (LeaseLost, Passing))
    if report.stopped is not None and passing and not isinstance(report.stopped, Cancelled):
        raise report.stopped  # whoever takes the job over finds what landed
    return report


def _told(changes: Sequence[Change], report: WriteReport) -> dict[Key, Ended]:
    by_key = {change.key: change for change in changes}
    cancelled = isinstance(report.stopped, Cancelled)
    return {
        one.key: Ended(
            change=by_key[one.key], how=_how(one, cancelled=cancelled), message=one.message
        )
        for one in report.written
    }


def _how(one: Sent, *, cancelled: bool) -> How:
    if one.landed:
        return How.LANDED
    if not one.known:
        return How.UNKNOWN
    return How.HELD if cancelled else How.FAILED


def _order(
    changes: Sequence[Change], bytes_of: Mapping[Key, bytes], contents: Contents
) -> list[Key]:
    """Files first, then called flows before their callers; deletions the other way round."""
    flows = {
        change.key: bytes_of.get(change.key) or contents.get(change.before_content or "")
        for change in changes
        if change.kind is Kind.FLOW
    }
    others = [change.key for change in changes if change.kind is not Kind.FLOW]
    keys = ordered(flows)
    deletes = changes[0].action is Action.DELETE
    return [*others, *(reversed(keys) if deletes else keys)]


def _all(changes: Sequence[Change], how: How, message: str) -> Written:
    return Written(
        ended=tuple(Ended(change=change, how=how, message=message) for change in changes)
    )
