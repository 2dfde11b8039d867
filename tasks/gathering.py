"""One plan of all parts of a run: moves, what is held back, guards and refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tasks.guards import guards, held_unread, refusals, unread_problems
from tasks.layout import twins
from tasks.moves import with_moves
from tasks.partplan import PartPlan
from tasks.plan import Action, Change, Held, Plan, Target
from tasks.problems import Code, Problem
from tasks.requests import Side, Sync


def assemble(
    task: Sync,
    run: str,
    target: Target,
    parts: Sequence[PartPlan],
    *,
    base_commit: str | None,
    new_branch: bool,
    problems: Iterable[Problem] = (),
) -> Plan:
    """The plan of a run. What refuses it is in its problems as fatal, all of it at once."""
    found = [change for part in parts for change in part.changes]
    changes = held_unread(with_moves(found), parts)
    known = [*unread_problems(parts), *problems, *(one for p in parts for one in p.problems)]
    return Plan(
        run=run,
        target=target,
        base_commit=base_commit,
        new_branch=new_branch and any(one.target is Side.GIT for one in changes if one.writes),
        commit_message=task.commit_message,
        author=_author(task),
        changes=tuple(sorted(changes, key=lambda one: one.key)),
        problems=(
            *known,
            *refusals(task, changes, parts),
            *_protected(changes),
            *_taken_paths(changes),
        ),
        guards=tuple(guards(task, changes, parts)),
        unread=tuple(str(part.part) for part in parts if part.unread is not None),
    )


def _author(task: Sync) -> str | None:
    if task.author_name is None and task.author_email is None:
        return None
    return f"{task.author_name or ''} <{task.author_email or ''}>"


def _protected(changes: Sequence[Change]) -> list[Problem]:
    """One line per namespace whose deletions were held back."""
    numbers = Counter(one.namespace for one in changes if one.held is Held.PROTECTED)
    return [
        Problem(
            code=Code.PROTECTED,
            where=namespace,
            message=f"{number} kept although missing in the source: {namespace} is protected",
        )
        for namespace, number in sorted(numbers.items())
    ]


def _taken_paths(changes: Sequence[Change]) -> list[Problem]:
    """Files that would stand under one path: two for one name refuse the run, two that only
    case or Unicode form tells apart are a warning, since Kestra can hold both."""
    paths = [
        one.path
        for one in changes
        if one.target is Side.GIT and one.action in {Action.ADD, Action.UPDATE}
    ]
    twice = [path for path, number in Counter(paths).items() if number > 1]
    same = [
        Problem(
            code=Code.NAME_CLASH,
            where=path,
            message="two artifacts would be written to this path; rename one of them",
            fatal=True,
        )
        for path in sorted(twice)
    ]
    alike = [
        Problem(
            code=Code.NAME_CLASH,
            where=group[0],
            message=f"{' and '.join(group)} are one file on disks that ignore case",
        )
        for group in twins(paths)
    ]
    return same + alike
